"""Writes the corpora of the fuzz targets of the tokenizer's components: components as compare_tokenizers.py draws them."""
import json
import random
from pathlib import Path

from compare_tokenizers import decoder, model, normalizer, post_processor, pre_tokenizer, random_text
from make_regex import WRITTEN, choice_of

CORPUS = Path(__file__).resolve().parent.parent / "fuzz" / "corpus"
VOCAB = {"<s>": 1, "</s>": 2, "<pad>": 3, "<mask>": 4}


def write(target, number, first, text):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ("%03d" % number)).write_bytes(first.encode() + b"\0" + text.replace("\0", "").encode())


def main():
    draw = random.Random(11)
    stages = {"normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "decoder": decoder,
              "post_processor": lambda draw: post_processor(draw, VOCAB), "model": lambda draw: model(draw, ["ab", "abab", "aab", "b", "\u00e9a"])}
    for stage, make in stages.items():
        for i in range(40 if stage != "model" else 16):
            write("fuzz_tokenizer_" + stage, i, json.dumps(make(draw)), random_text(draw)[:120] + " NEW <x> one")
    for i, pattern in enumerate(WRITTEN[::3] + [choice_of(draw) for _ in range(30)]):
        write("fuzz_regex", i, pattern, random_text(draw)[:80])
    for i in range(24):
        # A tokenizer, and some damages to its tables.
        bytes_ = bytes([i % 4]) + b"".join(bytes([draw.randrange(256) for _ in range(5)]) + bytes([draw.choice([0, 0, 0, 255])]) for _ in range(draw.randint(0, 5)))
        (CORPUS / "fuzz_tokenizer_tables" / ("%03d" % i)).write_bytes(bytes_)


if __name__ == "__main__":
    main()
