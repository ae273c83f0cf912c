"""Folders of tokenizer files alone, and what Transformers' class makes of texts: an example for each row of the feature
checklist that is about tokenizers.  All texts through all components are in the tokenizer fixtures."""

import json
import shutil

import transformers as T

import pipelines_common as common

TODAY = "今天天气非常好。"
DOG = "Hello, my dog is cute"
EXAMPLES = "今 天 气 天气 非常 好 。 hello , my dog is cut ##e hu ##gg ##ing ##face a company ca cafe ##f e ##a ##fe é c + # you 你好 再见".split()


class TokenizerFolder(common.Folder):
    """source: the tokenizer fixture whose files these are; vocabulary: tokens that its vocab.txt gets behind its own."""

    def __init__(self, name, source, family, use_fast=None, vocabulary=(), settings=None):
        common.Folder.folders.append(self)
        self.name, self.path, self.rows, self.cases = "tokens-" + name, common.ROOT / ("tokens-" + name), [], []
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        for file in (common.TOKENIZERS / source).iterdir():
            if file.name not in ("expected.json", "config.json"):
                shutil.copyfile(file, self.path / file.name)
        (self.path / "config.json").write_text(json.dumps({"model_type": family}) + "\n")
        self.edit_tokenizer(None, settings)
        if vocabulary:
            tokens = (self.path / "vocab.txt").read_text().split("\n")[:-1]
            tokens += [t for t in vocabulary if t not in tokens]
            (self.path / "vocab.txt").write_text("".join(t + "\n" for t in tokens))
        fast = {} if use_fast is None else {"use_fast": use_fast}
        self.tokenizer = T.AutoTokenizer.from_pretrained(self.path, **fast)
        assert use_fast is None or self.tokenizer.is_fast == use_fast, name
        self.entry = {"family": family, "architecture": None}
        if fast:
            self.entry["import_options"] = fast

    def add(self, name, rows, function, call, expect):
        assert name not in [c["name"] for c in self.cases], (self.name, name)
        self.cases.append({"name": name, "rows": rows.split(), "function": function, "call": call, "expect": expect})

    def tokens(self, name, rows, text, pair=None, tokens=None):
        """tokens: what the specification says they are, without the special ones."""
        ids = self.tokenizer(text, pair)["input_ids"]
        found = self.tokenizer.convert_ids_to_tokens(ids)
        if tokens is not None:
            inner = [t for t in found if t not in (self.tokenizer.cls_token, self.tokenizer.sep_token, self.tokenizer.bos_token)]
            assert inner == tokens.split(), (self.name, name, inner)
        self.add(name, rows, "tokenize", {"input": text, **({} if pair is None else {"pair": pair})},
                 [{"id": i, "token": t} for i, t in zip(ids, found)])

    def encoded(self, name, rows, text, pair=None):
        found = self.tokenizer(text, pair, return_special_tokens_mask=True)
        expect = {k: list(found[k]) for k in ("input_ids", "attention_mask", "special_tokens_mask", "token_type_ids",
                                              "input_shape_ids", "input_pronunciation_ids") if k in found}
        self.add(name, rows, "encode", {"input": text, **({} if pair is None else {"pair": pair})}, expect)

    def decoded(self, name, rows, ids):
        for skip in (False, True):
            self.add(name + ("-skipped" if skip else ""), rows, "decode", {"ids": ids, "skip_special_tokens": skip},
                     self.tokenizer.decode(ids, skip_special_tokens=skip))

    def round_trip(self, name, rows, text, pair=None):
        self.decoded(name, rows, self.tokenizer(text, pair)["input_ids"])


def roformer(name, use_fast, **settings):
    return TokenizerFolder("roformer-" + name, "class-roformer-slow", "roformer", use_fast, EXAMPLES, settings)


def roformers():
    slow, fast = roformer("slow", False), roformer("fast", True)
    slow.tokens("today", "RF-20", TODAY)
    fast.tokens("today", "RF-26", TODAY)
    for f, rows in ((slow, "RF-21"), (fast, "RF-27")):
        f.encoded("single", rows, DOG)
        f.encoded("pair", rows, DOG, TODAY)
    slow.encoded("special", "RF-22", TODAY, DOG)
    slow.encoded("types", "RF-23", TODAY, "再见 你好")
    slow.encoded("types-single", "RF-23", TODAY)
    for f in (slow, fast):
        f.tokens("lower-case", "RF-14" if f is slow else "RF-25", "HELLO my DOG")
        f.tokens("accents", "RF-28 RF-18", "café")
        f.tokens("control", "RF-28", "my\u0007dog")
        f.tokens("punctuation", "RF-28", "c++ c#")
        f.tokens("hangul", "RF-28", "한국 my dog")
        f.tokens("same", "RF-28", "北京大学生活动中心 50% HuggingFace is a company")
        f.round_trip("chinese", "RF-28", "你好 再见")
    tokens = (slow.path / "vocab.txt").read_text().split("\n")[:-1]
    # With already_has_special_tokens the mask is that of the ids' own nature.
    special = slow.tokenizer.get_special_tokens_mask(list(range(len(tokens))), already_has_special_tokens=True)
    slow.add("vocabulary", "RF-24 RF-22", "vocab", {},
             [{"id": i, "token": t, "special": bool(special[i])} for i, t in enumerate(tokens)])
    roformer("cased", False, do_lower_case=False).tokens("case", "RF-14", "HELLO my hello")
    f = roformer("not-basic", False, do_basic_tokenize=False)
    f.tokens("commas", "RF-15", "hello, my dog is cut")
    f.tokens("chinese", "RF-15", TODAY)
    f = roformer("never-split", False, never_split=["cut,e", "[hello]"])
    f.tokens("kept", "RF-16", "my dog is cut,e and cut,a [hello]")
    f = roformer("chinese-together", False, tokenize_chinese_chars=False)
    f.tokens("together", "RF-17", "my今天dog " + TODAY)
    for value in (True, False):
        f = roformer(f"accents-{'stripped' if value else 'kept'}", False, strip_accents=value)
        f.tokens("accents", "RF-18", "café CAFÉ é")
    names = dict(unk_token="<unk>", sep_token="</s>", pad_token="<pad>", cls_token="<s>", mask_token="<mask>")
    f = TokenizerFolder("roformer-names", "class-roformer-slow", "roformer", False, [*EXAMPLES, *names.values()], names)
    f.encoded("pair", "RF-13", DOG + " \U0001f600", "<mask> 你好")
    f.tokens("mask", "RF-13", "my <mask> is [MASK]")
    f.round_trip("decoded", "RF-13", DOG, "<mask> 你好")
    f = TokenizerFolder("roformer-json", "class-roformer-fast", "roformer")
    f.tokens("today", "RF-25 RF-26", TODAY)
    f.encoded("pair", "RF-25 RF-27", DOG, TODAY)


CLEAN = ["Hello , you . yes ? no !", "a ' b", "do n't", "I 'm he 's we 've you 're", "a . . b ' ' c"]


def byte_levels():
    for name, fast in (("fast", True), ("slow", False)):
        f = TokenizerFolder("opt-" + name, f"class-opt-{name}", "opt", fast)
        f.tokens("leading", "OP-35", DOG)
        f.encoded("single", "OP-35", " a leading space")
        f.encoded("pair", "OP-36", "Who was that?", "A nice puppet")
        f.round_trip("round-trip", "OP-37", "The dog's cat isn't here, is it?  café 今天")
        for i, text in enumerate(CLEAN):
            f.round_trip(f"clean-{i}", "OP-37 CM-19", text)
        f = TokenizerFolder("roberta-" + name, f"class-roberta-{name}", "roberta-prelayernorm", fast)
        f.encoded("single", "RP-30", DOG)
        f.encoded("pair", "RP-30", "Who was Jim Henson?", "Jim Henson was a nice puppet")
        f.encoded("mask", "RP-31", "The capital of France is  <mask>.")
        f.encoded("mask-first", "RP-31", "<mask> is <mask><mask> a")
        f.round_trip("mask-decoded", "RP-32 RP-31", "The capital of France is <mask>.")
        f.round_trip("pair-decoded", "RP-32", "Who was that?", "A puppet , they say .")
        for i, text in enumerate(CLEAN):
            f.round_trip(f"clean-{i}", "RP-32 CM-19", text)
    f = TokenizerFolder("mega", "class-roberta-fast", "mega")
    f.encoded("single", "MG-54", DOG)
    f.encoded("pair", "MG-54", "Who was that?", "A nice puppet")
    f.encoded("mask", "MG-54", "The capital of France is <mask>.")
    f.round_trip("decoded", "MG-54", "The capital of France is <mask>.")


def word_pieces():
    f = TokenizerFolder("rocbert", "class-rocbert", "roc_bert")
    f.encoded("single", "RB-25", TODAY + DOG)
    f.encoded("pair", "RB-26", TODAY, DOG)
    f.encoded("pair-other", "RB-26", DOG, "再见")
    f.round_trip("decoded", "RB-24", TODAY, DOG)
    for i, text in enumerate(CLEAN):
        f.round_trip(f"clean-{i}", "CM-19", text)
    # Padding fills all lists; what is not padding are those of the text alone.
    batch = f.tokenizer([TODAY, DOG], [DOG, "你好"], padding=True)
    for i, (text, pair) in enumerate([(TODAY, DOG), (DOG, "你好")]):
        n = sum(batch["attention_mask"][i])
        padding = slice(n, None)
        assert not any(any(batch[k][i][padding]) for k in ("token_type_ids", "input_shape_ids", "input_pronunciation_ids"))
        f.add(f"batch-{i}", "RB-26", "encode", {"input": text, "pair": pair},
              {k: batch[k][i][:n] for k in ("input_ids", "token_type_ids", "input_shape_ids", "input_pronunciation_ids")})


def make():
    roformers()
    byte_levels()
    word_pieces()
