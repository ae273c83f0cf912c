#!/usr/bin/env python3
"""Packs jieba's dictionary for the importer: python3 make_words.py [dict.txt]

Reads the dictionary of jieba 0.42.1 (Debian's python3-jieba has it in /usr/lib/python3/dist-packages/jieba) and
writes words.bin beside this script.  That file has one line twice (B超); the dictionary within rjieba 0.2.2, which
Transformers' RoFormer uses, has it once, and is the same otherwise.

words.bin, little endian:
    8 bytes     "jieba 1\\n"
    uint32      number of words
    uint32      number of weights
    double      weights: ln f - ln F for each frequency f, those of many words first; then -ln F, of what is no word.
                F is the sum of all frequencies.  Both logarithms and the difference are rounded to nearest.
    words, ascending in UTF-16: a byte, high half how many characters are those of the word before, low half
    how many follow less one; these, as uint16; the weight's number in groups of seven bits, the low ones first, bit 7
    set in all but the last.
"""
import math
import struct
import sys
from collections import Counter
from decimal import Decimal, getcontext
from pathlib import Path

EXPECTED = (349045, 60101964)


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else "/usr/lib/python3/dist-packages/jieba/dict.txt"
    words = {}
    for line in open(path, encoding="utf-8"):
        word, frequency = line.split()[:2]
        assert words.setdefault(word, int(frequency)) == int(frequency), word
    total = sum(words.values())
    assert (len(words), total) == EXPECTED, (len(words), total)
    getcontext().prec = 60
    log_total = float(Decimal(total).ln())
    counts = Counter(words.values())
    frequencies = sorted(counts, key=lambda frequency: (-counts[frequency], frequency))
    numbers = {frequency: i for i, frequency in enumerate(frequencies)}
    weights = [float(Decimal(f).ln()) - log_total for f in frequencies] + [-log_total]
    out = bytearray(b"jieba 1\n" + struct.pack("<II", len(words), len(weights)))
    out += struct.pack("<%dd" % len(weights), *weights)
    before = ""
    for word in sorted(words):
        assert len(word) <= 16 and all(ord(c) < 0x10000 for c in word)
        same = 0
        while same < min(len(before), len(word) - 1) and before[same] == word[same]:
            same += 1
        out.append(same << 4 | (len(word) - same - 1))
        out += word[same:].encode("utf-16-le")
        number = numbers[words[word]]
        while number > 127:
            out.append(number & 127 | 128)
            number >>= 7
        out.append(number)
        before = word
    (Path(__file__).resolve().parent / "words.bin").write_bytes(out)
    print(len(words), "words,", len(weights), "weights,", len(out), "bytes")


if __name__ == "__main__":
    main()
