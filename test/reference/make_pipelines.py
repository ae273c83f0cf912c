#!/usr/bin/env python3
"""Writes pipelines/: small models with tokenizers, and what Transformers' pipelines make of texts.

Needs torch 2.2.2, transformers 4.37.2, sentence-transformers 2.7.0, rjieba 0.2.2 and safetensors; README.md here
describes cases.json.  The tokenizer fixtures must be there.  Arguments: parts of the names of folders to keep to.
"""

import shutil
import sys

import pipelines_common as common
from families_common import prepare
import pipelines_texts
import pipelines_tokenizers
import pipelines_tokens


def main():
    prepare()
    common.ROOT.mkdir(exist_ok=True)
    wanted = sys.argv[1:]
    modules = [pipelines_tokens, pipelines_texts, pipelines_tokenizers]
    for module in modules:
        if not wanted or any(module.__name__.endswith(w) for w in wanted):
            module.make()
    names = {f.name for f in common.Folder.folders}
    cases = 0
    for folder in common.Folder.folders:
        cases += folder.write()
    if not wanted:
        for path in common.ROOT.iterdir():
            if path.name not in names:
                shutil.rmtree(path)
    print(len(names), "folders,", cases, "cases")


if __name__ == "__main__":
    main()
