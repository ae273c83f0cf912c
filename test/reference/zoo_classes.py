"""The cases of make_tokenizer_zoo.py that are files of a tokenizer class, slow and fast, and the reduced real ones."""
import base64
import io
import json
import random
import re
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

import sentencepiece
from tokenizers import AddedToken, Tokenizer
from transformers import AutoTokenizer
from transformers.utils import sentencepiece_model_pb2_new as spm

import zoo_components
from zoo_common import HERE, expect, files, folder_of, note, spec_components
from zoo_texts import CHINESE, TEXTS, corpus

RULES = [("\uff21", "A"), ("\uff22", "B"), ("\uff28", "H"), ("\uff45", "e"), ("\uff4c", "l"), ("\uff4f", "o"), ("\ufb01", "fi"),
         ("\ufb03", "ffi"), ("\u00bd", " 1/2"), ("\u3000", " "), ("\u00a0", " "), ("\u200b", ""), ("\t", " "), ("\n", " "),
         ("e\u0301", "\u00e9"), ("i\u0308", "\u00ef"), ("\u2026", "..."), ("\u2122", "TM"), ("\u2028", " "), ("\ufeff", ""),
         ("\u1112\u1161\u11ab", "\ud55c"), ("\uff0c", ","), ("\u0149", "'n")]


@lru_cache(None)
def sentencepiece_model(small_rules=True, **options):
    """A model trained on one thread, which makes the training repeatable."""
    with tempfile.TemporaryDirectory() as folder:
        out = io.BytesIO()
        if small_rules:
            rules = Path(folder) / "rules.tsv"
            rules.write_text("".join("%s\t%s\n" % (" ".join("%X" % ord(c) for c in a), " ".join("%X" % ord(c) for c in b))
                                     for a, b in RULES))
            options["normalization_rule_tsv"] = str(rules)
        settings = dict(vocab_size=500, num_threads=1, hard_vocab_limit=False, minloglevel=2, shuffle_input_sentence=False,
                        character_coverage=0.9995)
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(corpus()), model_writer=out, **{**settings, **options})
    model = spm.ModelProto.FromString(out.getvalue())
    # The path of the rules has no place in a fixture.
    model.trainer_spec.ClearField("input")
    model.normalizer_spec.ClearField("normalization_rule_tsv")
    return model.SerializeToString(deterministic=True)


def charsmap():
    return spm.ModelProto.FromString(sentencepiece_model()).normalizer_spec.precompiled_charsmap


def merges_text(merges):
    return "#version: 0.2\n" + "".join("%s %s\n" % m for m in merges)


def chinese_vocab():
    """BERT's special tokens, characters and words of the sentences, and pieces."""
    import rjieba
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    draw = random.Random(11)
    words = sorted({w for line in CHINESE + TEXTS for w in rjieba.cut(line, False) if w.strip() == w and w and len(w) < 9 and "\0" not in w})
    characters = sorted({c for line in CHINESE + TEXTS for c in line.lower() if c.strip() and c.isprintable()})
    pieces = [p for p in zoo_components.wordpiece_vocab() if p not in zoo_components.SPECIAL]
    for token in [w for w in words if draw.random() < 0.5] + [c for c in characters if draw.random() < 0.8] + pieces:
        if token not in vocab and token.strip() == token:
            vocab.append(token)
    return vocab


# ---- the classes with vocab.txt ----

def vocab_text(vocab):
    return "".join(t + "\n" for t in vocab)


def wordpiece_classes():
    vocab = vocab_text(chinese_vocab())
    bert = {"model_type": "bert", "tokenizer_class": "BertTokenizer"}
    files("class-bert-slow", 0, bert, {"vocab.txt": vocab}, ["class:BertTokenizer"])
    files("class-bert-slow-never-split", 0, {**bert, "do_lower_case": False, "never_split": ["Hello,", "can't", "C++", "\u4eca\u5929"]},
          {"vocab.txt": vocab}, ["class:BertTokenizer", "option:never_split"])
    files("class-bert-slow-whole-words", 0, {**bert, "do_basic_tokenize": False, "tokenize_chinese_chars": False},
          {"vocab.txt": vocab}, ["class:BertTokenizer", "option:do_basic_tokenize"])
    files("class-bert-slow-options", 0, {**bert, "strip_accents": True, "do_lower_case": False, "tokenize_chinese_chars": False,
                                         "mask_token": "<mask>", "unk_token": "[UNK]", "cls_token": "<s>", "sep_token": "</s>"},
          {"vocab.txt": vocab + "<s>\n</s>\n<mask>\n"}, ["class:BertTokenizer", "option:strip_accents", "option:other special tokens"])
    files("class-bert-fast-of-vocab", 1, bert, {"vocab.txt": vocab}, ["class:BertTokenizerFast"])
    roformer = {"model_type": "roformer", "tokenizer_class": "RoFormerTokenizer"}
    files("class-roformer-slow", 0, roformer, {"vocab.txt": vocab}, ["class:RoFormerTokenizer"])
    files("class-roformer-slow-cased", 0, {**roformer, "do_lower_case": False, "strip_accents": True}, {"vocab.txt": vocab},
          ["class:RoFormerTokenizer", "option:do_lower_case", "option:strip_accents"])
    files("class-roformer-slow-whole-words", 0, {**roformer, "do_lower_case": False, "never_split": ["\u4eca\u5929"]},
          {"vocab.txt": vocab}, ["class:RoFormerTokenizer", "option:never_split"])
    files("class-roformer-fast-of-vocab", 1, roformer, {"vocab.txt": vocab}, ["class:RoFormerTokenizerFast"])
    files("class-roformer-fast-cased", 1, {**roformer, "do_lower_case": False}, {"vocab.txt": vocab},
          ["class:RoFormerTokenizerFast", "option:do_lower_case"])
    tokenizer, _ = files("class-roformer-fast", -1, roformer, {"vocab.txt": vocab}, ["class:RoFormerTokenizerFast"])
    # As save_pretrained leaves it: BERT's pre-tokenizer in jieba's place.
    from tokenizers.pre_tokenizers import BertPreTokenizer
    tokenizer.backend_tokenizer.pre_tokenizer = BertPreTokenizer()
    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    spec["truncation"] = spec["padding"] = None
    folder = folder_of("class-roformer-fast", roformer, {"tokenizer.json": spec})
    expect(folder, "class-roformer-fast", -1)
    tables = rocbert_tables(vocab.split("\n")[:-1])
    rocbert = {"model_type": "roc_bert", "tokenizer_class": "RoCBertTokenizer"}
    files("class-rocbert", 0, rocbert, {"vocab.txt": vocab, **tables}, ["class:RoCBertTokenizer"])
    files("class-rocbert-cased", 0, {**rocbert, "do_lower_case": False, "never_split": ["Hello,"]}, {"vocab.txt": vocab, **tables},
          ["class:RoCBertTokenizer", "option:do_lower_case", "option:never_split"])


def rocbert_tables(vocab):
    draw = random.Random(13)
    return {name: {t: draw.randrange(2, 900) for t in vocab if t == "[UNK]" or draw.random() < 0.7}
            for name in ("word_shape.json", "word_pronunciation.json")}


# ---- the classes with vocab.json and merges.txt ----

def byte_level_classes():
    def contents(special, extra=()):
        vocab, merges = zoo_components.train_bpe(
            corpus() + TEXTS[::2], 500, zoo_components.pre_tokenizers.ByteLevel(add_prefix_space=False),
            zoo_components.pre_tokenizers.ByteLevel.alphabet(), special=special)
        return {"vocab.json": vocab, "merges.txt": merges_text(merges)}

    roberta = {"model_type": "roberta", "tokenizer_class": "RobertaTokenizer"}
    own = contents(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    for kind, use_fast in (("slow", 0), ("fast", 1)):
        name = "class:RobertaTokenizer" + ("Fast" if use_fast else "")
        files("class-roberta-" + kind, use_fast, roberta, own, [name])
        files("class-roberta-%s-prefix" % kind, use_fast, {**roberta, "add_prefix_space": True}, own, [name, "option:add_prefix_space"])
    files("class-roberta-fast-untrimmed", 1, {**roberta, "trim_offsets": False}, own, ["class:RobertaTokenizerFast", "option:trim_offsets"])
    gpt2 = {"model_type": "gpt2", "tokenizer_class": "GPT2Tokenizer"}
    own = contents(["<|endoftext|>"])
    files("class-gpt2-slow", 0, gpt2, own, ["class:GPT2Tokenizer"])
    files("class-gpt2-slow-options", 0, {**gpt2, "add_prefix_space": True, "add_bos_token": True, "errors": "ignore",
                                         "pad_token": "<|endoftext|>"}, own,
          ["class:GPT2Tokenizer", "option:add_prefix_space", "option:add_bos_token", "option:errors"])
    files("class-gpt2-fast", 1, gpt2, own, ["class:GPT2TokenizerFast"])
    opt = {"model_type": "opt", "tokenizer_class": "GPT2Tokenizer", "add_bos_token": True, "errors": "replace",
           **{k + "_token": {"__type": "AddedToken", "content": v, "lstrip": False, "normalized": True, "rstrip": False,
                             "single_word": False} for k, v in (("unk", "</s>"), ("bos", "</s>"), ("eos", "</s>"), ("pad", "<pad>"))}}
    own = contents(["<s>", "<pad>", "</s>", "<unk>"])
    files("class-opt-slow", 0, opt, own, ["class:GPT2Tokenizer", "option:add_bos_token"])
    files("class-opt-fast", 1, opt, own, ["class:GPT2TokenizerFast", "option:add_bos_token"])


# ---- the classes with a sentencepiece model ----

def sentencepiece_classes():
    t5 = {"model_type": "t5", "tokenizer_class": "T5Tokenizer", "extra_ids": 3,
          "additional_special_tokens": ["<extra_id_%d>" % i for i in range(3)]}
    t5_ids = dict(pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    model = sentencepiece_model(**t5_ids)
    files("class-t5-slow-legacy", 0, {**t5, "legacy": True}, {"spiece.model": model}, ["class:T5Tokenizer", "option:legacy True"])
    files("class-t5-slow", 0, {**t5, "legacy": False}, {"spiece.model": model}, ["class:T5Tokenizer", "option:legacy False"])
    files("class-t5-slow-plain", 0, {**t5, "legacy": False, "extra_ids": 0, "additional_special_tokens": []},
          {"spiece.model": sentencepiece_model(remove_extra_whitespaces=False, byte_fallback=True, split_digits=True, **t5_ids)},
          ["class:T5Tokenizer", "option:byte_fallback", "option:remove_extra_whitespaces", "option:extra_ids 0"])
    files("class-t5-fast-of-model", 1, t5, {"spiece.model": model}, ["class:T5TokenizerFast"])
    xlmr = {"model_type": "xlm-roberta", "tokenizer_class": "XLMRobertaTokenizer"}
    model = sentencepiece_model(vocab_size=450)
    files("class-xlm-roberta-slow", 0, xlmr, {"sentencepiece.bpe.model": model}, ["class:XLMRobertaTokenizer"])
    files("class-xlm-roberta-fast-of-model", 1, xlmr, {"sentencepiece.bpe.model": model}, ["class:XLMRobertaTokenizerFast"])
    for name, tokenizer_class in (("t5", "T5"), ("xlm-roberta", "XLMRoberta")):
        source = "class-%s-fast-of-model" % name
        config = json.loads((HERE / source / "tokenizer_config.json").read_text())
        tokenizer = AutoTokenizer.from_pretrained(HERE / source)
        spec = json.loads(tokenizer.backend_tokenizer.to_str())
        files("class-%s-fast" % name, -1, {"model_type": name, **config}, {"tokenizer.json": spec},
              ["class:%sTokenizerFast" % tokenizer_class, *spec_components(spec)])


# ---- the real ones, reduced to what the texts need ----

def load(directory, config, use_fast):
    """The whole tokenizer of a folder that may lack the configuration files."""
    with tempfile.TemporaryDirectory() as copy:
        copy = Path(copy)
        for path in directory.iterdir():
            if path.suffix in (".json", ".txt") and path.name not in ("config.json", "tokenizer_config.json"):
                shutil.copyfile(path, copy / path.name)
        (copy / "config.json").write_text(json.dumps({"model_type": config["model_type"]}))
        (copy / "tokenizer_config.json").write_text(json.dumps({k: v for k, v in config.items() if k != "model_type"}))
        return AutoTokenizer.from_pretrained(copy, use_fast=use_fast)


def same(name, whole, small):
    """The reduced tokenizer must cut every text as the whole one does."""
    for text in TEXTS:
        a, b = (t.convert_ids_to_tokens(t(text)["input_ids"]) for t in (whole, small))
        assert a == b, (name, text, a, b)


def used_tokens(tokenizer):
    return {t for text in TEXTS for t in tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])}


def reduce_byte_level(vocab, merges):
    """What the merging of the texts goes through, and the first 150 merges besides."""
    used, parts = set(), {}
    for a, b in merges:
        parts.setdefault(a + b, (a, b))
    keep = set(merges[:150])
    ranks = {m: i for i, m in enumerate(merges)}
    from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode
    import regex
    letters = bytes_to_unicode()
    pattern = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
    # Added tokens cut the text, and may leave other beginnings than the whole text has.
    stretches = [s for t in TEXTS for s in [t, *re.split(r"\s*<[^>]*>", t), *re.split(r"<[^>]*>", t)]]
    for word in sorted({w for t in stretches for w in pattern.findall(t)}):
        symbols = [letters[b] for b in word.encode()]
        while len(symbols) > 1:
            best = min(zip(symbols, symbols[1:]), key=lambda p: ranks.get(p, len(ranks)))
            if best not in ranks:
                break
            keep.add(best)
            merged, i = [], 0
            while i < len(symbols):
                pair = tuple(symbols[i:i + 2]) == best
                merged.append("".join(symbols[i:i + 1 + pair]))
                i += 1 + pair
            symbols = merged
    kept = [m for m in merges if m in keep]
    used = set(letters.values()) | {s for m in kept for s in (*m, m[0] + m[1])}
    return sorted((t for t in vocab if t in used or re.fullmatch("<.*>", t)), key=vocab.get), kept


def real_roberta(directory):
    config = {"model_type": "roberta", "tokenizer_class": "RobertaTokenizer"}
    vocab = json.loads((directory / "vocab.json").read_text())
    merges = [tuple(m.split()) for m in (directory / "merges.txt").read_text(encoding="utf-8").split("\n")[1:] if m]
    tokens, kept = reduce_byte_level(vocab, merges)
    ids = {t: i for i, t in enumerate(tokens)}
    contents = {"vocab.json": ids, "merges.txt": merges_text(kept)}
    small, _ = files("real-roberta-base-slow", 0, config, contents, ["class:RobertaTokenizer", "real:roberta-base"])
    same("roberta-base slow", load(directory, config, False), small)
    spec = json.loads((directory / "tokenizer.json").read_text())
    spec["model"].update(vocab=ids, merges=[" ".join(m) for m in kept])
    for token in spec["added_tokens"]:
        token["id"] = ids[token["content"]]
    for key in ("sep", "cls"):
        spec["post_processor"][key][1] = ids[spec["post_processor"][key][0]]
    small, _ = files("real-roberta-base", -1, config, {"tokenizer.json": spec}, [
        "class:RobertaTokenizerFast", "real:roberta-base", *spec_components(spec)])
    same("roberta-base", load(directory, config, True), small)


def real_t5(directory):
    config = {"model_type": "t5", "tokenizer_class": "T5Tokenizer", "extra_ids": 100,
              "additional_special_tokens": ["<extra_id_%d>" % i for i in range(100)]}
    whole = load(directory, config, True)
    spec = json.loads((directory / "tokenizer.json").read_text())
    pieces = spec["model"]["vocab"]
    text = "\n".join(f for t in TEXTS for f in ("\u2581" + whole.backend_tokenizer.normalizer.normalize_str(s).replace(" ", "\u2581")
                                                for s in [t, *re.split(r"\s*<[^>]*>\s*", t)]))
    used, lowest = used_tokens(whole), min(s for _, s in pieces)
    added = {t["content"] for t in spec["added_tokens"]}
    # A piece that no text has cannot be in a lattice; the lowest score is also the measure of the unknown.
    kept = [(p, s) for i, (p, s) in enumerate(pieces) if i < 3 or p in used or p in added or s == lowest or
            (len(p) > 1 and p in text) or (len(p) == 1 and p in text)]
    ids = {p: i for i, (p, _) in enumerate(kept)}
    spec["model"].update(vocab=kept)
    for token in spec["added_tokens"]:
        token["id"] = ids[token["content"]]
    for token in spec["post_processor"]["special_tokens"].values():
        token["ids"] = [ids[t] for t in token["tokens"]]
    small, _ = files("real-t5-small", -1, config, {"tokenizer.json": spec}, [
        "class:T5TokenizerFast", "real:t5-small", *spec_components(spec)])
    same("t5-small", whole, small)
    # Its sentencepiece model again, out of the same numbers: the pieces without the added tokens behind them.
    model = spm.ModelProto.FromString(sentencepiece_model(pad_id=0, eos_id=1, unk_id=2, bos_id=-1))
    del model.pieces[3:]
    for piece, score in kept[3:]:
        if not piece.startswith("<extra_id_"):
            model.pieces.add(piece=piece, score=score)
    precompiled = spec["normalizer"]
    precompiled = next(n for n in precompiled.get("normalizers", [precompiled]) if n["type"] == "Precompiled")
    model.normalizer_spec.precompiled_charsmap = base64.b64decode(precompiled["precompiled_charsmap"])
    model.normalizer_spec.name = "nmt_nfkc"
    files("real-t5-small-slow", 0, {**config, "legacy": True}, {"spiece.model": model.SerializeToString(deterministic=True)},
          ["class:T5Tokenizer", "real:t5-small"])


def real_roformer(directory):
    import rjieba
    lines = (directory / "vocab.txt").read_text(encoding="utf-8").split("\n")
    lines = lines[:-1] if lines[-1] == "" else lines
    config = {"model_type": "roformer", "tokenizer_class": "RoFormerTokenizer"}
    whole = {fast: load(directory, config, bool(fast)) for fast in (0, 1)}
    normalize = whole[1].backend_tokenizer.normalizer.normalize_str
    forms = [f for t in TEXTS for f in (t, t.lower(), normalize(t), normalize(t.lower()))]
    cut = {w for f in forms for w in rjieba.cut(f, False)}
    used = used_tokens(whole[0]) | used_tokens(whole[1])
    text = "\n".join(forms)
    kept = [t for i, t in enumerate(lines) if i < 5 or t in used or t in cut or re.fullmatch(r"\[[A-Z]*\]", t) or
            (not t.isascii() and t in text) or i % 100 == 0]
    # Latin pieces of any word of the texts: whatever the greedy search may meet.
    pieces = [t for t in lines if t.isascii() and len(t.removeprefix("##")) > 1 and t.removeprefix("##") in text.lower()]
    wanted = set(kept) | set(pieces) | {t for t in lines if len(t.removeprefix("##")) == 1 and t.isascii()}
    kept = [t for t in lines if t in wanted]
    for fast in (0, 1):
        small, _ = files("real-roformer-chinese" + ("" if fast else "-slow"), fast, config, {"vocab.txt": vocab_text(kept)}, [
            "class:RoFormerTokenizer" + ("Fast" if fast else ""), "real:roformer-chinese"])
        same("roformer-chinese", whole[fast], small)


def real_minilm(directory):
    """MiniLM's tokenizer.json, with the pieces of the texts' words alone."""
    whole = AutoTokenizer.from_pretrained(directory)
    spec = json.loads(whole.backend_tokenizer.to_str())
    vocab = spec["model"]["vocab"]
    text = " ".join(whole.backend_tokenizer.normalizer.normalize_str(t) for t in TEXTS)
    kept = [t for t in sorted(vocab, key=vocab.get) if t.removeprefix("##") in text or re.fullmatch(r"\[[A-Z]*\]", t)]
    ids = {t: i for i, t in enumerate(kept)}
    spec["model"]["vocab"] = ids
    spec["truncation"] = spec["padding"] = None
    for token in spec["added_tokens"]:
        token["id"] = ids[token["content"]]
    processor = spec["post_processor"]
    for token in processor.get("special_tokens", {}).values():
        token["ids"] = [ids[t] for t in token["tokens"]]
    for key in ("sep", "cls"):
        if key in processor:
            processor[key][1] = ids[processor[key][0]]
    config = json.loads((directory / "tokenizer_config.json").read_text())
    config = {k: v for k, v in config.items() if k not in ("name_or_path", "special_tokens_map_file", "added_tokens_decoder",
                                                           "max_length", "model_max_length")}
    config["model_type"] = "bert"
    small, _ = files("real-minilm", -1, config, {"tokenizer.json": spec}, [
        "class:BertTokenizerFast", "real:all-MiniLM-L6-v2", *spec_components(spec)])
    same("all-MiniLM-L6-v2", whole, small)
    small, _ = files("real-minilm-slow", 0, {"model_type": "bert", "tokenizer_class": "BertTokenizer"},
                     {"vocab.txt": vocab_text(kept)}, ["class:BertTokenizer", "real:all-MiniLM-L6-v2"])
