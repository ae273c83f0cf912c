"""Draws tokenizer.json files and nasty texts at random, and reports where pg_infer and tokenizers 0.15.2 differ.

    make build/tokenizer_library.so
    python test/reference/compare_tokenizers.py [--seed N] [--count N] [--texts N] [--only NAME]

Every tokenizer is a combination of components with random options, over a vocabulary of pieces of the texts.  Ids,
types, positions, tokens and decoded texts must be equal.  A seed gives the same tokenizer again; --only keeps those
that have a component of this type.
"""
import argparse
import ctypes
import json
import random
import sys
import tempfile
from pathlib import Path

from tokenizers import Tokenizer

from zoo_texts import CHINESE, TEXTS

LIBRARY = Path(__file__).resolve().parents[2] / "build" / "tokenizer_library.so"

# ---- texts ----

RANGES = [(0x20, 0x7E)] * 6 + [(0xA0, 0x17F), (0x180, 0x24F), (0x250, 0x36F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F),
          (0x531, 0x58F), (0x590, 0x5FF), (0x600, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F), (0xF00, 0xFFF), (0x10A0, 0x10FF),
          (0x1100, 0x11FF), (0x13A0, 0x13FF), (0x1C80, 0x1CBF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x218F),
          (0x2460, 0x24FF), (0x2C00, 0x2C5F), (0x2E80, 0x2FDF), (0x3000, 0x30FF), (0x3130, 0x318F), (0x4E00, 0x4F00),
          (0x9F00, 0x9FFF), (0xA640, 0xA7FF), (0xAB70, 0xABBF), (0xAC00, 0xAD00), (0xE000, 0xE010), (0xF900, 0xFB06),
          (0xFB1D, 0xFB4F), (0xFE00, 0xFE6F), (0xFF00, 0xFFEF), (0xFFF9, 0xFFFD), (0x10400, 0x1044F), (0x1D165, 0x1D16C),
          (0x1D400, 0x1D454), (0x1E900, 0x1E95F), (0x1F1E6, 0x1F1FF), (0x1F300, 0x1F64F), (0x20000, 0x20010),
          (0x2F800, 0x2F810), (0xE0001, 0xE007F), (0x10FFFE, 0x10FFFF)]
BITS = ["\u0301", "\u0327\u0323\u0301", "\u200d", "\ufe0f", "\U0001F468\u200d\U0001F469\u200d\U0001F467", "\u202e", "\u2066",
        "\u0130", "\u0131", "\u00df", "\u1e9e", "\ufb01", "\u017f", "\u212a", "\u03c2", "\u03a3", "\u0345", "\u0f73", "\u1100\u1161\u11a8",
        "\uac00\u11a8", "\u00a0", "\u3000", "\u2028", "\u0085", "\ufeff", "\u00ad", "\u200b", "\t", "\n", "\r\n", "\r", " ", "  ", "   ",
        "\x00", "\x01", "\x1c", "\x1f", "\x7f", "\u2581", "\u0120", "_", "##", "</w>", "<unk>", "[MASK]", "<x>", "new", "NEW", "n\u00e9w",
        "'s", "'S", "'ll", "I'm", ",", ".", " .", " n't", " do not", "!", "123", "4", "\u0663", "\u00bd", "\u2167", "a", "b", "e", "the", "The",
        "o", " x", "<0xE2>", "\u4eca\u5929", "\u4f60\u597d", "\u8fd9\u662f", "\u30ab\u30bf", "\u3072\u3089", "\u0e19\u0e49\u0e33", "\u05e9\u05b8"]


def character(draw):
    while True:
        c = draw.randint(*draw.choice(RANGES))
        if not 0xD800 <= c < 0xE000:
            return chr(c)


def random_text(draw):
    kind = draw.random()
    if kind < 0.25:
        text = draw.choice(TEXTS)
    elif kind < 0.35:
        text = draw.choice(CHINESE)
    elif kind < 0.4:
        text = draw.choice(BITS) * draw.randint(1, 60)
    else:
        text = ""
    for _ in range(draw.choice([0, 1, 2, 4, 8, 16, 30])):
        piece = draw.choice(BITS) if draw.random() < 0.6 else "".join(character(draw) for _ in range(draw.randint(1, 4)))
        at = draw.randint(0, len(text))
        text = text[:at] + piece + text[at:]
    return text


# ---- tokenizers ----

REGEXES = [
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r" ?[^(\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", r"\p{N}{1,3}", r"\s+", r"\s", r"\w+|[^\w\s]+", r"[0-9][0-9][0-9]", r"\d+", r"\b", r"x*",
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", r"(?<=[a-z])(?=[A-Z])", r"[^\x00-\x7f]+",
    r"(?:\r?\n)+", r"^\s*|\s*$", r"(?i)the|ss|\u00e9", r"(.)\1+", r"[[:punct:]]", r"[[:alpha:]&&[^aeiou]]+", r"\p{Han}|\p{Hiragana}+", r"[aeiou]+?n?",
    r"(?>a|an)n", r"\R", r"\h+", r"[^ ]* ?", r"(?m:e.)", r"\A.|.\z", r"\p{Lu}(?:\p{Ll}|\p{M})*", r"(?<!\S)\S", r"(?<![\p{L}\p{M}])\p{M}",
]
EMPTY = [r"\b", r"x*", r"(?<=[a-z])(?=[A-Z])", r"^\s*|\s*$", r"[^ ]* ?"]
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
STRINGS = ["e", " ", "the", ".", "\u2581", "\n", "new", "aa", "\u0301", "  ", "\u4eca", ",", "a", "-", "``", "\u00df"]


def flag(draw):
    return draw.random() < 0.5


def pattern(draw, empty=True):
    """What matches nothing before the first character is not replaced: tokenizers gives it a position of no length."""
    return {"Regex": draw.choice([r for r in REGEXES if empty or r not in EMPTY])} if flag(draw) else {"String": draw.choice(STRINGS)}


def content(draw):
    return draw.choice(["", " ", "_", "\u2581", "x", "--", "\u00e9", " <d> ", "\u0301", "A", "\u4eca"])


def normalizer(draw, depth=0):
    kind = draw.choice(["BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Prepend", "Replace", "Replace", "Strip",
                        "StripAccents", "Sequence", "Sequence"])
    value = {"type": kind}
    if kind == "Sequence":
        value["normalizers"] = [normalizer(draw, depth + 1) for _ in range(draw.randint(0, 4))] if depth < 2 else []
    elif kind == "BertNormalizer":
        value.update(clean_text=flag(draw), handle_chinese_chars=flag(draw), strip_accents=draw.choice([None, True, False]),
                     lowercase=flag(draw))
    elif kind == "Prepend":
        value["prepend"] = draw.choice(["\u2581", "_", " ", "ab"])
    elif kind == "Replace":
        value.update(pattern=pattern(draw, False), content=content(draw))
    elif kind == "Strip":
        value.update(strip_left=flag(draw), strip_right=flag(draw))
    return value


def pre_tokenizer(draw, depth=0):
    kind = draw.choice(["BertPreTokenizer", "ByteLevel", "ByteLevel", "CharDelimiterSplit", "Digits", "Metaspace", "Punctuation",
                        "Split", "Split", "Split", "UnicodeScripts", "Whitespace", "WhitespaceSplit", "Sequence", "Sequence"])
    value = {"type": kind}
    if kind == "Sequence":
        value["pretokenizers"] = [pre_tokenizer(draw, depth + 1) for _ in range(draw.randint(0, 3))] if depth < 2 else []
    elif kind == "ByteLevel":
        value.update(add_prefix_space=flag(draw), trim_offsets=flag(draw), use_regex=flag(draw))
    elif kind == "CharDelimiterSplit":
        value["delimiter"] = draw.choice(" e-\n\u4eca\u2581")
    elif kind == "Digits":
        value["individual_digits"] = flag(draw)
    elif kind == "Metaspace":
        value.update(metaspace(draw))
    elif kind == "Punctuation":
        value["behavior"] = draw.choice(BEHAVIORS)
    elif kind == "Split":
        value.update(pattern=pattern(draw), behavior=draw.choice(BEHAVIORS), invert=flag(draw))
    return value


def metaspace(draw):
    scheme = draw.choice(["always", "never", "first", None])
    prefix = scheme != "never" if scheme else flag(draw)
    value = {"replacement": draw.choice("\u2581\u2581_e"), "add_prefix_space": prefix}
    if scheme:
        value["prepend_scheme"] = scheme
    return value


def decoder(draw, depth=0):
    kind = draw.choice(["BPEDecoder", "ByteFallback", "ByteLevel", "CTC", "Fuse", "Metaspace", "Replace", "Strip", "WordPiece", "Sequence",
                        "Sequence"])
    value = {"type": kind}
    if kind == "Sequence":
        value["decoders"] = [decoder(draw, depth + 1) for _ in range(draw.randint(0, 4))] if depth < 2 else []
    elif kind == "BPEDecoder":
        value["suffix"] = draw.choice(["</w>", "e", "", "@@"])
    elif kind == "ByteLevel":
        value.update(add_prefix_space=flag(draw), trim_offsets=flag(draw), use_regex=flag(draw))
    elif kind == "CTC":
        value.update(pad_token=draw.choice(["<pad>", "a", ""]), word_delimiter_token=draw.choice(["|", "e", " "]), cleanup=flag(draw))
    elif kind == "Metaspace":
        value.update(metaspace(draw))
    elif kind == "Replace":
        value.update(pattern=pattern(draw), content=content(draw))
    elif kind == "Strip":
        value.update(content=draw.choice(" te\u2581"), start=draw.randint(0, 2), stop=draw.randint(0, 1))
    elif kind == "WordPiece":
        value.update(prefix=draw.choice(["##", "@@", "", "e"]), cleanup=flag(draw))
    return value


def post_processor(draw, vocab, depth=0):
    kind = draw.choice(["BertProcessing", "RobertaProcessing", "ByteLevel", "TemplateProcessing", "TemplateProcessing", "Sequence"])
    value = {"type": kind}
    some = [t for t in ("<s>", "</s>", "<pad>", "<mask>") if t in vocab]

    def special():
        token = draw.choice(some)
        return [token, vocab[token]]

    if kind == "Sequence":
        # One template at most: what a second does to the first's is nobody's wish.
        value["processors"] = [] if depth else [{"type": "ByteLevel", "add_prefix_space": flag(draw), "trim_offsets": flag(draw),
                                                 "use_regex": True}, post_processor(draw, vocab, 1)]
    elif kind == "ByteLevel":
        value.update(add_prefix_space=flag(draw), trim_offsets=flag(draw), use_regex=flag(draw))
    elif kind in ("BertProcessing", "RobertaProcessing"):
        value.update(sep=special(), cls=special())
        if kind == "RobertaProcessing":
            value.update(trim_offsets=flag(draw), add_prefix_space=flag(draw))
    else:
        specials, lists = {}, []
        for names in (["A"], ["A", "B"]):
            items = [{"Sequence": {"id": n, "type_id": draw.randint(0, 2)}} for n in names]
            draw.shuffle(items)
            for _ in range(draw.randint(0, 4)):
                token, id = special()
                specials[token] = {"id": token, "ids": [id], "tokens": [token]}
                items.insert(draw.randint(0, len(items)), {"SpecialToken": {"id": token, "type_id": draw.randint(0, 2)}})
            lists.append(items)
        value.update(single=lists[0], pair=lists[1], special_tokens=specials)
    return value


SPECIAL = ["<unk>", "<s>", "</s>", "<pad>", "<mask>"]


def pieces(draw, spec, texts):
    """The words of some texts behind the pipeline, and stretches of them."""
    probe = Tokenizer.from_str(json.dumps({**spec, "added_tokens": [], "post_processor": None, "decoder": None,
                                           "model": {"type": "WordLevel", "vocab": {"<unk>": 0}, "unk_token": "<unk>"}}))
    words = {}
    for text in texts:
        if probe.normalizer is not None:
            text = probe.normalizer.normalize_str(text)
        for word, _ in probe.pre_tokenizer.pre_tokenize_str(text) if probe.pre_tokenizer is not None else [(text, 0)]:
            if word:
                words[word] = words.get(word, 0) + 1
    # Neither tokenizers nor the files of others have tokens with U+0000 in them.
    return [w for w in sorted(words, key=lambda w: (-words[w], w)) if "\0" not in w]


def stretches(draw, words, n, longest=6):
    found = {}
    for _ in range(4 * n):
        word = draw.choice(words) if words else "a"
        begin = draw.randrange(len(word))
        found[word[begin:begin + draw.randint(1, longest)]] = None
    return list(found)


def model(draw, words):
    kind = draw.choice(["WordLevel", "WordPiece", "BPE", "BPE", "Unigram"])
    characters = sorted({c for w in words for c in w})
    draw.shuffle(characters)
    characters = characters[:max(1, int(len(characters) * draw.choice([0.5, 0.9, 1])))]
    some = stretches(draw, words, min(200, 2 * len(set("".join(words)))), 6) if words else []
    unk = draw.choice(["<unk>", "<unk>", None])
    bytes_ = ["<0x%02X>" % i for i in range(256)]
    if kind == "WordLevel":
        known = list(dict.fromkeys(SPECIAL + [w for w in words if flag(draw)] + characters))
        return {"type": kind, "vocab": {t: i for i, t in enumerate(known)}, "unk_token": draw.choice(["<unk>"] * 5 + ["no"])}
    if kind == "WordPiece":
        prefix = draw.choice(["##", "##", "@", ""])
        known = list(dict.fromkeys(SPECIAL + words[:40] + characters + some + [prefix + c for c in characters] + [prefix + s for s in some]))
        return {"type": kind, "vocab": {t: i for i, t in enumerate(known)}, "unk_token": "<unk>", "continuing_subword_prefix": prefix,
                "max_input_chars_per_word": draw.choice([100, 100, 6, 0])}
    if kind == "Unigram":
        tokens = list(dict.fromkeys(SPECIAL + (bytes_ if flag(draw) else []) + characters + some + words[:30]))
        return {"type": kind, "vocab": [[t, 0.0 if i < 5 else -draw.choice([draw.random() * 12, draw.randint(1, 9)])]
                                        for i, t in enumerate(tokens)], "unk_id": 0, "byte_fallback": flag(draw)}
    prefix = draw.choice([None, None, None, "##"])
    suffix = draw.choice([None, None, None, "</w>"])
    tokens = dict.fromkeys(SPECIAL + (bytes_[:draw.choice([256, 0xE0])] if flag(draw) else []) + characters)
    if prefix:
        tokens.update(dict.fromkeys(prefix + c for c in characters))
    if suffix:
        tokens.update(dict.fromkeys([c + suffix for c in characters] + [(prefix or "") + c + suffix for c in characters]))
    merges = []
    for word in draw.choices(words, k=min(len(words) * 3, 150)) if words else []:
        symbols = [(prefix or "" if i else "") + c + (suffix or "" if i == len(word) - 1 else "") for i, c in enumerate(word)]
        for _ in range(draw.randint(1, 6)):
            if len(symbols) < 2:
                break
            i = draw.randrange(len(symbols) - 1)
            left, right = symbols[i:i + 2]
            if left not in tokens or right not in tokens or " " in left + right or [left, right] in merges:
                continue
            merged = left + (right[len(prefix):] if prefix else right)
            tokens[merged] = None
            merges.append([left, right])
            symbols[i:i + 2] = [merged]
    draw.shuffle(merges)
    value = {"type": "BPE", "dropout": None, "unk_token": unk, "continuing_subword_prefix": prefix, "end_of_word_suffix": suffix,
             "fuse_unk": flag(draw), "byte_fallback": flag(draw), "vocab": {t: i for i, t in enumerate(tokens)},
             "merges": [" ".join(m) for m in merges]}
    return value


def added_tokens(draw, vocab):
    tokens = [{"id": vocab[t], "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
              for t in SPECIAL if t in vocab and draw.random() < 0.9]
    last = max(vocab.values()) + 1
    for t in draw.sample(["new", "NEW", "<x>", "the", "n\u00e9w", "\u4eca\u5929", " a", "e", "a  b", "[MASK]", "\u0130", "'s", "o ", "1", "\n", "ab"],
                         draw.choice([0, 0, 2, 5])):
        known = vocab.get(t)
        tokens.append({"id": last if known is None else known, "content": t, "single_word": flag(draw), "lstrip": flag(draw),
                       "rstrip": flag(draw), "normalized": flag(draw), "special": flag(draw)})
        last += known is None
    return sorted(tokens, key=lambda t: t["id"])


def random_tokenizer(draw):
    spec = {"version": "1.0", "truncation": None, "padding": None,
            "normalizer": normalizer(draw) if draw.random() < 0.6 else None,
            "pre_tokenizer": pre_tokenizer(draw) if draw.random() < 0.8 else None}
    learn = [random_text(draw) for _ in range(30)] + draw.sample(TEXTS, 20)
    words = pieces(draw, spec, learn)
    spec["model"] = model(draw, words)
    vocab = spec["model"]["vocab"]
    if isinstance(vocab, list):
        vocab = {t: i for i, (t, _) in enumerate(vocab)}
    spec["added_tokens"] = added_tokens(draw, vocab)
    if spec["normalizer"]:
        # tokenizers cuts at every character where a token's normalized content is empty.
        probe = Tokenizer.from_str(json.dumps({**spec, "added_tokens": [], "pre_tokenizer": None}))
        for token in spec["added_tokens"]:
            token["normalized"] &= probe.normalizer.normalize_str(token["content"]) != ""
    spec["post_processor"] = post_processor(draw, vocab) if draw.random() < 0.7 else None
    spec["decoder"] = decoder(draw) if draw.random() < 0.8 else None
    return spec


# ---- comparing ----

class TokenText(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class Ours:
    library = None

    def __init__(self, folder, use_fast=-1):
        if Ours.library is None:
            Ours.library = ctypes.CDLL(str(LIBRARY))
            Ours.library.library_open.restype = ctypes.c_void_p
            Ours.library.library_decode.restype = ctypes.c_void_p
        self.message = ctypes.create_string_buffer(1024)
        self.handle = self.library.library_open(str(folder).encode(), (str(folder) + ".img").encode(), use_fast, self.message)
        if not self.handle:
            raise ValueError(self.message.value.decode(errors="replace"))
        self.handle = ctypes.c_void_p(self.handle)

    def close(self):
        self.library.library_close(self.handle)

    def encode(self, text, pair=None, special=True):
        first, second = text.encode(), None if pair is None else pair.encode()
        numbers = [ctypes.POINTER(ctypes.c_int32)() for _ in range(4)]
        sequence, texts = ctypes.POINTER(ctypes.c_int8)(), ctypes.POINTER(TokenText)()
        n = self.library.library_encode(self.handle, first, ctypes.c_size_t(len(first)), second, ctypes.c_size_t(len(second or b"")),
                                        int(special), *map(ctypes.byref, numbers), ctypes.byref(sequence), ctypes.byref(texts),
                                        self.message)
        if n < 0:
            return None
        ids, types, pos, length = (a[:n] for a in numbers)
        tokens = [ctypes.string_at(t.bytes, t.length).decode(errors="replace") for t in texts[:n]]
        which = sequence[:n]
        return {"ids": ids, "types": types, "tokens": tokens, "sequences": [w - 1 if w else None for w in which],
                "offsets": [(p, p + l) if w else None for w, p, l in zip(which, pos, length)]}

    def decode(self, ids, skip):
        length = ctypes.c_size_t()
        array = (ctypes.c_int32 * len(ids))(*ids)
        text = self.library.library_decode(self.handle, array, len(ids), int(skip), ctypes.byref(length), self.message)
        return None if text is None else ctypes.string_at(text, length.value).decode(errors="replace")


def theirs(call):
    """None where tokenizers gives up, or crashes."""
    try:
        return call()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return None


def encoding_of(tokenizer, text, pair, special):
    e = tokenizer.encode(text, pair, add_special_tokens=special)
    return {"ids": e.ids, "types": e.type_ids, "tokens": e.tokens, "sequences": e.sequence_ids,
            "offsets": [o if s is not None else None for o, s in zip(e.offsets, e.sequence_ids)]}


def beyond_words(model):
    """Bytes of a prefix or suffix count as characters of the text, which ends earlier."""
    return model.get("byte_fallback") and (model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"))


def first_difference(expected, found, field):
    a, b = expected[field], found[field]
    i = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    return ("at", i, "expected", a[i:i + 3], "found", b[i:i + 3], "tokens", expected["tokens"][max(i - 1, 0):i + 3],
            found["tokens"][max(i - 1, 0):i + 3])


def compare(spec, draw, n_texts):
    """The first difference, or None; "refused" when neither takes the file."""
    source = json.dumps(spec)
    tokenizer = theirs(lambda: Tokenizer.from_str(source))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "tokenizer"
        folder.mkdir()
        (folder / "tokenizer.json").write_text(source)
        (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false}')
        (folder / "config.json").write_text("{}")
        try:
            ours = Ours(folder)
        except ValueError as error:
            return ("refused", None, None) if tokenizer is None else ("import", str(error), "taken")
    if tokenizer is None:
        ours.close()
        return "import", "taken", "refused"
    try:
        rows = []
        for i in range(n_texts):
            text, pair, special = random_text(draw), random_text(draw) if i % 5 == 4 else None, i % 4 != 3
            expected, found = theirs(lambda: encoding_of(tokenizer, text, pair, special)), ours.encode(text, pair, special)
            if expected is None:
                continue
            if found is None:
                return "encode", (text, pair), ours.message.value.decode()
            for field in expected:
                if field == "offsets" and beyond_words(spec["model"]):
                    continue
                if expected[field] != found[field]:
                    return field, (text, pair, special), first_difference(expected, found, field)
            rows.append(expected["ids"])
        every = sorted({i for row in rows for i in row}) or [0]
        rows += [[draw.choice(every) for _ in range(draw.randint(1, 12))] for _ in range(10)]
        for ids in rows:
            for skip in (False, True):
                expected, found = theirs(lambda: tokenizer.decode(ids, skip_special_tokens=skip)), ours.decode(ids, skip)
                if expected is not None and expected != found:
                    return "decode", (ids, [tokenizer.id_to_token(i) for i in ids], skip), (expected, found)
    finally:
        ours.close()
    return None


def types_of(value):
    if isinstance(value, dict):
        return {value.get("type")}.union(*map(types_of, value.values())) if value else set()
    return set().union(*map(types_of, value)) if isinstance(value, list) else set()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--texts", type=int, default=25)
    parser.add_argument("--only")
    arguments = parser.parse_args()
    done = refused = different = 0
    for seed in range(arguments.seed, arguments.seed + arguments.count):
        draw = random.Random(seed)
        spec = theirs(lambda: random_tokenizer(draw))
        if spec is None:
            continue
        if arguments.only and arguments.only not in types_of({k: v for k, v in spec.items() if k != "added_tokens"}):
            continue
        result = compare(spec, draw, arguments.texts)
        done += 1
        if result and result[0] == "refused":
            refused += 1
        elif result:
            different += 1
            shown = {k: v for k, v in spec.items() if k not in ("version", "truncation", "padding", "model", "added_tokens")}
            shown["model"] = {k: v for k, v in spec["model"].items() if k not in ("vocab", "merges")}
            print("seed %d: %s of %s\n    %s" % (seed, result[0], ascii(result[1]), ascii(result[2])))
            print("    " + ascii(shown))
            print("    added " + ascii([t for t in spec["added_tokens"] if t["content"] not in SPECIAL]))
            sys.stdout.flush()
    print("%d tokenizers, %d refused by both, %d differ" % (done, refused, different))
    return different > 0


if __name__ == "__main__":
    sys.exit(main())
