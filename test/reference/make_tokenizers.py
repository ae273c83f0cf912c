#!/usr/bin/env python3
"""What transformers makes of texts, for small tokenizers of every kind, as fixtures.

Writes beside this script:
    tokenizers/texts.json               the texts, and pairs of them by index
    tokenizers/<case>/                  the files of a tokenizer, and expected.json: what it makes of the texts
    tokenizers/characters.json          for each of VARIANTS one hash per BLOCK code points, of what becomes of
                                        "a", the character, "b" under a vocabulary that has every character
    tokenizers/minilm.json              as expected.json, for the real vocabulary of all-MiniLM-L6-v2

expected.json: {"use_fast": -1 | 0 | 1, "runs": [...]}, a run being
    {"text": index, "pair": index or absent, "bare": true without special tokens, "max_length", "side": "right"|"left",
     "ids", "types", "pos", "len" (of characters; both absent for slow tokenizers, which have none),
     "whole": tokens before truncation, "decoded", "skipped": decoded without special tokens}

Made with transformers 4.37.2 and tokenizers 0.15.2 on Python 3.11; same versions, same files:
    python make_tokenizers.py [MINILM_DIR]
"""
import json
import logging
import os
import random
import shutil
import struct
import sys
import tempfile
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

logging.disable(logging.WARNING)
HERE = Path(__file__).resolve().parent / "tokenizers"
BLOCK = 0x1000

TEXTS = [
    "", " ", "   \t\n ", "a", ".", "Hello, world!", "hello", "HELLO WORLD", "unaffable", "unaffable.unaffable",
    "The quick brown fox jumps over the lazy dog.", "I can't do that, won't I? It's 5 o'clock; they're here.",
    "  leading and trailing  ", "tabs\tand\nnewlines\r\nand\rreturns", "one\u00a0two\u2003three\u3000four\u2028five\u2029six",
    "zero\u200bwidth\u200djoiner\ufeffbom\u00adsoft", "control\x00\x01\x07\x1b\x1f\x7f\x80\x85\x9fend", "bad \ufffd replaced",
    "private \ue000\uf8ff\U000f0000 use", "unassigned \u0378\U0001fbff\U000e0fff end", "caf\u00e9 na\u00efve r\u00e9sum\u00e9",
    "cafe\u0301 nai\u0308ve re\u0301sume\u0301", "e\u0301\u0327\u0323x e\u0323\u0327\u0301x \u1ec7", "\u0301 alone \u0301\u0301", "a\u0315\u0300b a\u0300\u0315b",
    "\u1b13\u1b44\u0301\u302e \u302f\u1b44a \u0915\u094d\u0937\u093f", "\u0130stanbul I\u0307 \u0131\u0049 \u0069", "Stra\u00dfe STRASSE \u1e9e", "\u039f\u0394\u039f\u03a3 \u03a3\u038a\u03a3\u03a5\u03a6\u039f\u03a3 \u03c2 \u03c3\u03a3",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u0401\u043b\u043a\u0430 \u0419", "\u4f60\u597d\u4e16\u754c", "\u4f60\u597d, world \u4e16\u754c\uff01\u3002", "\u6f22\u5b57\u304b\u306a\u4ea4\u3058\u308a\u6587\u30ab\u30bf\u30ab\u30ca\u3067\u3059", "\u3400\U00020000\U0002a700\U0002b740\U0002b820\U0002b91f\U0002b920\uf900\U0002f800",
    "\ud55c\uad6d\uc5b4 \uac00\uac01\ud7a3", "\u1112\u1161\u11ab\u1100\u116e\u11a8", "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22 \u0e19\u0e49\u0e33", "\u0939\u093f\u0928\u094d\u0926\u0940 \u0915\u094d\u0937", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u0645\u064e\u0631\u0652\u062d\u064e\u0628\u064b\u0627", "\u05e9\u05b8\u05dc\u05d5\u05b9\u05dd", "mixed \u05e9\u05dc\u05d5\u05dd and \u0645\u0631\u062d\u0628\u0627 text",
    "\U0001f600 smile \U0001f44d\U0001f3fd", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 family", "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7", "1\ufe0f\u20e3 keycap \u2764\ufe0f", "\u00bd \u00b2 \u2168 \u2460 \ufb01 \ufb03 \u2122 \u212b \u2126",
    "\uff28\uff45\uff4c\uff4c\uff4f\u3000\uff11\uff12\uff13", "\U0001d400\U0001d41b\U0001d4d2 math", "\U00010400\U00010428 deseret", "$100 + 20% = 120\u20ac <tag> a|b ~x^y `code`",
    "a_b-c/d\\e@f.com #hash", "http://example.com/path?query=1&b=2", "snake_case camelCase PascalCase", "...!!!???---", "\u2014 dash \u2013 \u2018single\u2019 \u201cdouble\u201d \u2026", "\u00bfQu\u00e9? \u00a1S\u00ed! \u00abguillemets\u00bb",
    "x" * 99, "x" * 100, "x" * 101, "y" * 300, "\u00e9" * 100, "\u00e9" * 101, "a" * 50 + "\u4f60" + "b" * 60,
    "[CLS] typed [SEP] in text [MASK] [PAD] [UNK]", "[MASK]", "[MASK][MASK]", "  [MASK]  ", "a[MASK]b", "[mask] [Mask]", "[CLS", "[[MASK]]",
    "New token NEW new", "newest new news", "  spaced token  and token", "<x> <x>y z<x>", "hello world", "Hello  World", "C++ c++ C# c#.",
    "1234567890 12 3 4.5 6,789", "aaaa bbbb cccc dddd eeee ffff gggg hhhh", "supercalifragilisticexpialidocious", "\u01c4\u01c5\u01c6 \u01f0 \u0149 \u0390 \u1f80",
    "\u0344 \u0958 \u2126 \u212a \ufb4b \u1fef", "\u1100\u1161 \u1100\u1161\u11a8 \uac00\u11a8", "\u0b47\u0b56 \u0b47\u0b3e \u09c7\u09be \u09c7\u09d7", "a\u20dd \u0488 \u0903", "\u115f\u3164\u1160",
    "do not . Ca n't ' quoted ' I 'm he 's we 've you 're ! ? ,", "tail space ", "\ttab", "line one\nline two\n\nline four", "\u00e5\u00e4\u00f6 \u00c5\u00c4\u00d6", "Vi\u1ec7t Nam \u0110\u00e0 N\u1eb5ng", "\u0141\u00f3d\u017a \u017b\u00f3\u0142\u0107",
    "\U000e0001\U000e0041tags", "\u202ertl override\u202c", "\u2066isolates\u2069 \u061c", "\u180e mongolian \u1885\u1886 \u166d \u111c9 \u1734 \ua9bd", "ab\u0000cd", "\u0345\u0399 \u1fb3 \u0371",
    "a \u2581 b \u2581\u2581c", "\u0120 \u010a \u0100", "word " * 40,
]
PAIRS = [(5, 10), (10, 5), (0, 5), (5, 0), (0, 0), (11, 30), (63, 64), (20, 21), (10, 10), (3, 99), (99, 3), (70, 74), (33, 40), (8, 9), (9, 8)]
LENGTHS = [4, 5, 6, 7, 8, 11, 16, 25]


def dump(path, value):
    path.write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")


def run(tokenizer, fast, text, pair=None, bare=False, max_length=None, side="right"):
    """One call, as the test is to repeat it."""
    first, second = TEXTS[text], None if pair is None else TEXTS[pair]
    options = {"add_special_tokens": not bare}
    # An empty pair is a pair, which only lists of texts say.
    arguments = ([first],) if pair is None else ([first], [second])
    tokenizer.truncation_side = side
    whole = len(tokenizer(*arguments, **options)["input_ids"][0])
    if max_length:
        options.update(truncation=True, max_length=max_length)
    encoding = tokenizer(*arguments, return_offsets_mapping=fast, **options)
    ids = encoding["input_ids"][0]
    result = {"text": text, "ids": ids, "types": encoding["token_type_ids"][0] if "token_type_ids" in encoding else
              [0] * len(ids)}
    if pair is not None:
        result["pair"] = pair
    if bare:
        result["bare"] = True
    if max_length:
        result.update(max_length=max_length, side=side)
    if fast:
        offsets = encoding["offset_mapping"][0]
        sequences = encoding.sequence_ids(0)
        result["pos"] = [-1 if s is None else o[0] for o, s in zip(offsets, sequences)]
        result["len"] = [0 if s is None else o[1] - o[0] for o, s in zip(offsets, sequences)]
    result["whole"] = whole
    result["decoded"] = tokenizer.decode(ids)
    result["skipped"] = tokenizer.decode(ids, skip_special_tokens=True)
    return result


def runs(tokenizer, fast, texts, pairs, lengths):
    """Every text, then samples of the other ways to call."""
    result = [run(tokenizer, fast, i) for i in texts]
    result += [run(tokenizer, fast, i, bare=True) for i in texts[::7]]
    result += [run(tokenizer, fast, a, b, bare=bare) for a, b in pairs for bare in (False, True)]
    for length in lengths:
        for side in ("right", "left"):
            result += [run(tokenizer, fast, i, max_length=length, side=side) for i in (10, 63)]
            for a, b in pairs[:6]:
                one, two = (len(tokenizer(TEXTS[i], add_special_tokens=False)["input_ids"]) for i in (a, b))
                # Here the slow tokenizers of 4.37 cut nothing and only warn.
                if fast or min(one, two) + 3 < length:
                    result.append(run(tokenizer, fast, a, b, max_length=length, side=side))
    return result


def expect(folder, use_fast, name=None, sample=None):
    """Writes expected.json for the tokenizer of a folder."""
    tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=use_fast != 0)
    fast = tokenizer.is_fast
    assert fast == (use_fast != 0), folder
    texts = sample or list(range(len(TEXTS)))
    lengths = [n for n in LENGTHS if n >= 4]
    found = runs(tokenizer, fast, texts, PAIRS if not sample else PAIRS[:8], lengths if not sample else lengths[::3])
    dump(name or folder / "expected.json", {"use_fast": use_fast, "runs": found})


def case(name, config, files=()):
    """An empty folder for a case, with its configuration."""
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    dump(folder / "config.json", {"model_type": config.pop("model_type")})
    dump(folder / "tokenizer_config.json", config)
    for file, value in files:
        dump(folder / file, value)
    return folder


# ---- WordPiece ----

def bert_vocab():
    """About half of the characters that the texts have, and some pieces."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    draw = random.Random(5)
    normalizer = normalizers.BertNormalizer()
    characters = sorted({c for t in TEXTS for c in t + normalizer.normalize_str(t) if c not in "\0\n\r"})
    pieces = ("hello world un aff able the quick brown fox jump over lazy dog new token cafe caf\u00e9 na ive resume it hash "
              "strasse stra \u00dfe istanbul hel lo Hello World \u4f60 \u597d \u4e16 \u00e9 e a ab").split()
    tokens = list(special)
    for token in pieces + [c for c in characters if c.isascii() or draw.random() < 0.6]:
        for form in (token, "##" + token):
            if form not in tokens and form.strip() == form and form:
                tokens.append(form)
    return tokens


def bert_json(vocab, normalizer=None, added=(), special=(), template=None, decoder=None):
    """A tokenizer.json."""
    tokenizer = Tokenizer(models.WordPiece({t: i for i, t in enumerate(vocab)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizer or normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = template or processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.decoder = decoder or decoders.WordPiece()
    tokenizer.add_special_tokens(vocab[:5])
    tokenizer.add_special_tokens(list(special))
    tokenizer.add_tokens(list(added))
    return json.loads(tokenizer.to_str())


def bert_cases():
    vocab = bert_vocab()
    text = "".join(t + "\n" for t in vocab)
    base = {"model_type": "bert", "tokenizer_class": "BertTokenizer"}
    n = len(vocab)

    def fast(name, config=(), **arguments):
        folder = case(name, {**base, **dict(config)}, [("tokenizer.json", bert_json(vocab, **arguments))])
        expect(folder, -1)

    def files(name, use_fast, config=(), others=()):
        folder = case(name, {**base, **dict(config)}, others)
        (folder / "vocab.txt").write_text(text)
        expect(folder, use_fast)

    def token(content, **flags):
        return {**dict(content=content, lstrip=False, rstrip=False, single_word=False, normalized=True, special=False),
                **flags}

    fast("bert-fast")
    fast("bert-fast-cased", {"do_lower_case": False}, normalizer=normalizers.BertNormalizer(lowercase=False))
    # The configuration overrules the normalizer.
    fast("bert-fast-overruled", {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False})
    fast("bert-fast-generic", {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"},
         normalizer=normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=False),
         template=processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)), decoder=decoders.WordPiece(cleanup=False))
    fast("bert-fast-added", {"clean_up_tokenization_spaces": False, "additional_special_tokens": ["<x>"]},
         added=[AddedToken("NEW"), AddedToken("new", single_word=True, normalized=False),
                AddedToken("token", lstrip=True, rstrip=True), AddedToken("Hello  World", normalized=False)],
         special=[AddedToken("[MASK]", lstrip=True, normalized=False, special=True)],
         template=processors.TemplateProcessing(
             single="[CLS]:1 $A:2 [SEP]:3 <two>:4", pair="$B:5 [SEP] <two>:1 $A:7",
             special_tokens=[("[CLS]", 2), ("[SEP]", 3), {"id": "<two>", "ids": [4, 5], "tokens": ["[MASK]", vocab[5]]}]))
    files("bert-vocab-fast", 1)
    files("bert-slow", 0)
    files("bert-slow-cased", 0, {"do_lower_case": False, "never_split": ["C++", "Caf\u00e9", "world!"]})
    files("bert-slow-accents", 0, {"strip_accents": False, "tokenize_chinese_chars": False,
                                   "clean_up_tokenization_spaces": False})
    files("bert-slow-words", 0, {"do_basic_tokenize": False})
    files("bert-slow-added", 0, {"added_tokens_decoder": {
        **{str(i): token(t, special=True, normalized=False) for i, t in enumerate(vocab[:5])},
        str(n): token("NEW"), str(n + 1): token("<x>", special=True, normalized=False),
        str(n + 2): token("spaced", lstrip=True, rstrip=True, normalized=False),
        str(n + 3): token("News", single_word=True)}, "additional_special_tokens": ["<x>"]})
    files("bert-slow-legacy", 0, {"bos_token": "<s>"}, [("added_tokens.json", {"NEW": n, "<x>": n + 1}), (
        "special_tokens_map.json", {"additional_special_tokens": ["<x>"], "eos_token": {
                k: v for k, v in token("</s>").items() if k != "special"}})])


# ---- every character ----

VARIANTS = [
    ("fast", 1, {}),
    ("fast cased", 1, {"do_lower_case": False}),
    ("fast accents", 1, {"strip_accents": False, "tokenize_chinese_chars": False}),
    ("slow", 0, {}),
    ("slow cased", 0, {"do_lower_case": False}),
]
RANGES = [(0, 0xD800), (0xE000, 0x323B0), (0xE0100, 0xE01F0)]


def fnv(state, numbers):
    for byte in struct.pack("<%di" % len(numbers), *numbers):
        state = (state ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return state


def characters():
    result = []
    for name, use_fast, config in VARIANTS:
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            with open(folder / "vocab.txt", "w", newline="\n") as file:
                file.write("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
                for low, high in RANGES:
                    for c in range(low, high):
                        if c not in (10, 13):
                            file.write("%c\n##%c\n" % (c, c))
            dump(folder / "config.json", {"model_type": "bert"})
            dump(folder / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", **config})
            tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=use_fast != 0)
            hashes = []
            for block in range(0, 0x110000, BLOCK):
                state = 0xCBF29CE484222325
                for c in range(block, block + BLOCK):
                    if 0xD800 <= c < 0xE000:
                        continue
                    encoding = tokenizer("a%cb" % c, add_special_tokens=False, return_offsets_mapping=use_fast != 0)
                    ids = encoding["input_ids"]
                    state = fnv(state, [len(ids), *ids])
                    if use_fast:
                        state = fnv(state, [x for o in encoding["offset_mapping"] for x in o])
                hashes.append("%016x" % state)
            result.append({"name": name, "use_fast": use_fast, "config": config, "hashes": hashes})
            print(name, flush=True)
    dump(HERE / "characters.json", {"block": BLOCK, "ranges": RANGES, "variants": result})


def main():
    HERE.mkdir(exist_ok=True)
    dump(HERE / "texts.json", TEXTS)
    bert_cases()
    if len(sys.argv) > 1:
        expect(Path(sys.argv[1]), -1, HERE / "minilm.json", list(range(len(TEXTS))))
    characters()


if __name__ == "__main__":
    main()
