#!/usr/bin/env python3
"""Truncation strategies, strides and overflowing windows, as fixtures.

Writes windows.json beside this script, over folders of tokenizers/:
    {"texts": [...], "folders": {name: {"use_fast": 0 | 1, "runs": [...]}}}, a run being
    {"text", "pair" (absent: none), "bare": true without special tokens, "max_length", "stride", "strategy", "side",
     "windows": [{"ids", "types", "pos", "len"}]}       the encoding, then the overflowing ones
    or, of the slow classes, which give the rest as one list of ids, {"ids", "types", "rest": [ids]}
    "error": true instead: the tokenizer refuses.
pos is -1 and len 0 for special tokens.

Made with transformers 4.37.2 and tokenizers 0.15.2 on Python 3.11; same versions, same file:
    python make_windows.py
"""
import json
import logging
import os
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"

from transformers import AutoTokenizer  # noqa: E402

logging.disable(logging.ERROR)
HERE = Path(__file__).resolve().parent
FAST = ["bert-fast", "class-roberta-fast", "class-roberta-fast-prefix", "class-roberta-fast-untrimmed",
        "real-roberta-base", "real-minilm", "added-byte-level-lstrip-rstrip"]
SLOW = ["bert-slow", "class-roberta-slow"]
TEXTS = [
    "The quick brown fox jumps over the lazy dog, and the dog does not mind.",
    "Who jumps?",
    "  spaces  before   and\tbetween the words \n of  a text ",
    "\u4f60\u597d, world \u4e16\u754c\uff01 caf\u00e9 na\u00efve \U0001f44d\U0001f3fd end",
    "",
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen",
]
PAIRS = [(1, 0), (0, 5), (5, 5), (2, 3), (1, 4), (4, 5)]


def windows(encoding, bare):
    """Without special tokens RobertaProcessing leaves the types of later windows as they were."""
    found = []
    for e in encoding.encodings:
        special = e.special_tokens_mask
        found.append({"ids": e.ids, **({} if bare and found else {"types": e.type_ids}), "pos": [-1 if s else o[0] for s, o in zip(special, e.offsets)],
                      "len": [0 if s else o[1] - o[0] for s, o in zip(special, e.offsets)]})
    return found


def ask(tokenizer, text, pair, bare, length, stride, strategy, side):
    run = {"text": text, "max_length": length, "stride": stride, "strategy": strategy, "side": side}
    if pair is not None:
        run["pair"] = pair
    if bare:
        run["bare"] = True
    special = 0 if bare else tokenizer.num_special_tokens_to_add(pair is not None)
    if special >= length:
        return None
    tokenizer.truncation_side = side
    # An empty pair is a pair, which only lists of texts say.
    arguments = ([TEXTS[text]],) if pair is None else ([TEXTS[text]], [TEXTS[pair]])
    options = {"add_special_tokens": not bare, "max_length": length, "stride": stride, "truncation": strategy,
               "return_overflowing_tokens": True, "return_token_type_ids": True if tokenizer.is_fast or not bare else None}
    if tokenizer.is_fast:
        try:
            run["windows"] = windows(tokenizer(*arguments, **options), bare)
        except BaseException as error:
            if "stride" not in str(error) and "Truncation error" not in str(error):
                raise
            run["error"] = True
        return run
    # The slow classes only warn where they cannot cut, and give no rest of two parts.
    parts = [len(tokenizer(a, add_special_tokens=False)["input_ids"][0]) for a in arguments]
    over = sum(parts) + special - length
    if strategy == "longest_first" and pair is not None:
        return None
    part = 1 if strategy == "only_second" else 0
    if strategy == "only_second" and pair is None:
        return None
    if over > 0 and (parts[part] <= over or stride >= parts[part] - over):
        return None
    encoding = tokenizer(*arguments, **options)
    run.update(ids=encoding["input_ids"][0], rest=encoding["overflowing_tokens"][0] if "overflowing_tokens" in encoding else [])
    if "token_type_ids" in encoding:
        run["types"] = encoding["token_type_ids"][0]
    return run


def main():
    folders = {}
    for name in FAST + SLOW:
        use_fast = 0 if name in SLOW else 1
        tokenizer = AutoTokenizer.from_pretrained(HERE / "tokenizers" / name, use_fast=use_fast != 0)
        assert tokenizer.is_fast == (use_fast != 0), name
        runs = []
        for side in ("right", "left"):
            for length in (5, 9, 14, 21, 27, 40, 512):
                for stride in (0, 1, 3):
                    for text in (0, 2, 3, 4):
                        runs.append(ask(tokenizer, text, None, (length + text) % 3 == 0, length, stride, "longest_first", side))
                    for pair in PAIRS:
                        for strategy in ("longest_first", "only_first", "only_second"):
                            runs.append(ask(tokenizer, *pair, (length + stride) % 7 == 0, length, stride, strategy, side))
                    runs.append(ask(tokenizer, 0, None, False, length, stride, "only_second", side))
        # A few of each kind are enough for the file's size.
        runs = [run for run in runs if run and len(run.get("windows", [])) <= 40]
        keep = 7 if name in ("bert-fast", "class-roberta-fast", "bert-slow") else 13
        folders[name] = {"use_fast": use_fast, "runs": [run for i, run in enumerate(runs) if i % keep == 0]}
        print(name, len(folders[name]["runs"]), sum("error" in run for run in folders[name]["runs"]))
    (HERE / "windows.json").write_text(json.dumps({"texts": TEXTS, "folders": folders}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
