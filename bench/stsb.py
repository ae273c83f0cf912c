#!/usr/bin/env python3
"""sentence-transformers' figure for an STS-B file: stsb.py FILE MODEL-DIRECTORY.  Prints pairs and Spearman's correlation."""

import csv
import sys

from scipy.stats import spearmanr
from sentence_transformers import SentenceTransformer, util


def main(file, directory):
    with open(file, newline="", encoding="utf-8") as source:
        rows = list(csv.reader(source))
    model = SentenceTransformer(directory, device="cpu")
    a, b = (model.encode([row[i] for row in rows], convert_to_tensor=True) for i in (0, 1))
    cosines = util.pairwise_cos_sim(a, b)
    print("%d|%.6f" % (len(rows), spearmanr(cosines.numpy(), [float(row[2]) for row in rows])[0]))


if __name__ == "__main__":
    main(*sys.argv[1:])
