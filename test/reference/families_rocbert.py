"""Fixtures of RoCBert."""

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
    intermediate_size=28,
    max_position_embeddings=24,
    shape_vocab_size=29,
    shape_embed_dim=10,
    pronunciation_vocab_size=23,
    pronunciation_embed_dim=14,
)
SMALL = dict(
    vocab_size=20,
    hidden_size=12,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=18,
    max_position_embeddings=16,
    shape_vocab_size=11,
    shape_embed_dim=6,
    pronunciation_vocab_size=9,
    pronunciation_embed_dim=5,
)
EQUAL = dict(shape_embed_dim=12, pronunciation_embed_dim=12, concat_input=False)


def config(**changes):
    return T.RoCBertConfig(**{**SIZES, **changes})


def small(**changes):
    return T.RoCBertConfig(**{**SMALL, **changes})


def glyphs(f, shape):
    """The two further inputs of every token."""
    return {
        "input_shape_ids": f.integers(0, f.config.shape_vocab_size, *shape),
        "input_pronunciation_ids": f.integers(0, f.config.pronunciation_vocab_size, *shape),
    }


def folder(name, cls, config, **options):
    return Folder(name, cls, config, extra=glyphs, **options)


def missing(f, rows, call, averaged=False):
    """Shape, pronunciation or both not given."""
    ids = {"input_ids": call["input_ids"]}
    shape = {"input_shape_ids": call["input_shape_ids"]}
    sound = {"input_pronunciation_ids": call["input_pronunciation_ids"]}
    note = (
        "what is not given drops out of sum and divisor"
        if averaged
        else "what is not given counts as zeros: row 0 of its table"
    )
    f.case("neither", rows, ids, note=note)
    f.case("no-pronunciation", rows, {**ids, **shape}, unlike="neither")
    f.case("no-shape", rows, {**ids, **sound}, unlike="neither")
    zeros = {k: np.zeros_like(v) for k, v in {**shape, **sound}.items()}
    same = {"unlike" if averaged else "like": "neither"}
    f.case("zeros", rows, {**ids, **zeros}, **same)


def base():
    f = folder("rocbert-model", T.RoCBertModel, config())
    r = Rows(
        every="RB-28",
        plain="RB-02",
        padded="RB-10 CM-07",
        alone="RB-10 CM-07",
        fractional_mask="RB-10",
        mask_3d="RB-10",
        token_types="RB-11",
        positions="RB-12",
        head_mask="RB-13",
        embeds="RB-14",
        outputs="RB-15 RB-27 CM-11 CM-12",
        id="CM-15",
        type="CM-15",
        both="CM-15",
        neither="CM-15",
    )
    like.base_inputs(f, r)
    like.base_errors(f, r, longest=24)
    call = f.tokens(2, 5)
    missing(f, "RB-05", call)
    f.case("embeds-alone", "RB-05 RB-14", {"inputs_embeds": f.embeds(1, 4)})
    call = f.tokens(1, 3)
    f.error("shape-id-too-large", "RB-34", {**call, "input_shape_ids": [[0, 29, 1]]}, "shape.*29|29.*shape")
    f.error(
        "pronunciation-id-too-large",
        "RB-34",
        {**call, "input_pronunciation_ids": [[22, 23, 1]]},
        "pronunciation.*23|23.*pronunciation",
    )
    f.error("shape-id-negative", "RB-34", {**call, "input_shape_ids": [[0, -1, 1]]}, "shape.*-1|-1.*shape")
    f.error("shape-ids-too-short", "RB-08", {**call, "input_shape_ids": [[0, 1]]}, "input_shape_ids")
    f = folder("rocbert-without-pooler", WithoutPooler, small(hidden_act="relu", layer_norm_eps=1e-3))
    f.case("plain", "RB-28", f.tokens(1, 4))
    sizes = {"model_type": "roc_bert", "architectures": ["RoCBertModel"], **SMALL}
    f = folder(
        "rocbert-minimal-config",
        T.RoCBertModel,
        small(),
        change=shrink(1e-4),
        minimal=sizes,
        note="every key but the sizes takes its default",
    )
    f.case("plain", "RB-01", f.tokens(1, 4))


class WithoutPooler(T.RoCBertModel):
    def __init__(self, config):
        super().__init__(config, add_pooling_layer=False)


WithoutPooler.__name__ = "RoCBertModel"


def fusion():
    for name, changes in {
        "no-shape": dict(enable_shape=False),
        "no-pronunciation": dict(enable_pronunciation=False),
        "plain": dict(enable_shape=False, enable_pronunciation=False),
    }.items():
        f = folder(f"rocbert-concat-{name}", T.RoCBertModel, small(**changes))
        call = f.tokens(2, 4)
        f.case("plain", "RB-04 RB-02", call, note="ids of a part that is off have no effect")
        bare = {"input_ids": call["input_ids"]}
        f.case(
            "ids-alone",
            "RB-04 RB-05",
            bare,
            **({"like": "plain"} if name == "plain" else {"unlike": "plain"}),
        )
        f = folder(f"rocbert-average-{name}", T.RoCBertModel, small(**EQUAL, **changes))
        f.case("plain", "RB-03 RB-04", call)
        f.case("ids-alone", "RB-03 RB-05", bare)
    f = folder("rocbert-average", T.RoCBertModel, small(**EQUAL))
    call = f.tokens(2, 5)
    f.case("all", "RB-03", {**call, "token_type_ids": f.types(2, 5), "output_hidden_states": True})
    missing(f, "RB-03 RB-05", call, averaged=True)
    f.case(
        "embeds",
        "RB-03 RB-14",
        {"inputs_embeds": f.embeds(2, 5), **{k: v for k, v in call.items() if k != "input_ids"}},
    )
    f = folder(
        "rocbert-average-wrong-width",
        T.RoCBertModel,
        small(concat_input=False),
        import_error="shape_embed_dim|6.*12|12.*6",
    )
    f.import_rows("RB-03")
    for kind in ("relative_key", "relative_key_query"):
        f = folder(
            f"rocbert-{kind.replace('_', '-')}",
            T.RoCBertModel,
            config(position_embedding_type=kind, hidden_size=18, num_attention_heads=3),
        )
        call = {**f.tokens(2, 6, mask=like.RIGHT), "attention_mask": like.RIGHT}
        f.case("plain", "RB-33", {**call, "output_attentions": True}, valid=like.RIGHT)
    f = folder(
        "rocbert-average-relative", T.RoCBertModel, small(**EQUAL, position_embedding_type="relative_key")
    )
    f.case("plain", "RB-33 RB-03", f.tokens(1, 5))


def language_models():
    f = folder("rocbert-masked-lm", T.RoCBertForMaskedLM, config(hidden_act="gelu_new"))
    like.masked_lm(f, Rows(every="RB-30", loss="CM-16", loss_none="CM-17", label_error="CM-15"))
    like.head_inputs(f, Rows(every="RB-30"), labels={"labels": f.ids(2, 6)})
    f = folder("rocbert-causal-lm", T.RoCBertForCausalLM, config(is_decoder=True))
    like.causal_lm(f, Rows(every="RB-31", loss="CM-16", loss_none="CM-17"))
    like.head_inputs(f, Rows(every="RB-31"), labels={"labels": f.ids(2, 6)})
    f = folder(
        "rocbert-causal-lm-cross", T.RoCBertForCausalLM, config(is_decoder=True, add_cross_attention=True)
    )
    like.cross_attention(f, Rows(every="RB-31"))


def pre_training():
    f = folder("rocbert-pre-training", T.RoCBertForPreTraining, config())
    call = {**f.tokens(3, 6), "attention_mask": like.RIGHT_3[:, :6], "token_type_ids": f.types(3, 6)}
    f.case("logits", "RB-32", call, valid=like.RIGHT_3[:, :6])
    labels = np.where(f.integers(0, 3, 3, 6) > 0, call["input_ids"], -100)
    f.case(
        "loss-labels",
        "RB-32 CM-16",
        {**call, "labels_input_ids": labels},
        keep=["loss"],
        note="without an attack only the masked language model's loss",
    )

    def side(name, **given):
        inputs = {f"{name}_{k}": v for k, v in glyphs(f, (3, 6)).items()}
        mask = np.array([[1] * 6, [1] * 5 + [0], [1] * 3 + [0] * 3])
        return {**inputs, f"{name}_attention_mask": mask, f"{name}_token_type_ids": f.types(3, 6), **given}

    attack = {"attack_input_ids": f.ids(3, 6)}
    f.case(
        "loss-attack-ids",
        "RB-32",
        {**call, "labels_input_ids": labels, **attack},
        keep=["loss"],
        unlike="loss-labels",
    )
    everything = {**call, **side("labels", labels_input_ids=labels), **side("attack", **attack)}
    f.case("loss-everything", "RB-32 CM-16", everything, keep=["loss"], unlike="loss-attack-ids")
    one = {k: v[:1] for k, v in everything.items()}
    f.case(
        "loss-batch-of-one",
        "RB-32",
        one,
        keep=["loss"],
        note="nothing to tell apart: the contrastive part is 0",
    )
    none = {**call, "attack_input_ids": f.ids(3, 6)}
    f.case("attack-without-labels", "RB-32", none, keep=["loss"], note="no labels, no loss")
    f.case("all-inputs", "RB-32", {**call, "head_mask": f.head_mask(2), **ALL}, valid=like.RIGHT_3[:, :6])


def heads():
    f = folder("rocbert-sequence", T.RoCBertForSequenceClassification, config(num_labels=5))
    r = Rows(every="RB-29", loss="CM-16", label_error="CM-15")
    like.sequence_single(f, r)
    like.head_inputs(f, r, labels={"labels": [4, 0]})
    multi = config(num_labels=4, problem_type="multi_label_classification")
    like.sequence_multi(
        folder("rocbert-sequence-multi", T.RoCBertForSequenceClassification, multi), Rows(every="RB-29")
    )
    like.sequence_regression(
        folder("rocbert-sequence-regression", T.RoCBertForSequenceClassification, small(num_labels=1)),
        Rows(every="RB-29"),
    )
    f = folder("rocbert-multiple-choice", T.RoCBertForMultipleChoice, config())
    r = Rows(
        logits="RB-06 RB-07 RB-08 RB-09",
        loss="RB-16 RB-27",
        two_choices="RB-17 RB-16",
        no_mask="RB-10",
        all_inputs="RB-06 RB-10 RB-11 RB-12 RB-13 RB-15 RB-27",
        embeds="RB-14",
        label_error="CM-15",
    )
    like.multiple_choice(f, r)
    f = folder("rocbert-token", T.RoCBertForTokenClassification, config(num_labels=43))
    like.token_classification(
        f,
        Rows(
            logits="RB-18 RB-10", loss="RB-19", loss_of_argmax="RB-20", loss_none="CM-17", label_error="CM-15"
        ),
    )
    r = Rows(all_inputs="RB-18 RB-11 RB-12 RB-13 RB-15 RB-27", embeds="RB-14")
    like.head_inputs(f, r, labels={"labels": f.integers(0, 43, 2, 6)})
    f = folder("rocbert-question", T.RoCBertForQuestionAnswering, config())
    like.question_answering(f, Rows(logits="RB-21 RB-10", loss="RB-22 RB-23", outside="RB-22", none="CM-17"))
    r = Rows(all_inputs="RB-21 RB-11 RB-12 RB-13 RB-15 RB-27", embeds="RB-14")
    like.head_inputs(f, r, labels={"start_positions": [1, 3], "end_positions": [2, 3]})
    three = small(num_labels=3)
    f = folder(
        "rocbert-question-three-labels",
        T.RoCBertForQuestionAnswering,
        three,
        import_error="num_labels|labels.*3|3.*labels",
    )
    f.import_rows("RB-35")


def make():
    base()
    fusion()
    language_models()
    pre_training()
    heads()
