"""Fixtures of RoFormer."""

import numpy as np
import transformers as T

import families_bertlike as like
from families_bertlike import ALL, Rows
from families_common import Folder, shrink

SIZES = dict(
    vocab_size=50,
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=28,
    max_position_embeddings=20,
)
SMALL = dict(
    vocab_size=20,
    hidden_size=12,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=18,
    max_position_embeddings=16,
)


def config(**changes):
    return T.RoFormerConfig(**{**SIZES, **changes})


def small(**changes):
    return T.RoFormerConfig(**{**SMALL, **changes})


def base():
    f = Folder("roformer-model", T.RoFormerModel, config())
    r = Rows(
        plain="RF-29 RF-10 RF-39",
        token_types="RF-34",
        padded="RF-33 CM-07",
        alone="RF-33 CM-07 RF-79",
        fractional_mask="RF-33",
        mask_3d="RF-33",
        head_mask="RF-35",
        embeds="RF-36",
        outputs="RF-37 RF-38 CM-11 CM-12",
        longest="RF-04",
        id="CM-15",
        type="CM-15",
        both="CM-15",
        neither="CM-15",
    )
    like.base_inputs(f, r, positions=False)
    like.base_errors(f, r, longest=20, positions=False)
    call = f.tokens(1, 4)
    f.error("position-ids", "RF-76", {**call, "position_ids": [[0, 1, 2, 3]]}, "position_ids")

    f = Folder(
        "roformer-projection",
        T.RoFormerModel,
        config(embedding_size=20, hidden_size=28, num_attention_heads=2),
    )
    call = f.tokens(2, 6)
    f.case("plain", "RF-02", {**call, "output_hidden_states": True})
    f.case(
        "embeds",
        "RF-02 RF-36",
        {"inputs_embeds": f.embeds(1, 4)},
        note="as wide as the embeddings, 20, not as the encoder, 28",
    )
    f.error("embeds-wrong-width", "RF-36", {"inputs_embeds": f.floats(1, 4, 28)}, "28.*20|20.*28")

    f = Folder("roformer-rotary-value", T.RoFormerModel, config(rotary_value=True), weights="roformer-model")
    call = {**f.tokens(2, 6, mask=like.LEFT), "attention_mask": like.LEFT, "token_type_ids": f.types(2, 6)}
    f.case(
        "plain",
        "RF-06 RF-33",
        {**call, "output_attentions": True},
        valid=like.LEFT,
        note="left padding moves the positions, and with them the values",
    )
    shifted = f.tokens(1, 4)
    f.case("alone", "RF-06", shifted)

    for name, head in (("odd-heads", 3), ("one-head", 1)):
        f = Folder(
            f"roformer-{name}",
            T.RoFormerModel,
            config(hidden_size=18 if head == 3 else 10, num_attention_heads=head),
        )
        f.case("plain", "RF-10", f.tokens(1, 8), keep=["last_hidden_state"])
    sizes = {**SMALL, "max_position_embeddings": 1536, "num_attention_heads": 3}
    f = Folder("roformer-long", T.RoFormerForSequenceClassification, T.RoFormerConfig(**sizes, num_labels=3))
    f.case("fifteen-hundred-tokens", "RF-11", f.tokens(1, 1500))
    f.case("limit", "RF-04 RF-11", f.tokens(1, 1536))

    keys = {"model_type": "roformer", "architectures": ["RoFormerModel"], **SMALL}
    f = Folder(
        "roformer-minimal-config",
        T.RoFormerModel,
        small(),
        change=shrink(1e-4),
        minimal=keys,
        note="every key but the sizes takes its default",
    )
    f.case("plain", "RF-09", {**f.tokens(2, 4), "token_type_ids": f.types(2, 4)})

    call = {"input_ids": [[3, 12, 7, 5, 19]]}
    for activation in ("gelu", "relu", "selu", "gelu_new"):
        name = f"roformer-act-{activation.replace('_', '-')}"
        f = Folder(
            name, T.RoFormerForSequenceClassification, small(hidden_act=activation), weights="roformer-act"
        )
        f.case("logits", "RF-03 CM-08", call, note="the activation is in the layers and in the head")
    results = []
    for eps in (1e-12, 0.25):
        f = Folder(
            f"roformer-eps-{eps:g}", T.RoFormerModel, small(layer_norm_eps=eps), weights="roformer-eps"
        )
        results.append(f.case("plain", "RF-05", call)["last_hidden_state"])
    assert np.abs(results[0] - results[1]).max() > 1e-2
    ignored = dict(
        hidden_dropout_prob=0.8, attention_probs_dropout_prob=0.6, initializer_range=0.5, pad_token_id=4
    )
    f = Folder(
        "roformer-ignored-keys",
        T.RoFormerModel,
        small(layer_norm_eps=1e-12, **ignored),
        weights="roformer-eps",
    )
    same = f.case("plain", "RF-08 CM-10", call, note="the numbers of roformer-eps-1e-12")["last_hidden_state"]
    assert (same == results[0]).all()


def without_sine_table(folder, model):
    """A checkpoint that leaves out what can be computed, as Flax files do."""
    from safetensors.torch import save_file

    state = {
        name: value.contiguous()
        for name, value in model.state_dict().items()
        if "embed_positions" not in name
    }
    save_file(state, folder.path / "model.safetensors", metadata={"format": "pt"})


def with_other_table(model):
    table = model.encoder.embed_positions.weight
    table.copy_(table.roll(3, 0))


def sine_table():
    given = Folder("roformer-sine-table", T.RoFormerModel, small(), weights="roformer-sine-table")
    call = {"input_ids": [[3, 12, 7, 5, 19]]}
    want = given.case("plain", "RF-10", call)["last_hidden_state"]
    f = Folder(
        "roformer-sine-table-absent",
        T.RoFormerModel,
        small(),
        weights="roformer-sine-table",
        write=without_sine_table,
        reload=lambda path: T.RoFormerModel.from_pretrained(path),
    )
    assert (
        f.case("plain", "RF-10 RF-70", call, note="the numbers of roformer-sine-table")["last_hidden_state"]
        == want
    ).all()
    f = Folder(
        "roformer-sine-table-other",
        T.RoFormerModel,
        small(),
        weights="roformer-sine-table",
        change=with_other_table,
    )
    other = f.case(
        "plain",
        "RF-10",
        {**call, "output_attentions": True},
        note="the stored table is used, here one whose rows are rotated by 3",
    )
    assert np.abs(other["last_hidden_state"] - want).max() > 1e-2


def decoders():
    f = Folder("roformer-decoder", T.RoFormerModel, config(is_decoder=True, rotary_value=True))
    like.causal_lm(
        f,
        Rows(every="RF-30", cache="RF-07", steps="RF-32", steps_padded="RF-32"),
        state="last_hidden_state",
    )
    f = Folder("roformer-decoder-cross", T.RoFormerModel, config(is_decoder=True, add_cross_attention=True))
    call = {**f.tokens(2, 6), "encoder_hidden_states": f.encoder_states(2, 4), "use_cache": False}
    f.case("encoder-states", "RF-31", call)
    mask = np.array([[1, 1, 0, 1], [0, 1, 1, 1]])
    f.case(
        "encoder-mask",
        "RF-31 RF-37",
        {**call, "encoder_attention_mask": mask, **ALL},
        unlike="encoder-states",
    )
    f = Folder("roformer-causal-lm", T.RoFormerForCausalLM, config(is_decoder=True, embedding_size=18))
    like.causal_lm(
        f,
        Rows(
            every="RF-40",
            logits="RF-44",
            loss="RF-41 CM-16",
            loss_none="CM-17",
            cache="RF-42 RF-07",
            steps="RF-42 RF-32",
            steps_padded="RF-42",
        ),
    )
    like.head_inputs(
        f,
        Rows(all_inputs="RF-40 RF-35 RF-34", embeds="RF-36"),
        positions=False,
        labels={"labels": f.ids(2, 6)},
    )
    f = Folder(
        "roformer-causal-lm-cross", T.RoFormerForCausalLM, config(is_decoder=True, add_cross_attention=True)
    )
    like.cross_attention(f, Rows(every="RF-42", states="RF-31", loss="RF-41"))
    f = Folder("roformer-causal-lm-no-cross", T.RoFormerForCausalLM, small(is_decoder=True))
    f.error(
        "encoder-states",
        "RF-31",
        {**f.tokens(1, 4), "encoder_hidden_states": f.encoder_states(1, 3)},
        "cross.?attention",
    )


def heads():
    f = Folder(
        "roformer-masked-lm", T.RoFormerForMaskedLM, config(hidden_act="gelu_new"), weights="roformer-masked"
    )
    like.masked_lm(
        f, Rows(logits="RF-45 RF-33", loss="RF-46 RF-47 CM-16", loss_none="CM-17", label_error="CM-15")
    )
    like.head_inputs(
        f,
        Rows(all_inputs="RF-45 RF-46 RF-37", embeds="RF-36"),
        positions=False,
        labels={"labels": f.ids(2, 6)},
    )
    f = Folder("roformer-masked-lm-projection", T.RoFormerForMaskedLM, config(embedding_size=16))
    f.case("logits", "RF-02 RF-45", f.tokens(2, 5))
    f = Folder("roformer-masked-lm-untied", T.RoFormerForMaskedLM, small(tie_word_embeddings=False))
    f.case("logits", "RF-45 CM-06", f.tokens(2, 5))

    single = Rows(logits="RF-48", loss="RF-49 CM-16", loss_one="RF-50", label_error="CM-15")
    f = Folder(
        "roformer-sequence", T.RoFormerForSequenceClassification, config(num_labels=5, hidden_act="relu")
    )
    like.sequence_single(f, single)
    like.head_inputs(
        f, Rows(all_inputs="RF-48 RF-49", embeds="RF-36"), positions=False, labels={"labels": [4, 0]}
    )
    multi = config(num_labels=4, problem_type="multi_label_classification")
    like.sequence_multi(
        Folder("roformer-sequence-multi", T.RoFormerForSequenceClassification, multi),
        Rows(logits="RF-48", loss="RF-49 RF-51"),
    )
    one = small(num_labels=1)
    like.sequence_regression(
        Folder("roformer-sequence-regression", T.RoFormerForSequenceClassification, one),
        Rows(logits="RF-48", loss="RF-49"),
    )

    f = Folder("roformer-multiple-choice", T.RoFormerForMultipleChoice, config())
    r = Rows(
        logits="RF-52",
        loss="RF-53",
        two_choices="RF-54 RF-52",
        no_mask="RF-52",
        all_inputs="RF-52",
        embeds="RF-36",
        label_error="CM-15",
    )
    like.multiple_choice(f, r, positions=False)
    f.cases[0][
        "note"
    ] = "the summary is the hidden state of the last position, a pad where the choice is shorter"
    summaries = {
        "first": dict(summary_type="first"),
        "mean": dict(summary_type="mean"),
        "cls-index": dict(summary_type="cls_index"),
        "projection": dict(summary_type="last", summary_use_proj=True),
        "activation": dict(summary_type="first", summary_use_proj=True, summary_activation="tanh"),
        "gelu": dict(summary_type="mean", summary_use_proj=False, summary_activation="gelu"),
        "labels": dict(summary_use_proj=True, summary_proj_to_labels=True, num_labels=12),
    }
    for name, changes in summaries.items():
        f = Folder(f"roformer-summary-{name}", T.RoFormerForMultipleChoice, small(**changes))
        f.case("logits", "RF-52", {**like.choice_tokens(f, like.CHOICES), "labels": [1, 2]})
    wrong = small(summary_use_proj=True, summary_proj_to_labels=True, num_labels=3)
    Folder(
        "roformer-summary-labels-wrong",
        T.RoFormerForMultipleChoice,
        wrong,
        import_error="12.*3|3.*12|summary",
    ).import_rows("RF-52")
    f = Folder("roformer-token", T.RoFormerForTokenClassification, config(num_labels=7))
    like.token_classification(
        f,
        Rows(
            logits="RF-55", loss="RF-55 CM-16", loss_of_argmax="RF-56", loss_none="CM-17", label_error="CM-15"
        ),
    )
    like.head_inputs(
        f,
        Rows(all_inputs="RF-55", embeds="RF-36"),
        positions=False,
        labels={"labels": f.integers(0, 7, 2, 6)},
    )
    f = Folder("roformer-question", T.RoFormerForQuestionAnswering, config())
    like.question_answering(f, Rows(logits="RF-57", loss="RF-58 RF-59 CM-16", outside="RF-58", none="CM-17"))
    at = {"start_positions": [1, 3], "end_positions": [2, 3]}
    like.head_inputs(f, Rows(all_inputs="RF-57 RF-58", embeds="RF-36"), positions=False, labels=at)
    f = Folder(
        "roformer-question-labels",
        T.RoFormerForQuestionAnswering,
        small(num_labels=5),
        note="num_labels of the config is overruled: the head has two columns",
    )
    f.case("logits", "RF-57", f.tokens(2, 4))


def refused():
    model = T.RoFormerModel
    wrong = {
        "vocab_size": 21,
        "hidden_size": 14,
        "num_hidden_layers": 2,
        "intermediate_size": 19,
        "type_vocab_size": 3,
    }
    patterns = {
        "vocab_size": "20",
        "hidden_size": "12|14",
        "num_hidden_layers": "layer.1",
        "intermediate_size": "18",
        "type_vocab_size": "2",
    }
    for key, value in wrong.items():
        f = Folder(
            f"roformer-wrong-{key.replace('_', '-')}",
            model,
            small(),
            edit={key: value},
            import_error=patterns[key],
        )
        f.import_rows("RF-01")
    Folder(
        "roformer-wrong-heads", model, small(), edit={"num_attention_heads": 5}, import_error="12.*5|5.*12"
    ).import_rows("RF-01")
    note = "a head of three numbers cannot be rotated in pairs"
    Folder(
        "roformer-odd-head-size",
        model,
        small(),
        edit={"num_attention_heads": 4},
        import_error="3|even",
        note=note,
    ).import_rows("RF-01 RF-10")
    Folder(
        "roformer-pruned", model, small(), edit={"pruned_heads": {"0": [1]}}, import_error="prune"
    ).import_rows("RF-80")


def make():
    base()
    sine_table()
    decoders()
    heads()
    refused()
