#!/usr/bin/env python3
"""Makes test/reference/generation: tiny decoders of every family, and what generate() of Transformers makes of
them, greedily and with beams.  README.md beside this file tells the format.

A case is kept only when its ids stay the same in double precision and with noise of 1e-3 on every logit: no
choice is so narrow that the order of a sum decides it.  Where a case is about an option, prompts are tried until
the option changes something.
"""

import copy
import inspect
import json
import os
import pathlib
import shutil
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
import transformers as T

import families_common as common

ROOT = pathlib.Path(__file__).resolve().parent / "generation"
NOISE = 1e-3
V = 48


class Noise:
    """Wraps a model's forward: keeps its last logits, and may disturb them."""

    def __init__(self, model):
        self.model, self.forward = model, model.forward
        self.seen, self.rng = [], None

    def __enter__(self):
        def forward(*args, **kwargs):
            output = self.forward(*args, **kwargs)
            if self.rng is not None:
                noise = self.rng.uniform(-NOISE, NOISE, tuple(output.logits.shape))
                output.logits = output.logits + torch.tensor(noise, dtype=output.logits.dtype)
            self.seen.append(output.logits[:, -1].detach().clone())
            return output

        # generate() looks at the signature of forward
        forward.__signature__ = inspect.signature(self.forward)
        self.model.forward = forward
        return self

    def __exit__(self, *_):
        self.model.forward = self.forward


def arguments(call):
    """infer.generate_ids' arguments as generate() takes them."""
    out = {"do_sample": False, "num_beams": 1, "max_new_tokens": 64}
    for name, value in call.items():
        if name in ("input_ids", "input_shape_ids", "input_pronunciation_ids"):
            out[name] = torch.tensor([value])
        elif name == "early_stopping":
            out[name] = {"true": True, "false": False, "never": "never"}[value]
        else:
            out[name] = value
    return out


class Folder:
    folders = []

    def __init__(self, name, cls, config, extra=None, generation=None, scale=1.0, low=4):
        self.name, self.cls, self.config, self.extra, self.low = name, cls, config, extra, low
        self.path = ROOT / name
        self.rng = common.generator(name + " prompts")
        self.cases, self.finds = [], 0
        Folder.folders.append(self)
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        model = common.draw(cls(copy.deepcopy(config)), name, scale=scale)
        model.save_pretrained(self.path, safe_serialization=True)
        path = self.path / "generation_config.json"
        path.unlink(missing_ok=True)
        if generation is not None:
            path.write_text(json.dumps(generation, indent=1, sort_keys=True) + "\n")
        path = self.path / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()), indent=1, sort_keys=True) + "\n")
        for file in self.path.iterdir():
            file.chmod(0o644)
        self.single = cls.from_pretrained(self.path).eval()
        self.double = copy.deepcopy(self.single).double()

    # ---- one call ----

    def run(self, call, model=None, seed=None, **more):
        """Rows of ids, without padding, and their scores."""
        model = model or self.single
        given = arguments(call)
        given.update(more)
        dtype = next(model.parameters()).dtype
        torch.set_default_dtype(dtype)
        with Noise(model) as noise:
            noise.rng = None if seed is None else np.random.default_rng(seed)
            try:
                out = model.generate(
                    **given,
                    attention_mask=torch.ones_like(given["input_ids"]),
                    return_dict_in_generate=True,
                    output_scores=True,
                )
            finally:
                torch.set_default_dtype(torch.float32)
        eos = given.get("eos_token_id", model.generation_config.eos_token_id)
        eos = [] if eos is None else [eos] if isinstance(eos, int) else eos
        start = given["input_ids"].shape[1]
        rows = []
        for row in out.sequences.tolist():
            end = next((i + 1 for i in range(start, len(row)) if row[i] in eos), len(row))
            rows.append(row[:end])
        if call.get("num_beams", 1) > 1:
            scores = out.sequences_scores.tolist()
        else:
            new = rows[0][start:]
            steps = [torch.log_softmax(step.double(), -1)[0, token] for step, token in zip(noise.seen, new)]
            scores = [float(sum(steps))]
        return rows, scores

    def stable(self, call, rows):
        if self.run(call, self.double)[0] != rows:
            return False
        return all(self.run(call, seed=seed)[0] == rows for seed in range(4))

    # ---- cases ----

    def prompt(self, length):
        ids = self.rng.integers(self.low, self.config.vocab_size, length).tolist()
        call = {"input_ids": ids}
        if self.extra:
            call.update(self.extra(self, length))
        return call

    def plain(self, call):
        """The call without the options that a case may be about."""
        keep = "input_ids input_shape_ids input_pronunciation_ids max_new_tokens num_beams".split()
        return {name: value for name, value in call.items() if name in keep}

    def case(self, name, rows, options, length=5, changes=True, wanted=None, note=None):
        """options: a dict, or a function(folder, prompt call, plain ids) that makes it.  changes: the options must change
        the ids of the plain call.  wanted: function(ids of the rows, length of the prompt)."""
        assert name not in [case["name"] for case in self.cases], (self.name, name)
        for attempt in range(400):
            call = self.prompt(length)
            if callable(options):
                baseline = dict(call, **getattr(options, "base", N))
                call = dict(call, **options(self, call, self.run(baseline)[0]))
            else:
                call.update(options)
            result, scores = self.run(call)
            if changes and result == self.run(dict(self.plain(call)))[0]:
                continue
            if wanted and not wanted(result, length):
                continue
            if len(set(result[0][length:])) < min(3, len(result[0]) - length):
                continue  # a loop over one token shows little
            if self.stable(call, result):
                break
        else:
            raise AssertionError(f"{self.name} {name}: no prompt will do")
        self.finds = max(self.finds, attempt)
        entry = {"name": name, "rows": rows.split(), "call": call,
                 "expect": {"sequences": result, "scores": scores}}
        if note:
            entry["note"] = note
        self.cases.append(entry)
        return call, result

    def padded(self, name, rows, options, lengths=(3, 5, 6), attends=False):
        """A left-padded batch, which must give what each prompt gives by itself; the case is the shortest with its
        padding.  attends: in Transformers the class looks at the padding, and only the prompt alone counts."""
        pad = self.config.pad_token_id
        for _ in range(400):
            calls = [dict(self.prompt(length), **options) for length in lengths]
            alone = [self.run(call)[0][0] for call in calls]
            longest = max(lengths)
            given = arguments(calls[0])
            given["input_ids"] = torch.tensor(
                [[pad] * (longest - len(c["input_ids"])) + c["input_ids"] for c in calls]
            )
            given["attention_mask"] = (given["input_ids"] != pad).long()
            batch = self.single.generate(**given).tolist()
            eos = options.get("eos_token_id", [])
            same = True
            for row, call, single in zip(batch, calls, alone):
                new = row[longest:]
                end = next((i + 1 for i, t in enumerate(new) if t in eos), len(new))
                same &= attends or new[:end] == single[len(call["input_ids"]) :]
            if same and all(self.stable(c, [a]) for c, a in zip(calls, alone)):
                break
        else:
            raise AssertionError(f"{self.name} {name}")
        n = longest - lengths[0]
        call = dict(calls[0], input_ids=[pad] * n + calls[0]["input_ids"], pad_token_id=pad)
        scores = self.run(calls[0])[1]
        self.cases.append({"name": name, "rows": rows.split(), "call": call,
                           "expect": {"sequences": [[pad] * n + alone[0]], "scores": scores}})

    def cached(self):
        """What is computed anew at every step is the same: Transformers' own cases once more, without cache."""
        for case in self.cases:
            if case["name"].startswith("padded"):
                continue
            try:
                again = self.run(case["call"], use_cache=False)[0]
            except TypeError:
                return
            assert again == case["expect"]["sequences"], (self.name, case["name"])

    # ---- texts ----

    def with_tokenizer(self, name):
        """Copies a tokenizer of the tokenizer fixtures into the folder."""
        source = ROOT.parent / "tokenizers" / name
        for file in source.iterdir():
            if file.name not in ("config.json", "expected.json"):
                shutil.copy(file, self.path)
        self.tokenizer = T.AutoTokenizer.from_pretrained(self.path)

    def decoded(self, ids, n_prompt):
        """What is behind the prompt, as the text-generation pipeline has it."""
        whole = self.tokenizer.decode(ids, skip_special_tokens=True)
        return whole[len(self.tokenizer.decode(ids[:n_prompt], skip_special_tokens=True)) :]

    def text_case(self, name, rows, prompt, options, stop_at=None, note=None):
        """stop_at: (begin, end) of the characters of the plain output that end it."""
        call = {"prompt": prompt, **options}
        encoded = dict(self.tokenizer(prompt, add_special_tokens=options.get("add_special_tokens", True)))
        inner = {k: v for k, v in options.items() if k not in ("add_special_tokens", "stop", "bad_words")}
        inner["input_ids"] = encoded["input_ids"]
        n = len(inner["input_ids"])
        for key in ("input_shape_ids", "input_pronunciation_ids"):
            if key in encoded:
                inner[key] = encoded[key]
        if "bad_words" in options:
            words = [w for word in options["bad_words"] for w in (word, " " + word)]
            inner["bad_words_ids"] = self.tokenizer(words, add_special_tokens=False)["input_ids"]
        rows_of_ids, scores = self.run(inner)
        assert self.stable(inner, rows_of_ids), (self.name, name, "is not stable")
        texts = [self.decoded(ids, n) for ids in rows_of_ids]
        if stop_at:
            stop = texts[0][stop_at[0] : stop_at[1]]
            assert stop and "\ufffd" not in stop, (self.name, name, texts)
            call["stop"] = ["not there", stop]
            end = next(i for i in range(n + 1, len(rows_of_ids[0]) + 1)
                       if stop in self.decoded(rows_of_ids[0][:i], n))
            text = self.decoded(rows_of_ids[0][:end], n)
            texts, scores = [text[: text.index(stop)]], None
        entry = {"name": name, "rows": rows.split(), "call": call,
                 "expect": {"texts": texts, "scores": scores}}
        if note:
            entry["note"] = note
        self.cases.append(entry)
        return texts

    def write(self):
        text = {"model": {"family": self.config.model_type, "architecture": self.cls.__name__},
                "cases": self.cases}
        (self.path / "cases.json").write_text(common.text(text) + "\n")


# ---- options that depend on what would come without them ----


def eos_at(*positions, **options):
    """The tokens that come at these positions of the plain output end a sequence."""

    def make(folder, call, plain):
        new = plain[0][len(call["input_ids"]) :]
        return dict(options, eos_token_id=sorted({new[p] for p in positions}))

    make.base = {k: v for k, v in options.items() if k in ("max_new_tokens", "num_beams")}
    return make


def bad_words(*spans, **options):
    """Spans (begin, end) of the plain output may not come."""

    def make(folder, call, plain):
        new = plain[0][len(call["input_ids"]) :]
        more = options.get("more", [])
        rest = {k: v for k, v in options.items() if k != "more"}
        return dict(rest, bad_words_ids=[new[b:e] for b, e in spans] + more)

    make.base = {k: v for k, v in options.items() if k in ("max_new_tokens", "num_beams")}
    return make


def suppress(*positions, **options):
    def make(folder, call, plain):
        new = plain[0][len(call["input_ids"]) :]
        return dict(options, suppress_tokens=sorted({new[p] for p in positions}))

    make.base = {k: v for k, v in options.items() if k in ("max_new_tokens", "num_beams")}
    return make


def both(*makers):
    def make(folder, call, plain):
        out = {}
        for maker in makers:
            out.update(maker(folder, call, plain) if callable(maker) else maker)
        return out

    make.base = next(maker.base for maker in makers if callable(maker))
    return make


def ends_early(n):
    return lambda rows, length: len(rows[0]) - length < n


def some_end(n):
    return lambda rows, length: len({len(row) for row in rows}) > 1


N = {"max_new_tokens": 10}
BEAMS = {"max_new_tokens": 9, "num_beams": 3}


def greedy_cases(f, rows):
    f.case("greedy", rows, N, changes=False)
    f.case("eos", rows, eos_at(4, **N), wanted=ends_early(10))
    f.case("min-new-tokens", rows, both(eos_at(3, **N), {"min_new_tokens": 7}),
           wanted=lambda r, n: len(r[0]) - n >= 7)
    f.case("repetition-penalty", rows, dict(N, repetition_penalty=1.7))
    f.case("no-repeat-ngram", rows, dict(N, no_repeat_ngram_size=2))
    f.case("bad-words", rows, bad_words((1, 2), (3, 5), **N))
    f.case("suppress", rows, suppress(0, 3, **N))
    f.case("forced-eos", rows, dict(N, forced_eos_token_id=7))


def beam_cases(f, rows):
    f.case("beams", rows, BEAMS, changes=False)
    f.case("beams-eos", rows, eos_at(4, **BEAMS), wanted=ends_early(9))
    f.case("beams-length-penalty", rows, both(eos_at(3, **BEAMS), {"length_penalty": 2.0}))
    f.case("beams-return", rows, both(eos_at(5, **BEAMS), {"num_return_sequences": 3}), wanted=some_end(9))
    f.case("beams-processed", rows, dict(BEAMS, repetition_penalty=1.3, no_repeat_ngram_size=2))


def more_cases(f, rows):
    f.case("one-token", rows, {"max_new_tokens": 1}, changes=False)
    f.case("short-prompt", rows, N, length=1, changes=False)
    f.case("several-eos", rows, eos_at(4, 6, **N), wanted=ends_early(10))
    f.case("eos-in-the-prompt", rows, lambda folder, call, plain: dict(N, eos_token_id=[call["input_ids"][2]]),
           changes=False)
    f.case("repetition-reward", rows, dict(N, repetition_penalty=0.8))
    f.case("no-repeat-unigram", rows, dict(N, no_repeat_ngram_size=1))
    f.case("no-repeat-trigram", rows, dict(max_new_tokens=16, no_repeat_ngram_size=3))
    f.case("no-repeat-longer-than-all", rows, dict(N, no_repeat_ngram_size=30), changes=False)
    f.case("bad-words-long", rows, bad_words((0, 3), (2, 5), **N))
    f.case("bad-word-is-eos", rows,
           both(eos_at(4, **N), lambda folder, call, plain: {"bad_words_ids": [[plain[0][len(call["input_ids"]) + 4]]]}),
           wanted=ends_early(10))
    f.case("bad-words-longer-than-prompt", rows, bad_words((0, 2), **N), length=1, changes=False,
           note="a bad word that is longer than the sequence does not count yet")
    f.case("forced-eos-ends", rows, dict(N, forced_eos_token_id=9, eos_token_id=[9]))
    f.case("all-greedy", rows,
           both(bad_words((2, 4), **N), suppress(1, **N), eos_at(6, **N),
                {"repetition_penalty": 1.2, "no_repeat_ngram_size": 2, "min_new_tokens": 4, "forced_eos_token_id": 11}))
    f.case("beams-2", rows, dict(N, num_beams=2), changes=False)
    f.case("beams-6", rows, dict(N, num_beams=6), changes=False)
    f.case("beams-one-token", rows, dict(max_new_tokens=1, num_beams=4, num_return_sequences=4), changes=False)
    for penalty in (0.0, 0.5, -1.0):
        f.case(f"beams-length-penalty{penalty:+.1f}", rows,
               both(eos_at(3, **BEAMS), {"length_penalty": penalty}), wanted=ends_early(9))
    for stop in ("true", "never"):
        f.case(f"beams-early-{stop}", rows,
               both(eos_at(3, **BEAMS), {"early_stopping": stop, "num_return_sequences": 3}), wanted=some_end(9))
    f.case("beams-never-short", rows,
           both(eos_at(3, **BEAMS), {"early_stopping": "never", "length_penalty": -0.5, "num_return_sequences": 2}))
    f.case("beams-several-eos", rows,
           both(eos_at(2, 4, 5, **BEAMS), {"num_return_sequences": 3}), wanted=some_end(9))
    f.case("beams-several-eos-early", rows,
           both(eos_at(2, 4, **BEAMS), {"num_return_sequences": 2, "early_stopping": "true"}))
    f.case("beams-min-new-tokens", rows, both(eos_at(3, **BEAMS), {"min_new_tokens": 6}))
    f.case("beams-bad-words", rows, bad_words((1, 2), (3, 5), **BEAMS))
    f.case("beams-suppress", rows, suppress(0, 3, **BEAMS))
    f.case("beams-forced-eos", rows, dict(BEAMS, forced_eos_token_id=7, eos_token_id=[7], num_return_sequences=3))
    f.case("beams-unigram", rows, dict(BEAMS, no_repeat_ngram_size=1))
    f.case("beams-all", rows,
           both(bad_words((2, 4), **BEAMS), suppress(1, **BEAMS), eos_at(5, **BEAMS),
                {"repetition_penalty": 1.2, "no_repeat_ngram_size": 2, "min_new_tokens": 3, "length_penalty": 0.7,
                 "num_return_sequences": 3, "early_stopping": "never"}))


# ---- models ----


def bertlike(**more):
    values = dict(vocab_size=V, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=20,
                  max_position_embeddings=40, is_decoder=True)
    values.update(more)
    return values


def opt(**more):
    return T.OPTConfig(vocab_size=more.pop("vocab_size", V), hidden_size=16, num_hidden_layers=2, ffn_dim=24,
                       num_attention_heads=2, max_position_embeddings=more.pop("max_position_embeddings", 40), word_embed_proj_dim=16, pad_token_id=1,
                       bos_token_id=2, eos_token_id=more.pop("eos_token_id", None), **more)


def mega(**more):
    values = dict(vocab_size=V, hidden_size=12, num_hidden_layers=2, intermediate_size=12, nffn_hidden_size=16,
                  shared_representation_size=6, ema_projection_size=3, bidirectional=False, is_decoder=True,
                  max_positions=32, relative_positional_bias="rotary", pad_token_id=1, bos_token_id=0,
                  eos_token_id=None)
    values.update(more)
    return T.MegaConfig(**values)


def make():
    f = Folder("opt", T.OPTForCausalLM, opt())
    greedy_cases(f, "OP-39")
    beam_cases(f, "OP-39")
    more_cases(f, "OP-39")
    f.padded("padded", "OP-39 CM-07", N)
    f.cached()

    f = Folder("opt-few-tokens", T.OPTForCausalLM, opt(vocab_size=9), low=3)
    f.case("more-beams-than-tokens", "OP-39", dict(max_new_tokens=6, num_beams=6, num_return_sequences=4),
           changes=False, note="the first step has fewer candidates than are wanted")

    f = Folder("opt-defaults", T.OPTForCausalLM, opt(eos_token_id=2),
               generation={"eos_token_id": [5, 6, 30, 31], "pad_token_id": 1, "bad_words_ids": [[8], [9, 10], [12]],
                           "suppress_tokens": [13, 14, 15], "forced_eos_token_id": 5, "transformers_version": "4.37.2"})
    f.case("ids-of-generation-config", "OP-39", N, changes=False, wanted=ends_early(10))
    f.case("other-eos", "OP-39", dict(N, eos_token_id=[47]), changes=False)

    f = Folder("opt-config-eos", T.OPTForCausalLM, opt(eos_token_id=[20, 21, 22, 23, 24]))
    f.case("eos-of-config", "OP-39", N, changes=False, wanted=ends_early(10))

    f = Folder("roformer", T.RoFormerForCausalLM,
               T.RoFormerConfig(**bertlike(embedding_size=16, eos_token_id=None)))
    greedy_cases(f, "RF-44")
    beam_cases(f, "RF-44")
    f.padded("padded", "RF-44 CM-07", N)

    f = Folder("bert", T.BertLMHeadModel, T.BertConfig(**bertlike(eos_token_id=None)))
    greedy_cases(f, "")
    beam_cases(f, "")
    f.cached()

    f = Folder("roberta-prelayernorm", T.RobertaPreLayerNormForCausalLM,
               T.RobertaPreLayerNormConfig(**bertlike(pad_token_id=1, bos_token_id=0, eos_token_id=None)))
    greedy_cases(f, "RP-37")
    beam_cases(f, "RP-37")
    f.padded("padded", "RP-37 CM-07", N)

    def shapes(folder, length):
        return {"input_shape_ids": folder.rng.integers(1, 19, length).tolist(),
                "input_pronunciation_ids": folder.rng.integers(1, 17, length).tolist()}

    roc = bertlike(shape_vocab_size=19, pronunciation_vocab_size=17, shape_embed_dim=6, pronunciation_embed_dim=6,
                   eos_token_id=None)
    f = Folder("roc-bert", T.RoCBertForCausalLM, T.RoCBertConfig(**roc), extra=shapes)
    greedy_cases(f, "RB-31")
    beam_cases(f, "RB-31")
    f = Folder("roc-bert-without-shapes", T.RoCBertForCausalLM, T.RoCBertConfig(**roc))
    f.case("greedy", "RB-31", N, changes=False)

    f = Folder("mega", T.MegaForCausalLM, mega())
    greedy_cases(f, "MG-49 MG-26")
    beam_cases(f, "MG-49")
    f.padded("padded", "MG-58", N, attends=True)
    f = Folder("mega-simple-laplace", T.MegaForCausalLM,
               mega(relative_positional_bias="simple", attention_activation="laplace"))
    f.case("greedy", "MG-49 MG-40", N, changes=False)
    f.case("beams", "MG-49 MG-40", BEAMS, changes=False)


def text_cases(f, rows, prompts):
    for i, prompt in enumerate(prompts):
        f.text_case(f"text-{i}", rows, prompt, {"max_new_tokens": 12})
    f.text_case("text-bare", rows, prompts[0], {"max_new_tokens": 12, "add_special_tokens": False})
    f.text_case("text-penalties", rows, prompts[0],
                {"max_new_tokens": 20, "repetition_penalty": 1.3, "no_repeat_ngram_size": 2})
    f.text_case("text-beams", rows, prompts[0],
                {"max_new_tokens": 12, "num_beams": 3, "num_return_sequences": 2, "repetition_penalty": 1.5})
    varied = {"max_new_tokens": 24, "repetition_penalty": 1.5, "no_repeat_ngram_size": 1}
    whole = f.text_case("text-varied", rows, prompts[0], varied)[0]
    n = 0
    for begin in range(1, len(whole) - 4, 3):
        for size in (1, 2, 5):
            if "\ufffd" not in whole[begin : begin + size] and n < 12:
                f.text_case(f"text-stop-{begin}-{size}", rows, prompts[0], varied, stop_at=(begin, begin + size))
                n += 1
    assert n > 3, (f.name, whole)


def warped(logits, options, keep):
    """The probabilities that are left of logits, as sample() draws from them."""
    config = T.GenerationConfig(do_sample=True, top_k=0)
    config.update(**options)
    if keep > 1:
        config.num_beams = 2
        config.eos_token_id = list(range(keep - 1))
    warper = T.GenerationMixin._get_logits_warper(None, config)
    scores = warper(torch.zeros((1, 1), dtype=torch.long), torch.tensor([logits], dtype=torch.float32))
    return torch.softmax(scores.double(), -1)[0].tolist()


def make_warpers():
    """generation/warpers.json: logits, options, and the distribution that a token is drawn from."""
    rng = common.generator("warpers")
    cases = []
    choices = [
        {},
        {"temperature": 0.5},
        {"temperature": 1.9},
        {"top_k": 1},
        {"top_k": 5},
        {"top_k": 100},
        {"top_p": 0.3},
        {"top_p": 0.9},
        {"typical_p": 0.2},
        {"typical_p": 0.8},
        {"temperature": 0.7, "top_k": 9, "top_p": 0.8, "typical_p": 0.7},
        {"temperature": 1.4, "top_k": 12, "typical_p": 0.4},
        {"top_k": 4, "top_p": 0.5},
    ]
    for options in choices:
        for keep in (1, 2, 4):
            logits = np.round(rng.standard_normal(24) * 2 * 64) / 64
            if len(cases) % 4 == 1:
                logits[7:11] = logits[7]  # ties
            if len(cases) % 3 == 2:
                logits = np.sort(logits)
            cases.append({"logits": logits, "options": options, "keep": keep,
                          "probabilities": warped(logits.tolist(), options, keep)})
    (ROOT / "warpers.json").write_text(common.text({"cases": cases}) + "\n")
    return len(cases)


def make_texts():
    english = ["The weather is", "Once upon a time, there was", "a"]
    f = Folder("opt-text", T.OPTForCausalLM, opt(vocab_size=506, max_position_embeddings=64), low=4)
    f.with_tokenizer("class-opt-fast")
    text_cases(f, "OP-39 OP-42", english)
    word = next(w for w in f.cases[0]["expect"]["texts"][0].split() if w.isascii() and w.isalpha())
    f.text_case("text-bad-words", "OP-39", english[0], {"max_new_tokens": 12, "bad_words": [word]})

    f = Folder("bert-text", T.BertLMHeadModel,
               T.BertConfig(**bertlike(vocab_size=856, max_position_embeddings=64, eos_token_id=None)))
    f.with_tokenizer("class-bert-fast-of-vocab")
    text_cases(f, "", english)

    f = Folder("roformer-text", T.RoFormerForCausalLM,
               T.RoFormerConfig(**bertlike(vocab_size=856, max_position_embeddings=64, embedding_size=16, eos_token_id=None)))
    f.with_tokenizer("class-roformer-slow")
    text_cases(f, "RF-44", ["\u4eca\u5929\u5929\u6c14\u975e\u5e38\u597d\u3002"] + english)

    f = Folder("roc-bert-text", T.RoCBertForCausalLM,
               T.RoCBertConfig(**bertlike(vocab_size=856, max_position_embeddings=64, shape_vocab_size=1000,
                                          pronunciation_vocab_size=1000, shape_embed_dim=4, pronunciation_embed_dim=4,
                                          eos_token_id=None)))
    f.with_tokenizer("class-rocbert")
    text_cases(f, "RB-31", ["\u4eca\u5929\u5929\u6c14\u975e\u5e38\u597d\u3002"] + english)


def main():
    common.prepare()
    shutil.rmtree(ROOT, ignore_errors=True)
    make()
    make_texts()
    for folder in Folder.folders:
        folder.write()
    print(make_warpers(), "distributions,", len(Folder.folders), "models,", sum(len(f.cases) for f in Folder.folders), "cases; at most",
          max(f.finds for f in Folder.folders), "prompts were tried")


if __name__ == "__main__":
    sys.exit(main())
