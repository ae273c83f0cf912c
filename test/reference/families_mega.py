"""Fixtures of MEGA."""

import numpy as np
import torch
import transformers as T
from safetensors.torch import load_file

import families_bertlike as like
from families_bertlike import ALL, NO_LABEL, Rows
from families_common import Folder, shrink

SIZES = dict(
    vocab_size=50,
    hidden_size=20,
    num_hidden_layers=2,
    intermediate_size=24,
    ema_projection_size=5,
    shared_representation_size=12,
    nffn_hidden_size=28,
    max_positions=16,
)
SMALL = dict(
    vocab_size=24,
    hidden_size=12,
    num_hidden_layers=2,
    intermediate_size=10,
    ema_projection_size=3,
    shared_representation_size=6,
    nffn_hidden_size=18,
    max_positions=16,
)
DECODER = dict(is_decoder=True, bidirectional=False)


def config(**changes):
    return T.MegaConfig(**{**SIZES, **changes})


def small(**changes):
    return T.MegaConfig(**{**SMALL, **changes})


def tiny(**changes):
    return small(num_hidden_layers=1, **changes)


def folder(name, cls, config, **options):
    """No norm ends a layer: where values can grow (relu2 squares scores that nothing normalises), and rounding
    with them, the matrices are smaller."""
    scale = {"relu2": 0.6}.get(config.attention_activation, 0.7 if config.add_cross_attention else 1.0)
    return Folder(name, cls, config, scale=scale, **options)


def forward_half(path):
    """The causal model that the forward rows of a masked model's moving averages make."""
    tensors = load_file(path / "model.safetensors")
    for name in tensors:
        if ".ema_gate." in name and not name.endswith("residual_weight"):
            tensors[name] = tensors[name][: len(tensors[name]) // 2]
    tensors["lm_head.bias"] = torch.zeros_like(tensors.pop("mlm_head.bias"))
    tensors["lm_head.weight"] = tensors["mega.embedding_layer.word_embeddings.weight"]
    tensors.pop("mlm_head.weight", None)
    model = T.MegaForCausalLM(T.MegaConfig.from_pretrained(path, **DECODER))
    model.load_state_dict(tensors)
    return model


def base():
    f = Folder("mega-model", T.MegaModel, config())
    mask = like.MASK
    call = f.tokens(3, 7, mask=mask)
    f.case("plain", "MG-30 MG-31 MG-02 MG-09 MG-14 MG-23 MG-44", {"input_ids": call["input_ids"]})
    masked = {**call, "attention_mask": mask}
    f.case("padded", "MG-32 MG-28 CM-07", masked, valid=mask, unlike="plain")
    for row, (first, last) in enumerate([(0, 7), (0, 4), (2, 7)]):
        ids = call["input_ids"][row : row + 1, first:last]
        alone = f.case(f"alone-{row}", "MG-28 CM-07", {"input_ids": ids}, keep=["last_hidden_state"])
        kept = f.results["padded"]["last_hidden_state"][row, first:last]
        assert np.abs(kept - alone["last_hidden_state"][0]).max() < 1e-6
    gaps = np.array([[1, 1, 0, 0, 1, 1, 1], [0, 1, 0, 1, 1, 0, 1], [1, 0, 1, 1, 1, 1, 0]])
    f.case(
        "mask-gaps",
        "MG-32",
        {**call, "attention_mask": gaps},
        valid=gaps,
        note="a masked position is 0 for the moving average, and time passes over it",
    )
    f.case("outputs", "MG-41 MG-42 MG-43 CM-11 CM-12", {**masked, **ALL}, valid=mask)
    f.case(
        "types-unused",
        "MG-33 MG-21",
        {"input_ids": call["input_ids"], "token_type_ids": np.ones((3, 7), int)},
        like="plain",
        note="no type embeddings by default",
    )
    f.case("embeds", "MG-34", {"inputs_embeds": f.embeds(2, 5)})
    f.case(
        "embeds-padded",
        "MG-34 MG-32",
        {"inputs_embeds": f.embeds(2, 6), "attention_mask": like.RIGHT},
        valid=like.RIGHT,
    )
    f.case("one-token", "MG-30", f.tokens(2, 1))
    f.case("flat", "MG-30", {"input_ids": f.ids(5)}, note="one dimension is a batch of one")
    f.case(
        "beyond-max-positions",
        "MG-20 MG-23",
        f.tokens(1, 21),
        keep=["last_hidden_state"],
        note="the rotary bias has no limit",
    )
    f.case(
        "encoder-states-unused",
        "",
        {**f.tokens(1, 4), "encoder_hidden_states": f.encoder_states(1, 3)},
        note="no cross-attention: ignored",
    )
    text = f.tokens(1, 4)
    f.error(
        "ids-and-embeds",
        "CM-15",
        {**text, "inputs_embeds": f.embeds(1, 4)},
        "input_ids.*inputs_embeds|inputs_embeds.*input_ids",
    )
    f.error(
        "neither-ids-nor-embeds",
        "CM-15",
        {"attention_mask": [[1, 1]]},
        "input_ids.*inputs_embeds|inputs_embeds.*input_ids",
    )
    f.error("id-too-large", "CM-15", {"input_ids": [[4, 50, 7]]}, "50")
    f.error("id-negative", "CM-15", {"input_ids": [[4, -1, 7]]}, "-1")
    f.error("position-ids", "", {**text, "position_ids": [[0, 1, 2, 3]]}, "position_ids")
    f.error("head-mask", "", {**text, "head_mask": [1.0]}, "head_mask")
    f.error("mask-wrong-length", "", {**text, "attention_mask": [[1, 1]]}, "attention_mask|2.*4|4.*2")
    f = Folder("mega-without-pooler", WithoutPooler, small())
    f.case("plain", "MG-31", f.tokens(1, 5))
    f = Folder("mega-types", T.MegaModel, small(add_token_type_embeddings=True, type_vocab_size=3))
    call = f.tokens(2, 5)
    f.case("plain", "MG-21 MG-33", {**call, "token_type_ids": [[0, 0, 1, 2, 2], [2, 1, 1, 0, 0]]})
    f.case("default", "MG-21 MG-33", call, unlike="plain")
    f.case("embeds", "MG-21 MG-34", {"inputs_embeds": f.embeds(1, 4), "token_type_ids": [[1, 0, 2, 1]]})
    f.error(
        "type-too-large",
        "MG-33 CM-15",
        {**call, "token_type_ids": [[0, 0, 1, 3, 2], [2, 1, 1, 0, 0]]},
        "type.*3|3.*type",
    )
    keys = {"model_type": "mega", "architectures": ["MegaModel"], **SMALL}
    f = Folder(
        "mega-minimal-config",
        T.MegaModel,
        small(),
        change=shrink(4e-3),
        minimal=keys,
        note="every key but the sizes takes its default",
    )
    f.case("plain", "MG-27 MG-26", f.tokens(1, 5))
    dropped = dict(
        dropout_prob=0.9,
        hidden_dropout_prob=0.8,
        attention_probs_dropout_prob=0.7,
        nffn_activation_dropout_prob=0.6,
        use_feature_dropout=True,
        classifier_dropout=0.5,
        initializer_range=1.0,
        ema_delta_alpha_range=2.0,
        ema_beta_range=1.0,
        ema_gamma_omega_range=3.0,
    )
    one = Folder("mega-dropout", T.MegaModel, small(**dropped), weights="mega-dropout")
    two = Folder("mega-no-dropout", T.MegaModel, small(), weights="mega-dropout")
    text = {"input_ids": [[3, 9, 17, 5]]}
    assert (
        one.case("plain", "MG-17 CM-10", text)["last_hidden_state"]
        == two.case("plain", "MG-17 CM-10", text)["last_hidden_state"]
    ).all()


class WithoutPooler(T.MegaModel):
    def __init__(self, config):
        super().__init__(config, add_pooling_layer=False)


WithoutPooler.__name__ = "MegaModel"


def options():
    """One folder per option of the config; a padded batch and its rows without pads."""
    norms = {}
    for kind, row in (
        ("layernorm", "MG-08"),
        ("scalenorm", "MG-09"),
        ("rmsnorm", "MG-10"),
        ("batchnorm", "MG-11"),
        ("syncbatchnorm", "MG-11"),
    ):
        norms[f"norm-{kind}"] = (row, dict(normalization_type=kind))
        norms[f"norm-{kind}-after"] = (
            f"{row} MG-07 MG-19",
            dict(normalization_type=kind, normalize_before_mega=False, normalize_before_ffn=False),
        )
        if kind != "layernorm":
            norms[f"norm-{kind}-no-affine"] = (
                f"{row} MG-12",
                dict(normalization_type=kind, norm_affine=False),
            )
    acts = {
        f"act-{name.replace('_', '-')}": ("MG-13 CM-08", dict(activation=name))
        for name in ("silu", "relu", "linear", "gelu", "gelu_accurate", "quick_gelu", "selu")
    }
    both = {
        "one-direction": ("MG-03", dict(bidirectional=False)),
        "truncation": ("MG-06", dict(truncation=3)),
        "truncation-long": ("MG-06", dict(truncation=40)),
        "truncation-one-direction": ("MG-06 MG-03", dict(truncation=3, bidirectional=False)),
        "norm-after-attention": ("MG-07", dict(normalize_before_mega=False)),
        "norm-after-ffn": ("MG-19", dict(normalize_before_ffn=False)),
        "laplace": ("MG-15", dict(attention_activation="laplace")),
        "relu2": ("MG-16", dict(attention_activation="relu2")),
        "laplace-simple": (
            "MG-15 MG-22",
            dict(attention_activation="laplace", relative_positional_bias="simple"),
        ),
        "relu2-simple": (
            "MG-16 MG-22",
            dict(attention_activation="relu2", relative_positional_bias="simple"),
        ),
        "simple": ("MG-22", dict(relative_positional_bias="simple")),
        "simple-chunk-size": ("MG-22", dict(relative_positional_bias="simple", chunk_size=10)),
        "no-ffn": ("MG-18", dict(use_normalized_ffn=False)),
        "wide-values": (
            "MG-01",
            dict(
                intermediate_size=33, shared_representation_size=4, ema_projection_size=1, nffn_hidden_size=7
            ),
        ),
    }
    mask = np.array([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0, 0]])
    for name, (rows, changes) in {**norms, **acts, **both}.items():
        layers = 1 if name in norms or name in acts else 2
        change = shrink(4e-3) if name in norms and "after" not in name else None
        f = folder(f"mega-{name}", T.MegaModel, small(num_hidden_layers=layers, **changes), change=change)
        call = f.tokens(2, 7, mask=mask)
        f.case("no-mask", rows, {"input_ids": call["input_ids"]}, keep=["last_hidden_state"])
        f.case(
            "padded",
            rows + " MG-28",
            {**call, "attention_mask": mask, "output_attentions": True},
            keep=["last_hidden_state", "attentions"],
            valid=mask,
        )
    f = folder("mega-simple-limit", T.MegaModel, small(relative_positional_bias="simple"))
    f.case("longest", "MG-20 MG-22", f.tokens(1, 16), keep=["last_hidden_state"])
    f.error("too-long", "MG-20 MG-22", f.tokens(1, 17), "17.*16|16.*17")
    f = folder(
        "mega-simple-chunk-size-limit", T.MegaModel, small(relative_positional_bias="simple", chunk_size=6)
    )
    f.case(
        "longest",
        "MG-22",
        f.tokens(1, 6),
        keep=["last_hidden_state"],
        note="the chunk size is the limit though chunking is off",
    )
    f.error("too-long", "MG-22", f.tokens(1, 7), "7.*6|6.*7")
    tiny = dict(
        vocab_size=40,
        hidden_size=8,
        num_hidden_layers=2,
        intermediate_size=8,
        ema_projection_size=2,
        shared_representation_size=4,
        nffn_hidden_size=8,
    )
    f = folder("mega-long", T.MegaForSequenceClassification, T.MegaConfig(**tiny, num_labels=3))
    f.case("six-hundred-tokens", "MG-23 MG-20", f.tokens(1, 600))


def chunks():
    for name, rows, changes in (
        ("chunks", "MG-04", {}),
        (
            "chunks-simple-laplace",
            "MG-04 MG-15 MG-22",
            dict(relative_positional_bias="simple", attention_activation="laplace"),
        ),
        ("chunks-relu2", "MG-04 MG-16", dict(attention_activation="relu2")),
    ):
        f = folder(f"mega-{name}", T.MegaModel, small(use_chunking=True, chunk_size=4, **changes))
        f.case("shorter", rows, {**f.tokens(1, 3), "output_attentions": True})
        f.case("one-chunk", rows, {**f.tokens(1, 4), "output_attentions": True})
        f.case(
            "three-chunks", rows, {**f.tokens(2, 12), "output_attentions": True, "output_hidden_states": True}
        )
        mask = np.array([[1] * 8, [1] * 6 + [0] * 2])
        padded = {**f.tokens(2, 8, mask=mask), "attention_mask": mask}
        f.case("padded", rows, padded, valid=mask, keep=["last_hidden_state"])
        odd(f, rows)
    f = folder(
        "mega-chunks-classifier",
        T.MegaForSequenceClassification,
        small(use_chunking=True, chunk_size=5, num_labels=3),
    )
    f.case("two-chunks", "MG-04 MG-57", f.tokens(2, 10))
    f = folder("mega-chunks-decoder", T.MegaForCausalLM, small(use_chunking=True, chunk_size=4, **DECODER))
    call = f.tokens(2, 8)
    f.case("two-chunks", "MG-05", {**call, "use_cache": False, "output_attentions": True})
    f.case("two-chunks-cache", "MG-05", {**call, "use_cache": True}, keep=["logits"], like="two-chunks")
    f.case("one-chunk", "MG-05", {**f.tokens(1, 4), "use_cache": False})
    mask = np.array([[1] * 8, [1] * 6 + [0] * 2])
    f.case(
        "padded",
        "MG-05 MG-28",
        {**f.tokens(2, 8, mask=mask), "attention_mask": mask, "use_cache": False},
        valid=mask,
    )
    f.case("loss", "MG-05 MG-46", {**call, "labels": call["input_ids"]}, keep=["loss"])
    for n in (1, 3, 6):
        f.error(f"length-{n}", "MG-05", {**f.tokens(1, n), "use_cache": False}, f"{n}.*4|4.*{n}")


def odd(f, rows):
    """A length that is no multiple of the chunk: Transformers fails in a reshape, the function has to pad."""
    ids = f.ids(1, 6)
    padded = {"input_ids": np.concatenate([ids, [[1, 1]]], 1), "attention_mask": [[1, 1, 1, 1, 1, 1, 0, 0]]}
    expect, _ = f.expectation("odd", padded, (None, None), ["last_hidden_state"], 1e-4, None)
    entry = {
        "call": {"input_ids": ids},
        "expect": {"last_hidden_state": expect["last_hidden_state"][:, :6]},
        "atol": 1e-4,
        "note": "Transformers cannot run 6 positions in chunks of 4; these are the first 6 of 8, the last two masked",
    }
    f.add("odd-length", rows, entry)


def decoders():
    for name, rows, changes in (
        ("", "", {}),
        ("-laplace", "MG-15 MG-40", dict(attention_activation="laplace")),
        (
            "-relu2-simple",
            "MG-16 MG-22 MG-40",
            dict(attention_activation="relu2", relative_positional_bias="simple"),
        ),
        ("-simple", "MG-22", dict(relative_positional_bias="simple", normalization_type="layernorm")),
        ("-norm-after", "MG-07 MG-19", dict(normalize_before_mega=False, normalize_before_ffn=False)),
        ("-no-dense", "MG-25", dict(add_lm_hidden_dense_layer=False)),
        ("-types", "MG-21 MG-47", dict(add_token_type_embeddings=True)),
    ):
        f = folder(f"mega-causal-lm{name}", T.MegaForCausalLM, small(**DECODER, **changes))
        call = f.tokens(2, 6)
        if "types" in name:
            call["token_type_ids"] = f.types(2, 6)
        f.case("logits", f"MG-45 MG-24 {rows}", {**call, "use_cache": False})
        f.case(
            "logits-cache",
            f"MG-24 MG-38 {rows}",
            {**call, "use_cache": True},
            like="logits",
            keep=["logits", "past"],
        )
        pads = {**f.tokens(2, 6, mask=like.RIGHT), "attention_mask": like.RIGHT, "use_cache": False}
        f.case("padded-right", f"MG-28 MG-47 {rows}", {**pads, "output_attentions": True}, valid=like.RIGHT)
        full = "logits" if "laplace" not in name and "relu2" not in name else None
        note = (
            None
            if full
            else "a step divides by 1, a whole pass by the number of tokens seen: they differ, as in Transformers"
        )
        rows = f"MG-37 MG-38 {rows} " + ("MG-39" if full else "MG-40")
        f.steps(
            "steps-of-one",
            rows,
            [like.next_tokens(f, call, i, i + 1) for i in range(6)],
            full=full,
            note=note,
        )
        f.steps(
            "steps-after-prompt",
            rows,
            [like.next_tokens(f, call, a, b) for a, b in [(0, 4), (4, 5), (5, 6)]],
            full=full,
            note=note,
            keep=["logits"],
        )
    f = folder("mega-causal-lm-inputs", T.MegaForCausalLM, config(**DECODER))
    call = f.tokens(2, 6)
    labels = call["input_ids"].copy()
    labels[0, 2] = labels[1, 4] = -100
    f.case("loss", "MG-46 CM-16", {**call, "labels": labels}, keep=["loss"])
    f.case(
        "loss-cache-asked",
        "MG-46",
        {**call, "labels": labels, "use_cache": True},
        keep=["loss", "past"],
        note="labels turn the cache off",
    )
    f.case("loss-none", "CM-17", {**call, "labels": np.full((2, 6), -100)}, keep=["loss"], note=NO_LABEL)
    f.error(
        "label-too-large",
        "CM-15",
        {**call, "labels": np.where(labels == -100, 50, labels)},
        like.about_label(50),
    )
    f.case(
        "outputs",
        "MG-47 MG-41 MG-42",
        {**call, "attention_mask": like.RIGHT, "use_cache": False, **ALL},
        valid=like.RIGHT,
    )
    f.case("embeds", "MG-47 MG-34", {"inputs_embeds": f.embeds(2, 4), "use_cache": False})
    f.case("cache-declined", "MG-47 MG-24", {**call, "use_cache": False}, keep=["past"])
    mask = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 1, 1]])
    right = f.tokens(2, 6, mask=mask)
    f.steps(
        "steps-padded-right",
        "MG-37 MG-47",
        [like.next_tokens(f, right, a, b, mask) for a, b in [(0, 4), (4, 5), (5, 6)]],
        valid=[mask[:, :4], mask[:, 4:5], mask[:, 5:]],
        note="a step looks at the mask's last column only: the second prompt's pads are attended",
    )
    f.error_step("two-tokens", "MG-38", {"input_ids": [[5, 6, 7]]}, {"input_ids": [[8, 9]]}, "one token|2")
    f.error(
        "past-garbage",
        "MG-37",
        {"input_ids": [[5]], "past": "\\x00ff00ff"},
        "past",
        refused_by_transformers=False,
    )
    f = folder("mega-decoder", T.MegaModel, small(**DECODER))
    call = f.tokens(2, 5)
    f.case("plain", "MG-24 MG-03 MG-31", {**call, "use_cache": False, **ALL})
    f.steps(
        "steps",
        "MG-37 MG-39",
        [like.next_tokens(f, call, a, b) for a, b in [(0, 3), (3, 4), (4, 5)]],
        full="plain",
        field="last_hidden_state",
    )
    f = folder("mega-causal-lm-truncation", T.MegaForCausalLM, small(**DECODER, truncation=3))
    call = f.tokens(2, 8)
    f.case("whole", "MG-06 MG-24", {**call, "use_cache": False})
    f.case(
        "whole-cache",
        "MG-06 MG-24",
        {**call, "use_cache": True},
        keep=["logits"],
        unlike="whole",
        note="with a cache the average is a recurrence, which has no truncation",
    )
    f.case("loss", "MG-06 MG-46", {**call, "labels": call["input_ids"]}, keep=["loss"])
    f.steps(
        "steps",
        "MG-06",
        [like.next_tokens(f, call, a, b) for a, b in [(0, 5), (5, 6), (6, 7), (7, 8)]],
        full="whole-cache",
        keep=["logits"],
    )


def cross_attention():
    for name, changes in (
        ("", {}),
        ("-laplace", dict(attention_activation="laplace")),
        ("-relu2", dict(attention_activation="relu2")),
        ("-simple-after", dict(relative_positional_bias="simple", normalize_before_mega=False)),
    ):
        f = folder(
            f"mega-cross{name}", T.MegaForCausalLM, small(**DECODER, add_cross_attention=True, **changes)
        )
        call = f.tokens(2, 4)
        states = {"encoder_hidden_states": f.encoder_states(2, 6)}
        mask = {"encoder_attention_mask": np.array([[1] * 6, [1, 1, 0, 1, 0, 0]])}
        f.case("whole", "MG-35 MG-47", {**call, **states, "use_cache": False})
        f.case(
            "encoder-mask",
            "MG-35 MG-41 MG-47",
            {**call, **states, **mask, "use_cache": False, "output_attentions": True},
            unlike="whole",
        )
        longer = {**f.tokens(1, 7), "encoder_hidden_states": f.encoder_states(1, 3)}
        f.case("shorter-source", "MG-35", {**longer, "use_cache": False})
        steps = [{**like.next_tokens(f, call, i, i + 1), **states, **mask} for i in range(4)]
        note = "a step takes the bias row one beyond its position: the numbers are not those of a whole pass"
        f.steps("steps-of-one", "MG-37 MG-40", steps, keep=["logits"], note=note)
        prompt = [{**like.next_tokens(f, call, a, b), **states} for a, b in [(0, 2), (2, 3), (3, 4)]]
        f.steps("steps-after-prompt", "MG-37 MG-40", prompt, keep=["logits"], note=note)
        if not name:
            f.error("no-encoder-states", "MG-36", call, "encoder_hidden_states")
            f.case("loss", "MG-46 MG-35", {**call, **states, "labels": call["input_ids"]}, keep=["loss"])
    f = folder("mega-cross-model", T.MegaModel, small(**DECODER, add_cross_attention=True))
    call = {**f.tokens(2, 4), "encoder_hidden_states": f.encoder_states(2, 3), "use_cache": False}
    f.case("outputs", "MG-35 MG-41 MG-42", {**call, **ALL})
    f.error("no-encoder-states", "MG-36", f.tokens(1, 3), "encoder_hidden_states")


def heads():
    f = folder("mega-masked-lm", T.MegaForMaskedLM, config())
    r = Rows(logits="MG-50 MG-52", loss="MG-51 MG-53 CM-16", loss_none="CM-17", label_error="CM-15")
    like.masked_lm(f, r)
    call = {**f.tokens(2, 6, mask=like.RIGHT), "attention_mask": like.RIGHT, "labels": f.ids(2, 6)}
    f.case("all-inputs", "MG-50 MG-51 MG-52", {**call, **ALL}, valid=like.RIGHT)
    f.case("embeds", "MG-52 MG-34", {"inputs_embeds": f.embeds(2, 4)})
    states = {"encoder_hidden_states": f.encoder_states(1, 3)}
    f.case("encoder-states-unused", "MG-52", {**f.tokens(1, 4), **states}, note="no cross-attention: ignored")
    f = folder(
        "mega-masked-lm-no-dense",
        T.MegaForMaskedLM,
        small(add_lm_hidden_dense_layer=False, add_token_type_embeddings=True),
    )
    f.case("logits", "MG-25 MG-50 MG-52", {**f.tokens(2, 5), "token_type_ids": f.types(2, 5)})
    f = folder("mega-masked-lm-untied", T.MegaForMaskedLM, small(tie_word_embeddings=False))
    f.case("logits", "MG-50 CM-06", f.tokens(2, 5))

    f = folder("mega-sequence", T.MegaForSequenceClassification, config(num_labels=5))
    like.sequence_single(f, Rows(every="MG-57", loss="CM-16", label_error="CM-15"))
    call = {**f.tokens(2, 6, mask=like.RIGHT), "attention_mask": like.RIGHT, "labels": [4, 0]}
    f.case("all-inputs", "MG-57", {**call, **ALL}, valid=like.RIGHT)
    f.case("embeds", "MG-57 MG-34", {"inputs_embeds": f.embeds(2, 4)})
    multi = small(num_labels=4, problem_type="multi_label_classification")
    like.sequence_multi(
        folder("mega-sequence-multi", T.MegaForSequenceClassification, multi), Rows(every="MG-57")
    )
    like.sequence_regression(
        folder("mega-sequence-regression", T.MegaForSequenceClassification, small(num_labels=1)),
        Rows(every="MG-57"),
    )
    f = folder("mega-multiple-choice", T.MegaForMultipleChoice, config())
    call = like.choice_tokens(f, like.CHOICES)
    f.case("logits", "MG-57", call)
    f.case("loss", "MG-57", {**call, "labels": [0, 2], **ALL}, valid=like.CHOICES.reshape(6, 6))
    f.case("embeds", "MG-57 MG-34", {"inputs_embeds": f.embeds(1, 2, 4)})
    f = folder("mega-token", T.MegaForTokenClassification, config(num_labels=7))
    like.token_classification(f, Rows(every="MG-57", loss_none="CM-17", label_error="CM-15"))
    f.case("embeds", "MG-57 MG-34", {"inputs_embeds": f.embeds(2, 4)})
    f = folder("mega-question", T.MegaForQuestionAnswering, config())
    like.question_answering(f, Rows(every="MG-57", none="CM-17"))
    f.case("embeds", "MG-57 MG-34", {"inputs_embeds": f.embeds(2, 4), **ALL})


def refused():
    model = T.MegaModel
    for key, wrong, right in (
        ("vocab_size", 25, "24"),
        ("hidden_size", 14, "12"),
        ("num_hidden_layers", 2, "layers.1"),
        ("intermediate_size", 11, "10"),
        ("nffn_hidden_size", 19, "18"),
        ("shared_representation_size", 8, "6"),
        ("ema_projection_size", 4, "3"),
    ):
        folder(
            f"mega-wrong-{key.replace('_', '-')}", model, tiny(), edit={key: wrong}, import_error=right
        ).import_rows("MG-01")
    both = {"is_decoder": True}
    folder(
        "mega-bidirectional-decoder", T.MegaForCausalLM, tiny(), edit=both, import_error="bidirectional"
    ).import_rows("MG-29 MG-24")
    f = folder(
        "mega-masked-lm-as-causal",
        T.MegaForCausalLM,
        tiny(),
        stored_as=T.MegaForMaskedLM,
        edit={"architectures": ["MegaForCausalLM"], "is_decoder": True, "bidirectional": False},
        import_error="24.*12|12.*24|lm_head",
        note="the moving average has 24 rows, both directions, where the decoder wants 12: Transformers draws them anew",
    )
    f.import_rows("MG-48")
    f = folder(
        "mega-masked-lm-as-causal-forward",
        T.MegaForCausalLM,
        tiny(),
        stored_as=T.MegaForMaskedLM,
        options={
            "architecture": "MegaForCausalLM",
            "config": {"is_decoder": True, "bidirectional": False},
            "forward_ema": True,
        },
        reload=forward_half,
        note="config.json is the masked model's; the values are those of the forward rows with a zero bias",
    )
    f.import_rows("MG-48")
    call = f.tokens(2, 6)
    f.case("logits", "MG-48", {**call, "use_cache": False})
    f.steps(
        "steps",
        "MG-48 MG-39",
        [like.next_tokens(f, call, a, b) for a, b in [(0, 4), (4, 5), (5, 6)]],
        full="logits",
        keep=["logits"],
    )
    folder(
        "mega-causal-lm-no-half",
        T.MegaForCausalLM,
        tiny(**DECODER),
        options={"forward_ema": True},
        import_error="forward_ema",
        note="the checkpoint's moving average has one direction already",
    ).import_rows("MG-48")
    for key, value, rows in (
        ("relative_positional_bias", "absolute", "MG-22 MG-23"),
        ("normalization_type", "groupnorm", "MG-08"),
        ("attention_activation", "sparsemax", "MG-14"),
        ("activation", "gelu_11", "MG-13 CM-08"),
    ):
        folder(
            f"mega-unknown-{key.replace('_', '-')}", model, tiny(), edit={key: value}, import_error=value
        ).import_rows(rows)
    none = {"norm_affine": False, "normalization_type": "layernorm"}
    folder("mega-layernorm-no-affine", model, tiny(), edit=none, import_error="norm_affine").import_rows(
        "MG-12 MG-08"
    )
    crossed = {"add_cross_attention": True, "bidirectional": False}
    one = tiny(bidirectional=False)
    folder(
        "mega-cross-encoder", model, one, edit=crossed, import_error="add_cross_attention|is_decoder"
    ).import_rows("MG-35")


def make():
    base()
    options()
    chunks()
    decoders()
    cross_attention()
    heads()
    refused()
