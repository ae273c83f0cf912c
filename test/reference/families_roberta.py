"""Fixtures of RoBERTa-PreLayerNorm."""

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
    return T.RobertaPreLayerNormConfig(**{**SIZES, **changes})


def small(**changes):
    return T.RobertaPreLayerNormConfig(**{**SMALL, **changes})


def base():
    f = Folder("roberta-model", T.RobertaPreLayerNormModel, config())
    r = Rows(
        every="RP-35",
        plain="RP-02 RP-04",
        token_types="RP-06",
        padded="RP-05 CM-07",
        alone="RP-05 CM-07",
        fractional_mask="RP-05",
        mask_3d="RP-05",
        head_mask="RP-09",
        embeds="RP-10",
        positions="RP-07",
        outputs="RP-13 RP-14 RP-15 CM-11 CM-12",
        longest="RP-40",
        type="RP-06 CM-15",
        position="RP-07 RP-40",
        id="CM-15",
        both="CM-15",
        neither="CM-15",
    )
    like.base_inputs(f, r)
    like.base_errors(f, r, longest=22)
    ids = f.ids(2, 7)
    ids[0, 3] = 1
    ids[1, 0] = 1
    f.case(
        "pad-id-in-text",
        "RP-08",
        {"input_ids": ids},
        note="the pad id stands at position 1 and does not count, whatever the mask says",
    )
    f.case(
        "pad-id-in-text-mask",
        "RP-08",
        {"input_ids": ids, "attention_mask": np.ones_like(ids)},
        like="pad-id-in-text",
    )
    padded = f.ids(1, 24)
    padded[0, 20:] = 1
    mask = (padded != 1).astype(int)
    f.case(
        "longer-with-pads",
        "RP-40",
        {"input_ids": padded, "attention_mask": mask},
        valid=mask,
        note="24 columns, 20 tokens that count: pads take no position",
    )
    f.error("too-long-embeds", "RP-40", {"inputs_embeds": f.embeds(1, 23)}, "23.*22|22.*23")

    f = Folder(
        "roberta-pad-five",
        T.RobertaPreLayerNormModel,
        config(pad_token_id=5, hidden_act="gelu_new", layer_norm_eps=1e-5),
    )
    call = {**f.tokens(2, 6, mask=like.LEFT), "attention_mask": like.LEFT}
    f.case("padded", "RP-01 RP-08", call, valid=like.LEFT, note="positions begin at pad_token_id + 1 = 6")
    published = small(type_vocab_size=1, layer_norm_eps=1e-5, max_position_embeddings=18)
    f = Folder("roberta-one-type", T.RobertaPreLayerNormModel, published)
    call = f.tokens(1, 5)
    f.case("plain", "RP-01 RP-06", call)
    f.case("types-given", "RP-06", {**call, "token_type_ids": np.zeros((1, 5), int)}, like="plain")
    f.error("type-one", "RP-06", {**call, "token_type_ids": [[0, 0, 1, 0, 0]]}, "type.*1|1.*type")
    keys = {"model_type": "roberta-prelayernorm", "architectures": ["RobertaPreLayerNormModel"], **SMALL}
    f = Folder(
        "roberta-minimal-config",
        T.RobertaPreLayerNormModel,
        small(),
        change=shrink(1e-4),
        minimal=keys,
        note="every key but the sizes takes its default",
    )
    f.case("plain", "RP-01", {"input_ids": [[3, 9, 1, 4]], "token_type_ids": [[0, 1, 1, 0]]})
    f = Folder("roberta-without-pooler", WithoutPooler, small())
    f.case("plain", "RP-35", f.tokens(1, 4))
    for kind in ("relative_key", "relative_key_query"):
        name = f"roberta-{kind.replace('_', '-')}"
        f = Folder(
            name,
            T.RobertaPreLayerNormModel,
            config(position_embedding_type=kind, hidden_size=18, num_attention_heads=3),
        )
        call = {**f.tokens(2, 6, mask=like.RIGHT), "attention_mask": like.RIGHT}
        f.case("plain", "RP-38", {**call, "output_attentions": True}, valid=like.RIGHT)


class WithoutPooler(T.RobertaPreLayerNormModel):
    def __init__(self, config):
        super().__init__(config, add_pooling_layer=False)


WithoutPooler.__name__ = "RobertaPreLayerNormModel"


def language_models():
    f = Folder("roberta-masked-lm", T.RobertaPreLayerNormForMaskedLM, config(hidden_act="relu"))
    like.masked_lm(f, Rows(every="RP-36", loss="CM-16", loss_none="CM-17", label_error="CM-15"))
    f.cases[0]["note"] = "the head has exact gelu whatever hidden_act says, here relu"
    like.head_inputs(f, Rows(every="RP-36"), labels={"labels": f.ids(2, 6)})
    f = Folder("roberta-masked-lm-untied", T.RobertaPreLayerNormForMaskedLM, small(tie_word_embeddings=False))
    f.case("logits", "RP-36 CM-06", f.tokens(2, 5))
    f = Folder("roberta-causal-lm", T.RobertaPreLayerNormForCausalLM, config(is_decoder=True))
    like.causal_lm(f, Rows(every="RP-37", loss="CM-16", loss_none="CM-17"))
    like.head_inputs(f, Rows(every="RP-37"), labels={"labels": f.ids(2, 6)})
    f = Folder(
        "roberta-causal-lm-cross",
        T.RobertaPreLayerNormForCausalLM,
        config(is_decoder=True, add_cross_attention=True),
    )
    like.cross_attention(f, Rows(every="RP-37"))
    f = Folder(
        "roberta-causal-lm-relative",
        T.RobertaPreLayerNormForCausalLM,
        config(is_decoder=True, position_embedding_type="relative_key_query"),
    )
    call = f.tokens(2, 6)
    f.case("logits", "RP-37 RP-38", {**call, "use_cache": False})
    f.steps(
        "steps",
        "RP-37 RP-38",
        [like.next_tokens(f, call, a, b) for a, b in [(0, 4), (4, 5), (5, 6)]],
        full="logits",
        keep=["logits"],
    )


def heads():
    f = Folder("roberta-sequence", T.RobertaPreLayerNormForSequenceClassification, config(num_labels=5))
    r = Rows(
        logits="RP-03 RP-04",
        loss="RP-12 CM-16",
        loss_one="RP-16 RP-12",
        padded="RP-05",
        all_inputs="RP-03 RP-05 RP-06 RP-07 RP-09 RP-13 RP-14 RP-29",
        embeds="RP-10 RP-09",
        label_error="CM-15",
    )
    like.sequence_single(f, r)
    like.head_inputs(f, r, labels={"labels": [4, 0]})
    multi = config(num_labels=4, problem_type="multi_label_classification")
    like.sequence_multi(
        Folder("roberta-sequence-multi", T.RobertaPreLayerNormForSequenceClassification, multi),
        Rows(logits="RP-03", loss="RP-17 CM-16"),
    )
    one = small(num_labels=1)
    like.sequence_regression(
        Folder("roberta-sequence-regression", T.RobertaPreLayerNormForSequenceClassification, one),
        Rows(logits="RP-03", loss="RP-11 CM-16"),
    )
    f = Folder("roberta-multiple-choice", T.RobertaPreLayerNormForMultipleChoice, config())
    r = Rows(
        logits="RP-18 RP-19",
        loss="RP-20",
        two_choices="RP-21 RP-20",
        all_inputs="RP-19 RP-29",
        embeds="RP-19",
        label_error="CM-15",
    )
    like.multiple_choice(f, r)
    f = Folder("roberta-token", T.RobertaPreLayerNormForTokenClassification, config(num_labels=7))
    like.token_classification(
        f, Rows(logits="RP-22", loss="RP-23", loss_of_argmax="RP-24", loss_none="CM-17", label_error="CM-15")
    )
    like.head_inputs(
        f, Rows(all_inputs="RP-22 RP-23 RP-29", embeds="RP-10"), labels={"labels": f.integers(0, 7, 2, 6)}
    )
    f = Folder("roberta-question", T.RobertaPreLayerNormForQuestionAnswering, config())
    like.question_answering(f, Rows(logits="RP-25", loss="RP-26 RP-28", outside="RP-26", none="CM-17"))
    like.head_inputs(
        f,
        Rows(all_inputs="RP-25 RP-26 RP-29", embeds="RP-10"),
        labels={"start_positions": [1, 3], "end_positions": [2, 3]},
    )
    three = small(num_labels=3)
    f = Folder(
        "roberta-question-three-labels",
        T.RobertaPreLayerNormForQuestionAnswering,
        three,
        import_error="num_labels|labels.*3|3.*labels",
    )
    f.import_rows("RP-27")
    f = Folder(
        "roberta-pruned",
        T.RobertaPreLayerNormModel,
        small(),
        edit={"pruned_heads": {"0": [0]}},
        import_error="prune",
    )
    f.import_rows("RP-39")


def make():
    base()
    language_models()
    heads()
