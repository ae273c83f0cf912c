"""Fixtures of OPT."""

import numpy as np
import transformers as T

import families_bertlike as like
from families_bertlike import ALL, Rows
from families_common import Folder, shrink

SIZES = dict(
    vocab_size=50,
    hidden_size=20,
    num_hidden_layers=2,
    num_attention_heads=4,
    ffn_dim=28,
    max_position_embeddings=20,
)
SMALL = dict(
    vocab_size=20,
    hidden_size=12,
    num_hidden_layers=2,
    num_attention_heads=2,
    ffn_dim=18,
    max_position_embeddings=16,
)
GAPS = np.array([[1, 1, 0, 1, 0, 1], [0, 1, 1, 0, 0, 1]])


def config(**changes):
    return T.OPTConfig(**{**SIZES, **changes})


def small(**changes):
    return T.OPTConfig(**{**SMALL, **changes})


def tiny(**changes):
    return small(num_hidden_layers=1, **changes)


def base():
    f = Folder("opt-model", T.OPTModel, config())
    mask = like.MASK
    call = f.tokens(3, 7, mask=mask)
    f.case("plain", "OP-08 OP-38 OP-19 OP-30", {**call, "use_cache": False})
    masked = {**call, "attention_mask": mask, "use_cache": False}
    f.case("padded", "OP-09 CM-07", masked, valid=mask, unlike="plain")
    for row, (first, last) in enumerate([(0, 7), (0, 4), (2, 7)]):
        alone = f.case(
            f"alone-{row}", "OP-09 OP-33 CM-07", {"input_ids": call["input_ids"][row : row + 1, first:last]}
        )
        kept = f.results["padded"]["last_hidden_state"][row, first:last]
        assert np.abs(kept - alone["last_hidden_state"][0]).max() < 1e-6
    f.case(
        "mask-gaps",
        "OP-09",
        {**f.tokens(2, 6), "attention_mask": GAPS},
        valid=GAPS,
        note="positions count the tokens that the mask keeps",
    )
    f.case("outputs", "OP-15 OP-16 OP-17 CM-11 CM-12", {**masked, **ALL}, valid=mask)
    heads = f.head_mask(2)
    f.case("head-mask", "OP-11", {**masked, "head_mask": heads, "output_attentions": True}, valid=mask)
    f.error("head-mask-1d", "OP-11", {**f.tokens(1, 4), "head_mask": [1.0, 0.5, 1.0, 1.0]}, "head_mask")
    embeds = {"inputs_embeds": f.embeds(2, 6)}
    f.case("embeds", "OP-14", embeds)
    f.case("embeds-padded", "OP-14 OP-09", {**embeds, "attention_mask": like.LEFT}, valid=like.LEFT)
    f.case("one-token", "OP-08", f.tokens(2, 1))
    f.case("flat", "OP-08", {"input_ids": f.ids(5)}, note="one dimension is a batch of one")
    f.case("cache-asked", "OP-13 OP-18", {**f.tokens(1, 3), "use_cache": True}, keep=["past"])
    f.case("cache-declined", "OP-13", {**f.tokens(1, 3), "use_cache": False}, keep=["past"])
    call = f.tokens(2, 7)
    f.case("whole", "OP-12", {**call, "use_cache": False})
    cuts = [(0, 3), (3, 4), (4, 7)]
    f.steps(
        "steps",
        "OP-12 OP-18",
        [like.next_tokens(f, call, a, b) for a, b in cuts],
        full="whole",
        field="last_hidden_state",
    )
    both = {"use_cache": False}
    f.error(
        "ids-and-embeds",
        "OP-14 CM-15",
        {**f.tokens(1, 3), "inputs_embeds": f.embeds(1, 3), **both},
        "input_ids.*inputs_embeds|inputs_embeds.*input_ids",
    )
    f.error(
        "neither-ids-nor-embeds",
        "OP-14 CM-15",
        {"attention_mask": [[1, 1]]},
        "input_ids.*inputs_embeds|inputs_embeds.*input_ids",
    )
    f.error("id-too-large", "CM-15", {"input_ids": [[5, 50, 7]]}, "50")
    f.error("id-negative", "CM-15", {"input_ids": [[5, -1, 7]]}, "-1")
    f.error(
        "mask-wrong-length",
        "OP-10",
        {"input_ids": [[5, 6, 7]], "attention_mask": [[1, 1]]},
        "attention_mask|2.*3|3.*2",
    )
    f.error_step(
        "mask-without-past",
        "OP-10",
        {"input_ids": [[5, 6, 7]]},
        {"input_ids": [[8]], "attention_mask": [[1]]},
        "attention_mask|1.*4|4.*1",
    )
    f.error("token-types", "", {"input_ids": [[5, 6]], "token_type_ids": [[0, 0]]}, "token_type_ids")
    f.error(
        "past-garbage",
        "OP-12",
        {"input_ids": [[5]], "past": "\\x00ff00ff"},
        "past",
        refused_by_transformers=False,
    )
    f.case("longest", "OP-06", f.tokens(1, 20))
    f.error("too-long", "OP-06", f.tokens(1, 21), "21.*20|20.*21")
    long = np.ones((1, 24), int)
    long[0, :4] = 0
    f.case(
        "longer-with-pads",
        "OP-06 OP-09",
        {**f.tokens(1, 24, mask=long), "attention_mask": long},
        valid=long,
        note="24 columns, 20 tokens that count",
    )
    f.error_step("too-long-with-past", "OP-06", f.tokens(1, 20), {"input_ids": [[7]]}, "21.*20|20.*21")


def variants():
    text = {"input_ids": [[2, 9, 17, 5, 12, 12, 4]]}
    for name, rows, changes in (
        ("post-norm", "OP-02", dict(do_layer_norm_before=False)),
        (
            "post-norm-projection",
            "OP-02 OP-03 OP-19",
            dict(do_layer_norm_before=False, word_embed_proj_dim=8),
        ),
        ("projection", "OP-03 OP-16", dict(word_embed_proj_dim=10)),
        ("no-final-norm", "OP-04", dict(_remove_final_layer_norm=True)),
        ("no-bias", "OP-04", dict(enable_bias=False)),
        ("no-affine", "OP-04", dict(layer_norm_elementwise_affine=False)),
        (
            "post-norm-no-affine-no-bias",
            "OP-04 OP-02",
            dict(do_layer_norm_before=False, enable_bias=False, layer_norm_elementwise_affine=False),
        ),
        ("gelu", "OP-05", dict(activation_function="gelu")),
        ("relu", "OP-05", dict(activation_function="relu")),
        ("gelu-new", "OP-05", dict(activation_function="gelu_new")),
        ("selu", "OP-05 CM-08", dict(activation_function="selu")),
    ):
        f = Folder(f"opt-{name}", T.OPTModel, tiny(**changes))
        note = None
        if "word_embed_proj_dim" in changes:
            note = "the last entry of HF's hidden_states has the embeddings' width; it is last_hidden_state"
        f.case("plain", rows, {**text, "output_hidden_states": True}, note=note)
        if "word_embed_proj_dim" in changes:
            f.case("embeds", "OP-03 OP-14", {"inputs_embeds": f.embeds(1, 4)})
            f.error("embeds-wrong-width", "OP-14", {"inputs_embeds": f.floats(1, 4, 12)}, "12")
        lm = Folder(f"opt-lm-{name}", T.OPTForCausalLM, tiny(**changes))
        lm.case("logits", rows + " OP-38", {**text, "use_cache": False})
    keys = {"model_type": "opt", "architectures": ["OPTForCausalLM"], **SMALL, "num_hidden_layers": 1}
    f = Folder(
        "opt-minimal-config",
        T.OPTForCausalLM,
        tiny(),
        change=shrink(4e-3),
        minimal=keys,
        note="every key but the sizes takes its default",
    )
    f.case("logits", "OP-01", {**text, "use_cache": False})
    ignored = dict(dropout=0.8, attention_dropout=0.5, layerdrop=0.9, init_std=4.0)
    f = Folder("opt-dropout", T.OPTModel, tiny(**ignored), weights="opt-relu")
    other = Folder("opt-no-dropout", T.OPTModel, tiny(), weights="opt-relu")
    assert (
        f.case("plain", "CM-10", text)["last_hidden_state"]
        == other.case("plain", "CM-10", text)["last_hidden_state"]
    ).all()
    Folder("opt-wrong-ffn", T.OPTModel, tiny(), edit={"ffn_dim": 20}, import_error="18").import_rows("OP-01")
    Folder(
        "opt-wrong-heads", T.OPTModel, tiny(), edit={"num_attention_heads": 5}, import_error="12.*5|5.*12"
    ).import_rows("OP-01")
    Folder(
        "opt-wrong-positions", T.OPTModel, tiny(), edit={"max_position_embeddings": 18}, import_error="18|20"
    ).import_rows("OP-06")
    Folder(
        "opt-pruned", T.OPTModel, tiny(), edit={"pruned_heads": {"0": [0]}}, import_error="prune"
    ).import_rows("OP-34")
    Folder(
        "opt-unknown-activation",
        T.OPTModel,
        tiny(),
        edit={"activation_function": "gelu_11"},
        import_error="gelu_11",
    ).import_rows("OP-05 CM-08")


def without_prefix(folder, model):
    """The names of the first published files: decoder.layers... without model. in front."""
    from safetensors.torch import save_file

    state = {
        k.removeprefix("model."): v.contiguous()
        for k, v in model.state_dict().items()
        if k != "lm_head.weight"
    }
    save_file(state, folder.path / "model.safetensors", metadata={"format": "pt"})


def causal_lm():
    f = Folder("opt-causal-lm", T.OPTForCausalLM, config())
    call = f.tokens(2, 6)
    f.case("logits", "OP-38 OP-24", {**call, "use_cache": False})
    labels = call["input_ids"].copy()
    labels[0, 3] = labels[1, 5] = -100
    f.case("loss", "OP-22 CM-16", {**call, "labels": labels, "use_cache": False}, keep=["loss"])
    pads = {**f.tokens(2, 6, mask=like.RIGHT), "attention_mask": like.RIGHT, "use_cache": False}
    f.case(
        "loss-pads-count",
        "OP-22",
        {**pads, "labels": pads["input_ids"]},
        keep=["loss"],
        note="pads count unless labelled -100",
    )
    kept = np.where(like.RIGHT == 1, pads["input_ids"], -100)
    f.case("padded-right", "OP-23 OP-09", {**pads, "labels": kept, **ALL}, valid=like.RIGHT)
    f.case("loss-none", "CM-17", {**call, "labels": np.full((2, 6), -100)}, keep=["loss"], note=like.NO_LABEL)
    left = {**f.tokens(2, 6, mask=like.LEFT), "attention_mask": like.LEFT}
    f.case("padded-left", "OP-23 OP-09", {**left, "use_cache": False}, valid=like.LEFT)
    f.case("head-mask", "OP-23 OP-11", {**call, "head_mask": f.head_mask(2), "use_cache": False})
    f.case("embeds", "OP-23 OP-14", {"inputs_embeds": f.embeds(2, 4), "use_cache": False})
    f.case("cache-asked", "OP-23 OP-13", {**call, "use_cache": True}, keep=["past"])
    f.case("cache-declined", "OP-23 OP-13", {**call, "use_cache": False}, keep=["past"])
    f.steps(
        "steps-of-one",
        "OP-23 OP-12",
        [like.next_tokens(f, call, i, i + 1) for i in range(6)],
        full="logits",
        keep=["logits"],
    )
    f.steps(
        "steps-after-prompt",
        "OP-23 OP-12",
        [like.next_tokens(f, call, a, b) for a, b in [(0, 3), (3, 4), (4, 6)]],
        full="logits",
    )
    mask, cuts = like.LEFT, [(0, 4), (4, 5), (5, 6)]
    f.steps(
        "steps-padded-left",
        "OP-23 OP-12 OP-09",
        [like.next_tokens(f, left, a, b, mask) for a, b in cuts],
        valid=[mask[:, a:b] for a, b in cuts],
        full=None,
    )
    mask = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 1, 1]])
    right = f.tokens(2, 6, mask=mask)
    f.steps(
        "steps-padded-right",
        "OP-23 OP-12 OP-09",
        [like.next_tokens(f, right, a, b, mask) for a, b in cuts],
        valid=[mask[:, a:b] for a, b in cuts],
        note="the second prompt is shorter: its new tokens follow a pad, their positions do not",
    )
    f.error(
        "label-too-large",
        "CM-15",
        {**call, "labels": np.where(labels == -100, 50, labels)},
        like.about_label(50),
    )

    text = {"input_ids": [[2, 9, 17, 5, 12, 12, 4]], "use_cache": False}
    f = Folder("opt-causal-lm-untied", T.OPTForCausalLM, small(tie_word_embeddings=False))
    f.case("logits", "CM-06 OP-38", text)
    f = Folder(
        "opt-causal-lm-projection", T.OPTForCausalLM, small(word_embed_proj_dim=8, do_layer_norm_before=False)
    )
    f.case(
        "hidden-states",
        "OP-03 OP-16",
        {**text, "output_hidden_states": True},
        note="hidden_states without its narrower last entry, which is last_hidden_state",
    )
    bare = Folder(
        "opt-without-prefix",
        T.OPTForCausalLM,
        small(),
        weights="opt-prefix",
        write=without_prefix,
        reload=lambda path: loaded_without_prefix(path),
    )
    full = Folder("opt-with-prefix", T.OPTForCausalLM, small(), weights="opt-prefix")
    assert (
        bare.case("logits", "CM-06 OP-38", text)["logits"]
        == full.case("logits", "CM-06 OP-38", text)["logits"]
    ).all()


def loaded_without_prefix(path):
    """Transformers' own loading finds no common prefix in such a file and leaves the head's base empty."""
    from safetensors.torch import load_file

    model = T.OPTForCausalLM(T.OPTConfig.from_pretrained(path))
    state = {"model." + name: value for name, value in load_file(path / "model.safetensors").items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert missing == ["lm_head.weight"] and not unexpected
    model.tie_weights()
    return model


def heads():
    f = Folder("opt-sequence", T.OPTForSequenceClassification, config(num_labels=4))
    call = {**f.tokens(2, 6, mask=like.RIGHT), "attention_mask": like.RIGHT}
    f.case(
        "padded-right",
        "OP-41",
        {**call, "labels": [0, 3]},
        note="read at the position before the first pad id",
    )
    left = {**f.tokens(2, 6, mask=like.LEFT), "attention_mask": like.LEFT}
    f.case("padded-left", "OP-41", left, note="the first pad id is at 0: the last position")
    f.case("no-pads", "OP-41", f.tokens(2, 6))
    ids = f.ids(2, 6)
    ids[0, 3] = 1
    f.case("pad-in-text", "OP-41", {"input_ids": ids}, note="a pad id inside the text cuts it")
    f.case("embeds", "OP-41", {"inputs_embeds": f.embeds(2, 5), "head_mask": f.head_mask(2)})
    f.case("outputs", "OP-41", {**call, **ALL}, valid=like.RIGHT)
    f.case("cache", "OP-41 OP-13", {**call, "use_cache": True})
    f.steps("steps", "OP-41 OP-12", [{"input_ids": f.ids(2, 4)}, {"input_ids": f.ids(2, 1)}], keep=["logits"])
    f = Folder(
        "opt-sequence-projection", T.OPTForSequenceClassification, small(num_labels=1, word_embed_proj_dim=8)
    )
    f.case("regression", "OP-41 OP-03 CM-16", {**f.tokens(2, 4), "labels": [0.5, -1.25]})
    f = Folder(
        "opt-sequence-multi",
        T.OPTForSequenceClassification,
        small(num_labels=3, problem_type="multi_label_classification"),
    )
    f.case("loss", "OP-41 CM-16", {**f.tokens(2, 4), "labels": [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]})
    f = Folder("opt-question", T.OPTForQuestionAnswering, config(num_labels=5))
    f.case("logits", "OP-41", f.tokens(2, 6), note="two columns whatever num_labels says")
    call = {**f.tokens(2, 6, mask=like.RIGHT), "attention_mask": like.RIGHT, "head_mask": f.head_mask(2)}
    f.case(
        "loss",
        "OP-41 CM-16",
        {**call, "start_positions": [1, 9], "end_positions": [3, 3], **ALL},
        valid=like.RIGHT,
    )
    f.case("embeds", "OP-41", {"inputs_embeds": f.embeds(2, 4)})


def make():
    base()
    variants()
    causal_lm()
    heads()
