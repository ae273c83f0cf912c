"""The cases of make_tokenizer_zoo.py that are one tokenizer.json each: every component and option."""
import json
import math
import random
from collections import Counter
from functools import lru_cache

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from zoo_common import fast
from zoo_texts import TEXTS, corpus

SPECIAL = ["<unk>", "<s>", "</s>", "<pad>", "<mask>"]


# ---- vocabularies ----

def train_bpe(lines, size, pre_tokenizer, alphabet=(), special=SPECIAL, continuing_subword_prefix="", end_of_word_suffix=""):
    """(vocab, merges); the trainers of tokenizers give other files at every run where there is a prefix or suffix."""
    prefix, suffix = continuing_subword_prefix, end_of_word_suffix
    counts = Counter(w for line in lines for w, _ in pre_tokenizer.pre_tokenize_str(line) if "\0" not in w)
    words, pairs, where = [], Counter(), {}

    def count(index, sign):
        symbols, n = words[index]
        for pair in zip(symbols, symbols[1:]):
            pairs[pair] += sign * n
            where.setdefault(pair, set()).add(index)

    for index, word in enumerate(sorted(counts)):
        words.append(([(prefix if i else "") + c + (suffix if i == len(word) - 1 else "") for i, c in enumerate(word)],
                      counts[word]))
        count(index, 1)
    tokens = list(dict.fromkeys([*special, *sorted({*alphabet, *(c for symbols, _ in words for c in symbols)})]))
    merges, known = [], set(tokens)
    while len(tokens) < size:
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merged = best[0] + best[1].removeprefix(prefix)
        merges.append(best)
        if merged not in known:
            known.add(merged)
            tokens.append(merged)
        for index in sorted(where[best]):
            count(index, -1)
            symbols, i = words[index][0], 0
            while i < len(symbols) - 1:
                if (symbols[i], symbols[i + 1]) == best:
                    symbols[i:i + 2] = [merged]
                i += 1
            count(index, 1)
        del pairs[best]
    return {t: i for i, t in enumerate(tokens)}, merges


@lru_cache(None)
def byte_bpe():
    return train_bpe(corpus() + TEXTS[::2], 500, pre_tokenizers.ByteLevel(add_prefix_space=False),
                     pre_tokenizers.ByteLevel.alphabet())


@lru_cache(None)
def word_bpe():
    """Without all the characters that the texts have."""
    return train_bpe(corpus(), 500, pre_tokenizers.Whitespace())


def seen_characters():
    """Most of the characters that the texts have under any normalization."""
    forms = [normalizers.NFC(), normalizers.NFD(), normalizers.NFKC(), normalizers.NFKD(), normalizers.Lowercase(),
             normalizers.BertNormalizer()]
    found = {c for t in TEXTS for f in forms for c in t + f.normalize_str(t)}
    draw = random.Random(7)
    return [c for c in sorted(found) if c.isascii() or draw.random() < 0.88]


@lru_cache(None)
def char_bpe():
    """Nearly a token per character, so that a normalizer's work shows; merges across words, so that borders show."""
    characters = seen_characters()
    known = set(characters)
    draw = random.Random(3)
    # NUL is left to the texts: a token that is one could not be typed anyway.
    vocab = {t: i for i, t in enumerate(SPECIAL + [c for c in characters if c != "\0"])}
    merges = []
    lines = [t for t in TEXTS if len(t) > 1] + corpus(60)
    pairs = {}
    for line in lines:
        for a, b in zip(line, line[1:]):
            # tokenizers 0.15 writes a merge as two words.
            if a in known and b in known and not {" ", "\0"} & {a, b}:
                pairs[a, b] = pairs.get((a, b), 0) + 1
    ranked = sorted(pairs, key=lambda p: (-pairs[p], p))[:160]
    draw.shuffle(ranked)
    for a, b in ranked:
        merges.append((a, b))
        vocab.setdefault(a + b, len(vocab))
    return vocab, merges


def bpe(source, **options):
    vocab, merges = source
    return models.BPE(vocab=vocab, merges=merges, **options)


def words_of(tokenizer):
    """A WordLevel model over half of the pieces that come out of a pipeline."""
    found = {}
    for text in TEXTS:
        if tokenizer.normalizer is not None:
            text = tokenizer.normalizer.normalize_str(text)
        pieces = tokenizer.pre_tokenizer.pre_tokenize_str(text) if tokenizer.pre_tokenizer is not None else [(text, None)]
        for piece, _ in pieces:
            if piece and "\0" not in piece:
                found[piece] = found.get(piece, 0) + 1
    ranked = sorted(found, key=lambda p: (-found[p], p))
    vocab = {t: i for i, t in enumerate(SPECIAL)}
    for i, piece in enumerate(ranked):
        if (i < 60 or i % 2) and len(piece) < 40:
            vocab.setdefault(piece, len(vocab))
    return models.WordLevel(vocab=vocab, unk_token="<unk>")


def build(model=None, normalizer=None, pre_tokenizer=None, post_processor=None, decoder=None, special=SPECIAL, added=()):
    """Without a model: a word list of the pipeline's own pieces."""
    tokenizer = Tokenizer(model or models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    if not model:
        tokenizer.model = words_of(tokenizer)
    if post_processor is not None:
        tokenizer.post_processor = post_processor
    if decoder is not None:
        tokenizer.decoder = decoder
    tokenizer.add_special_tokens(list(special))
    for token in added:
        (tokenizer.add_special_tokens if token.special else tokenizer.add_tokens)([token])
    return tokenizer


TEMPLATE = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1",
                                         special_tokens=[("<s>", 1), ("</s>", 2)])


# ---- models ----

def wordpiece_vocab(prefix="##"):
    vocab = list(SPECIAL)
    model = train_bpe(corpus(), 450, pre_tokenizers.BertPreTokenizer(), special=(), continuing_subword_prefix=prefix)
    return {t: i for i, t in enumerate(vocab + [t for t in model[0] if t not in vocab])}


def model_cases():
    words = pre_tokenizers.Whitespace()
    fast("model-wordpiece", build(models.WordPiece(wordpiece_vocab(), unk_token="<unk>"), normalizers.BertNormalizer(),
                                  pre_tokenizers.BertPreTokenizer(), TEMPLATE, decoders.WordPiece()))
    fast("model-wordpiece-options", build(
        models.WordPiece(wordpiece_vocab("@@"), unk_token="<unk>", max_input_chars_per_word=12,
                         continuing_subword_prefix="@@"), None, words, TEMPLATE, decoders.WordPiece(prefix="@@", cleanup=False)),
         components=["option:max_input_chars_per_word", "option:continuing_subword_prefix"])
    fast("model-bpe", build(bpe(word_bpe(), unk_token="<unk>"), None, words, TEMPLATE), components=["option:unk_token"])
    fast("model-bpe-fuse-unk", build(bpe(word_bpe(), unk_token="<unk>", fuse_unk=True), None, words, TEMPLATE),
         components=["option:fuse_unk"])
    fast("model-bpe-without-unk", build(bpe(word_bpe()), None, words, TEMPLATE), components=["option:no unk_token"])
    fast("model-bpe-one-piece", build(bpe(char_bpe(), unk_token="<unk>", fuse_unk=True)),
         components=["option:no pre_tokenizer"])
    suffix = train_bpe(corpus(), 500, words, end_of_word_suffix="</w>")
    fast("model-bpe-suffix", build(bpe(suffix, unk_token="<unk>", end_of_word_suffix="</w>"), normalizers.Lowercase(),
                                   words, TEMPLATE, decoders.BPEDecoder(suffix="</w>")),
         components=["option:end_of_word_suffix"])
    prefix = train_bpe(corpus(), 500, words, continuing_subword_prefix="##")
    fast("model-bpe-prefix", build(bpe(prefix, unk_token="<unk>", continuing_subword_prefix="##"), None, words, TEMPLATE,
                                   decoders.WordPiece(prefix="##", cleanup=False)),
         components=["option:continuing_subword_prefix"])

    def dropout(spec):
        spec["model"]["dropout"] = 0.1

    fast("model-bpe-dropout", build(bpe(word_bpe(), unk_token="<unk>"), None, words), change=dropout,
         components=["option:dropout (ignored)"])
    byte_tokens = ["<0x%02X>" % i for i in range(256)]
    llama = dict(normalizer=normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]),
                 decoder=decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(),
                                            decoders.Strip(" ", 1, 0)]))
    marked = ["\u2581" + line.replace(" ", "\u2581") for line in corpus(250)]
    for name, pieces in (("model-bpe-byte-fallback", byte_tokens), ("model-bpe-byte-fallback-partial", byte_tokens[:0xE2])):
        source = train_bpe(marked, 900, pre_tokenizers.Split("\u2581", "merged_with_next"), special=SPECIAL + pieces)
        fast(name, build(bpe(source, unk_token="<unk>", fuse_unk=True, byte_fallback=True), post_processor=TEMPLATE,
                         **llama), components=["option:byte_fallback", "option:fuse_unk"])
    pieces = unigram_pieces()
    metaspace = dict(pre_tokenizer=pre_tokenizers.Metaspace(), decoder=decoders.Metaspace(), post_processor=TEMPLATE)
    fast("model-unigram", build(models.Unigram([(p, s) for p, s in pieces], 0), **metaspace))
    # Byte pieces score as a sentencepiece model has them.
    with_bytes = pieces[:5] + [(t, 0.0) for t in byte_tokens] + pieces[5:]
    fast("model-unigram-byte-fallback", build(models.Unigram(with_bytes, 0, True), **{
        **metaspace, "decoder": decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])}),
        components=["option:byte_fallback"])
    fast("model-unigram-one-piece", build(models.Unigram(pieces, 0)), components=["option:no pre_tokenizer"])
    fast("model-wordlevel", build(None, normalizers.Lowercase(), words, TEMPLATE))
    fast("model-byte-level", build(bpe(byte_bpe()), None, pre_tokenizers.ByteLevel(add_prefix_space=False),
                                   processors.ByteLevel(trim_offsets=False), decoders.ByteLevel()))
    poor = train_bpe(corpus(), 400, pre_tokenizers.ByteLevel(add_prefix_space=True))
    fast("model-byte-level-without-all-bytes", build(
        bpe(poor, unk_token="<unk>"), None, pre_tokenizers.ByteLevel(add_prefix_space=True),
        processors.ByteLevel(trim_offsets=True), decoders.ByteLevel()), {"clean_up_tokenization_spaces": True})


@lru_cache(None)
def unigram_pieces():
    """Pieces with made-up scores: log frequencies of a BPE's tokens, so that the same script gives the same file."""
    lines = ["\u2581" + line.replace(" ", "\u2581") for line in corpus(300)]
    vocab, _ = train_bpe(lines, 600, pre_tokenizers.Split("\u2581", "merged_with_next"), special=())
    text = "\n".join(lines)
    counts = {t: text.count(t) for t in vocab}
    total = sum(counts.values())
    # Longer pieces gain, as EM would have it.
    ranked = sorted(((t, round(math.log(max(n, 1) / total) + 0.9 * (len(t) - 1), 6)) for t, n in counts.items()),
                    key=lambda p: (-p[1], p[0]))
    return [(t, 0.0) for t in SPECIAL] + ranked


# ---- normalizers ----

def normalizer_cases(charsmap):
    def case(name, normalizer, *options):
        fast("normalizer-" + name, build(bpe(char_bpe(), unk_token="<unk>"), normalizer, None, TEMPLATE),
             components=["option:" + o for o in options], pairs=2, decode=False)

    n = normalizers
    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    case("bert", n.BertNormalizer())
    case("bert-nothing", n.BertNormalizer(**off))
    case("bert-clean-text", n.BertNormalizer(**{**off, "clean_text": True}), "clean_text")
    case("bert-chinese", n.BertNormalizer(**{**off, "handle_chinese_chars": True}), "handle_chinese_chars")
    case("bert-strip-accents", n.BertNormalizer(**{**off, "strip_accents": True}), "strip_accents")
    case("bert-lowercase", n.BertNormalizer(**{**off, "lowercase": True}), "lowercase")
    case("bert-lowercase-null", n.BertNormalizer(**{**off, "lowercase": True, "strip_accents": None}), "strip_accents null")
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        case(form.lower(), getattr(n, form)())
    case("nmt", n.Nmt())
    case("strip-accents", n.StripAccents())
    case("nfd-strip-accents-lowercase", n.Sequence([n.NFD(), n.StripAccents(), n.Lowercase()]), "Sequence")
    case("lowercase", n.Lowercase())
    case("strip", n.Strip())
    case("strip-left", n.Strip(left=True, right=False), "left")
    case("strip-right", n.Strip(left=False, right=True), "right")
    case("strip-nothing", n.Strip(left=False, right=False))
    case("replace-string", n.Replace("the", "THE!"), "String")
    case("replace-longer", n.Sequence([n.Replace("``", '"'), n.Replace("''", '"'), n.Replace(".", " <dot> "),
                                       n.Replace(" ", "")]), "String")
    case("replace-regex", n.Replace(Regex(" {2,}"), "\u2581"), "Regex")
    case("replace-regex-classes", n.Sequence([
        n.Replace(Regex(r"[0-9]+|\p{Nd}"), "0"), n.Replace(Regex(r"\s+"), " "), n.Replace(Regex(r"(?i)hello|[^\x00-\x7f]{2}"), ""),
        n.Replace(Regex(r"\bt(?=o)|(?<=n)e"), "_")]), "Regex", "look-around")
    case("prepend", n.Prepend("\u2581"))
    case("precompiled", n.Precompiled(charsmap), "small charsmap")
    case("sequence", n.Sequence([n.Precompiled(charsmap), n.Nmt(), n.NFKC(), n.Replace(Regex(r"\s+"), " "), n.Strip(),
                                 n.Lowercase(), n.Prepend("_")]))
    case("sequence-empty", n.Sequence([]))


# ---- pre-tokenizers ----

BEHAVIOURS = ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous")


def pre_tokenizer_cases():
    def case(name, pre_tokenizer, *options, **others):
        fast("pre-" + name, build(None, None, pre_tokenizer, **others), components=["option:" + o for o in options], pairs=2,
             decode="decoder" in others)

    p = pre_tokenizers
    case("bert", p.BertPreTokenizer())
    case("whitespace", p.Whitespace())
    case("whitespace-split", p.WhitespaceSplit())
    for prefix in (False, True):
        for regex in (False, True):
            name = "byte-level" + ("-prefix" if prefix else "") + ("" if regex else "-whole")
            case(name, p.ByteLevel(add_prefix_space=prefix, use_regex=regex), "add_prefix_space %s" % prefix,
                 "use_regex %s" % regex, decoder=decoders.ByteLevel())
    case("metaspace", p.Metaspace(), "prepend_scheme always", decoder=decoders.Metaspace())
    case("metaspace-without-prefix", p.Metaspace(add_prefix_space=False), "add_prefix_space False",
         decoder=decoders.Metaspace(add_prefix_space=False))
    extra = [AddedToken("<x>", normalized=False), AddedToken("new")]
    for scheme in ("first", "never", "always"):
        case("metaspace-" + scheme, p.Metaspace(replacement="_", add_prefix_space=scheme != "never", prepend_scheme=scheme),
             "prepend_scheme " + scheme, "replacement", added=extra, decoder=decoders.Metaspace(replacement="_"))
    for behaviour in BEHAVIOURS:
        case("punctuation-" + behaviour.replace("_", "-"), p.Punctuation(behaviour), "punctuation " + behaviour)
    case("digits", p.Digits(individual_digits=False), "individual_digits False")
    case("digits-individual", p.Digits(individual_digits=True), "individual_digits True")
    case("char-delimiter", p.CharDelimiterSplit(" "))
    case("char-delimiter-other", p.CharDelimiterSplit("e"))
    for i, behaviour in enumerate(BEHAVIOURS):
        short = behaviour.replace("_", "-")
        case("split-string-" + short, p.Split("o", behaviour, invert=i % 2 == 1), "split string " + behaviour,
             "invert %s" % (i % 2 == 1))
        for invert in (False, True):
            case("split-regex-" + short + ("-inverted" if invert else ""), p.Split(Regex(r"\s+|[,.!?]"), behaviour, invert=invert),
                 "split regex " + behaviour, "invert %s" % invert)
    case("split-string-dot", p.Split(".", "isolated"), "a string that is no regex")
    gpt4 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    case("split-regex-gpt4", p.Sequence([p.Split(Regex(gpt4), "isolated"), p.ByteLevel(add_prefix_space=False, use_regex=False)]),
         "split regex isolated", "look-around")
    case("split-regex-bloom", p.Sequence([p.Split(Regex(r" ?[^(\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"), "isolated"),
                                          p.ByteLevel(add_prefix_space=False, use_regex=False)]), "split regex isolated")
    case("unicode-scripts", p.UnicodeScripts())
    case("sequence", p.Sequence([p.WhitespaceSplit(), p.Punctuation("isolated"), p.Digits(individual_digits=True)]))
    case("sequence-scripts", p.Sequence([p.UnicodeScripts(), p.Metaspace()]))


# ---- post-processors ----

def post_processor_cases():
    byte_level = dict(model=bpe(byte_bpe()), pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=True),
                      decoder=decoders.ByteLevel())
    words = dict(pre_tokenizer=pre_tokenizers.Whitespace())

    def case(name, processor, base, *options):
        fast("post-" + name, build(**base, post_processor=processor), components=["option:" + o for o in options], pairs=None)

    for prefix in (False, True):
        for trim in (False, True):
            base = {**byte_level, "pre_tokenizer": pre_tokenizers.ByteLevel(add_prefix_space=prefix)}
            case("roberta" + ("-prefix" if prefix else "") + ("-trim" if trim else ""), processors.RobertaProcessing(
                ("</s>", 2), ("<s>", 1), trim_offsets=trim, add_prefix_space=prefix), base,
                "trim_offsets %s" % trim, "add_prefix_space %s" % prefix)
    case("byte-level-trim", processors.ByteLevel(trim_offsets=True), byte_level, "trim_offsets True")
    case("bert", processors.BertProcessing(("</s>", 2), ("<s>", 1)), words)
    case("template-pieces", processors.TemplateProcessing(
        single="<mask>:3 $A:2 <two> </s>", pair="$B:1 <two>:4 <s>:2 $A:0 <two>", special_tokens=[
            ("<mask>", 4), ("<s>", 1), ("</s>", 2), {"id": "<two>", "ids": [3, 7], "tokens": ["<pad>", "w"]}]), words, "several ids")
    case("template-text-only", processors.TemplateProcessing(single="$0", pair="$A $B:3", special_tokens=[]), words)
    case("sequence", processors.Sequence([processors.ByteLevel(trim_offsets=True), TEMPLATE]), byte_level)


def some_texts():
    """English, white space, a little Chinese, and all that has added tokens or marks."""
    return [*range(3, 30), *range(86, len(TEXTS))]


# ---- decoders ----

def decoder_cases():
    d = decoders

    def case(name, decoder, *options, config=None, **base):
        fast("decoder-" + name, build(decoder=decoder, **(base or chars)), config, ["option:" + o for o in options], pairs=2,
             texts=None if name in ("wordpiece-cleanup-twice", "byte-level") else some_texts())

    pieces = models.WordPiece(wordpiece_vocab(), unk_token="<unk>")
    wordpiece = dict(model=pieces, pre_tokenizer=pre_tokenizers.BertPreTokenizer())
    chars = dict(model=bpe(char_bpe(), unk_token="<unk>"), pre_tokenizer=pre_tokenizers.WhitespaceSplit())
    for cleanup in (False, True):
        for whole in (False, True):
            case("wordpiece" + ("-cleanup" if cleanup else "") + ("-twice" if whole else ""), d.WordPiece(cleanup=cleanup),
                 "cleanup %s" % cleanup, "clean_up_tokenization_spaces %s" % whole,
                 config={"clean_up_tokenization_spaces": whole}, **wordpiece)
    case("none", None)
    case("none-cleanup", None, "clean_up_tokenization_spaces True", config={"clean_up_tokenization_spaces": True})
    case("bpe", d.BPEDecoder(suffix="e"), "suffix")
    case("metaspace", d.Metaspace(replacement="e", add_prefix_space=True), "add_prefix_space True")
    case("metaspace-without-prefix", d.Metaspace(replacement="e", add_prefix_space=False), "add_prefix_space False")
    case("ctc", d.CTC(pad_token="a", word_delimiter_token="e", cleanup=True), "cleanup True")
    case("ctc-raw", d.CTC(pad_token="<pad>", word_delimiter_token="|", cleanup=False), "cleanup False")
    case("fuse", d.Fuse())
    case("strip", d.Strip("t", 1, 1), "start", "stop")
    case("strip-fused", d.Sequence([d.Fuse(), d.Strip(" ", 2, 1), d.Strip("<", 1, 0)]), "start", "stop")
    case("replace", d.Replace("e", "--"), "String")
    case("replace-regex", d.Replace(Regex("[aeiou]+"), "*"), "Regex")
    byte_tokens = ["<0x%02X>" % i for i in range(256)]
    case("byte-fallback", d.ByteFallback(), model=models.WordLevel(
        {t: i for i, t in enumerate(SPECIAL + byte_tokens + ["a", "b", "\u4f60", "<0x4>", "<0xZZ>", "<0xa9>"])}, unk_token="<unk>"),
        pre_tokenizer=pre_tokenizers.WhitespaceSplit())
    case("byte-level", d.ByteLevel(), model=bpe(byte_bpe()), pre_tokenizer=pre_tokenizers.ByteLevel())
    case("byte-level-of-words", d.ByteLevel(), pre_tokenizer=pre_tokenizers.WhitespaceSplit())
    case("sequence", d.Sequence([d.Replace("e", " E"), d.BPEDecoder(suffix="s"), d.Fuse(), d.Strip(" ", 1, 1)]))


# ---- added tokens ----

def added_cases():
    def tokens(special, **flags):
        return [AddedToken(t, special=special, **flags) for t in ("new", "token", "<x>", "Hello  World", "CAF\u00c9", "\u4eca\u5929")]

    byte_level = dict(model=bpe(byte_bpe()), pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=False),
                      decoder=decoders.ByteLevel())
    lower = dict(model=bpe(char_bpe(), unk_token="<unk>"), normalizer=normalizers.Sequence(
        [normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()]), pre_tokenizer=pre_tokenizers.Whitespace())
    meta = dict(model=models.Unigram(unigram_pieces(), 0), pre_tokenizer=pre_tokenizers.Metaspace(), decoder=decoders.Metaspace())
    texts = some_texts()
    for name, base in (("byte-level", byte_level), ("lowercase", lower), ("metaspace", meta)):
        for flags in ({}, {"lstrip": True}, {"rstrip": True}, {"lstrip": True, "rstrip": True}, {"single_word": True},
                      {"normalized": False}, {"single_word": True, "normalized": False, "lstrip": True}):
            special = flags.get("normalized") is False and "lstrip" not in flags
            label = "-".join(k if v else "raw" for k, v in flags.items()).replace("_", "-") or "plain"
            fast("added-%s-%s" % (name, label), build(**base, post_processor=TEMPLATE, added=tokens(special, **flags)),
                 components=["added:" + k + " " + str(v) for k, v in flags.items()] + ["added:special %s" % special], pairs=2,
                 texts=texts if flags else None)
    overlap = [AddedToken("new"), AddedToken("new token", normalized=False), AddedToken("newest", special=True),
               AddedToken("ne", single_word=True), AddedToken(" a", rstrip=True), AddedToken("w new", normalized=False)]
    fast("added-overlapping", build(**byte_level, added=overlap), components=["added:overlapping"])
    fast("added-by-config", build(**byte_level), {
        "bos_token": "<s>", "eos_token": "<end>", "pad_token": {"__type": "AddedToken", "content": "<pad>", "lstrip": False,
                                                                 "rstrip": True, "normalized": False, "single_word": False},
        "additional_special_tokens": ["<x>", "typed"]}, ["added:by tokenizer_config.json"])
