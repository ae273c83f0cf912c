"""Fixtures of BERT: every class, every input, every activation."""

import numpy as np
import transformers as T
from transformers.activations import ACT2FN

import families_bertlike as like
from families_bertlike import ALL, Rows
from families_common import DELETE, Folder, shrink

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

ACTIVATIONS = (
    "gelu gelu_python gelu_new gelu_accurate gelu_pytorch_tanh gelu_fast gelu_10 quick_gelu relu relu2 relu6"
    " leaky_relu silu swish mish sigmoid tanh linear laplace selu"
).split()


def config(**changes):
    return T.BertConfig(**{**SIZES, **changes})


def base():
    f = Folder("bert-model", T.BertModel, config())
    r = Rows(
        plain="CM-13",
        padded="CM-07",
        alone="CM-07",
        outputs="CM-11 CM-12 CM-13",
        flat="",
        head_mask="CM-12",
        id="CM-15",
        type="CM-15",
        both="CM-15",
        neither="CM-15",
    )
    like.base_inputs(f, r)
    call = f.tokens(2, 5)
    f.case(
        "encoder-states-unused",
        "",
        {**call, "encoder_hidden_states": f.encoder_states(2, 3)},
        note="not a decoder: ignored",
    )
    like.base_errors(f, r, longest=24)
    f.error("foreign-input", "", {**f.tokens(1, 4), "input_shape_ids": [[1, 1, 1, 1]]}, "input_shape_ids")
    f.error("embeds-wrong-width", "", {"inputs_embeds": f.floats(1, 3, 21)}, "2[01].*2[01]")
    f.error(
        "head-mask-wrong-size", "", {**f.tokens(1, 4), "head_mask": [1.0, 0.5, 1.0]}, "head_mask|3.*4|4.*3"
    )
    Folder(
        "bert-model-without-pooler", BertWithoutPooler, config(hidden_size=28, num_attention_heads=2)
    ).case("plain", "CM-13", {"input_ids": [[5, 9, 2, 40, 7]]})
    f = Folder(
        "bert-model-other-sizes",
        T.BertModel,
        config(
            hidden_size=33,
            num_attention_heads=3,
            intermediate_size=41,
            num_hidden_layers=3,
            layer_norm_eps=1e-3,
            vocab_size=40,
        ),
    )
    f.case("plain", "", f.tokens(2, 9), keep=["last_hidden_state", "pooler_output"])


class BertWithoutPooler(T.BertModel):
    """BertModel(add_pooling_layer=False): what saving the encoder of a head leaves."""

    def __init__(self, config):
        super().__init__(config, add_pooling_layer=False)


BertWithoutPooler.__name__ = "BertModel"


def relative():
    for kind in ("relative_key", "relative_key_query"):
        name = kind.replace("_", "-")
        f = Folder(
            f"bert-{name}",
            T.BertModel,
            config(position_embedding_type=kind, hidden_size=18, num_attention_heads=3),
        )
        call = {**f.tokens(2, 6), "attention_mask": like.RIGHT}
        f.case("plain", "", {**call, "output_attentions": True}, valid=like.RIGHT)
        f.case(
            "positions-without-effect",
            "",
            {**call, "position_ids": like.position_ids(f, 2, 6)},
            valid=like.RIGHT,
            like="plain",
        )
        f = Folder(
            f"bert-lm-{name}", T.BertLMHeadModel, config(position_embedding_type=kind, is_decoder=True)
        )
        call = f.tokens(2, 6)
        f.case("logits", "", {**call, "use_cache": False})
        f.steps(
            "steps",
            "",
            [like.next_tokens(f, call, a, b) for a, b in [(0, 4), (4, 5), (5, 6)]],
            full="logits",
            keep=["logits"],
        )


def defaults():
    """What config.json says of the options of a call."""
    both = config(output_hidden_states=True, output_attentions=True)
    f = Folder("bert-outputs-by-config", T.BertForSequenceClassification, both)
    ids = f.ids(2, 5)
    f.case("by-config", "CM-11 CM-12", {"input_ids": ids})
    off = {"input_ids": ids, "output_hidden_states": False}
    f.case("by-call", "CM-11 CM-12", off, keep=["logits", "hidden_states", "attentions"])
    f.case("positions-once", "", {"input_ids": ids, "position_ids": [[7, 0, 3, 3, 23]]}, keep=["logits"])
    f.case("positions-once-alone", "", {"input_ids": ids, "position_ids": [7, 0, 3, 3, 23]}, like="positions-once")
    f = Folder("bert-masked-lm-cross", T.BertForMaskedLM, config(is_decoder=True, add_cross_attention=True))
    f.case(
        "encoder-states",
        "",
        {**f.tokens(1, 4), "encoder_hidden_states": f.encoder_states(1, 3), "output_attentions": True},
        keep=["logits", "attentions", "cross_attentions"],
        note="it looks at the encoder and does not say how",
    )


def language_models():
    r = Rows(logits="", loss="CM-16", loss_none="CM-17", label_error="CM-15")
    f = Folder("bert-masked-lm", T.BertForMaskedLM, config())
    like.masked_lm(f, r)
    like.head_inputs(f, r, labels={"labels": f.ids(2, 6)})
    f = Folder(
        "bert-masked-lm-untied", T.BertForMaskedLM, config(tie_word_embeddings=False, hidden_act="gelu_new")
    )
    f.case("logits", "CM-06", f.tokens(1, 5))
    f = Folder(
        "bert-lm-head", T.BertLMHeadModel, config(is_decoder=True, hidden_size=24, num_attention_heads=2)
    )
    like.causal_lm(f, Rows(logits="", loss="CM-16", loss_none="CM-17"))
    like.head_inputs(f, Rows())
    f = Folder("bert-lm-head-cross", T.BertLMHeadModel, config(is_decoder=True, add_cross_attention=True))
    like.cross_attention(f, Rows(loss="CM-16"))
    f.error(
        "encoder-states-wrong-width",
        "",
        {**f.tokens(1, 4), "encoder_hidden_states": f.floats(1, 3, 19)},
        "19.*20|20.*19",
    )
    f = Folder("bert-lm-head-no-cross", T.BertLMHeadModel, config(is_decoder=True))
    f.error(
        "encoder-states-without-cross-attention",
        "",
        {**f.tokens(1, 4), "encoder_hidden_states": f.encoder_states(1, 3)},
        "cross.?attention",
    )
    f = Folder("bert-decoder", T.BertModel, config(is_decoder=True, add_cross_attention=True))
    like.causal_lm(f, Rows(), state="last_hidden_state")
    f.case(
        "encoder-states",
        "",
        {
            **f.tokens(2, 5),
            "encoder_hidden_states": f.encoder_states(2, 3),
            "output_attentions": True,
            "use_cache": False,
        },
    )
    f = Folder("bert-lm-head-bidirectional", T.BertLMHeadModel, config(is_decoder=False))
    call = {**f.tokens(2, 6, mask=like.RIGHT), "attention_mask": like.RIGHT}
    labels = np.where(like.RIGHT == 1, call["input_ids"], -100)
    f.case(
        "loss",
        "CM-16",
        {**call, "labels": labels},
        valid=like.RIGHT,
        note="not a decoder: no causal mask, the loss is shifted all the same",
    )
    f.case("cache-asked", "", {**call, "use_cache": True}, keep=["past"])


def pair_heads():
    f = Folder("bert-next-sentence", T.BertForNextSentencePrediction, config())
    call = {**f.tokens(3, 7), "token_type_ids": [[0, 0, 0, 0, 1, 1, 1]] * 3}
    f.case("logits", "", call)
    f.case("loss", "CM-16", {**call, "labels": [0, 1, 1]})
    f.case(
        "loss-old-name",
        "",
        {**call, "next_sentence_label": [0, 1, 1]},
        like="loss",
        note="the argument's earlier name",
    )
    f.error("label-too-large", "CM-15", {**call, "labels": [0, 2, 1]}, like.about_label(2))
    like.head_inputs(f, Rows(), labels={"labels": [1, 0]})
    f = Folder("bert-pre-training", T.BertForPreTraining, config())
    call = {**f.tokens(2, 6, mask=like.RIGHT), "attention_mask": like.RIGHT}
    both = "logits are HF's prediction_logits; seq_relationship_logits has no field in infer.output yet"
    f.case("logits", "", call, valid=like.RIGHT, note=both)
    labels = np.where(f.integers(0, 2, 2, 6) == 1, f.ids(2, 6), -100)
    f.case("loss", "CM-16", {**call, "labels": labels, "next_sentence_label": [1, 0]}, keep=["loss"])
    f.case(
        "loss-labels-only",
        "",
        {**call, "labels": labels},
        keep=["loss", "seq_relationship_logits"],
        note="HF wants both labels for a loss",
    )
    like.head_inputs(f, Rows(), labels={"labels": f.ids(2, 6), "next_sentence_label": [0, 0]})


def classifiers():
    single = dict(loss="CM-16", label_error="CM-15")
    f = Folder("bert-sequence", T.BertForSequenceClassification, config(num_labels=5))
    like.sequence_single(f, Rows(**single, loss_ignored="CM-16", padded="CM-07"))
    like.head_inputs(f, Rows(), labels={"labels": [4, 0]})
    multi = config(num_labels=4, problem_type="multi_label_classification")
    like.sequence_multi(
        Folder("bert-sequence-multi", T.BertForSequenceClassification, multi), Rows(loss="CM-16")
    )
    f = Folder("bert-sequence-multi-by-shape", T.BertForSequenceClassification, config(num_labels=3))
    f.case(
        "loss",
        "CM-16",
        {**f.tokens(2, 5), "labels": [[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]},
        note="no problem_type, a number for each label: multi-label",
    )
    like.sequence_regression(
        Folder("bert-sequence-regression", T.BertForSequenceClassification, config(num_labels=1)),
        Rows(loss="CM-16"),
    )
    three = config(num_labels=3, problem_type="regression")
    like.sequence_regression(
        Folder("bert-sequence-regression-three", T.BertForSequenceClassification, three), Rows(loss="CM-16")
    )
    typed = config(num_labels=3, problem_type="single_label_classification")
    f = Folder("bert-sequence-single-by-type", T.BertForSequenceClassification, typed)
    f.case("loss", "CM-16", {**f.tokens(2, 5), "labels": [2, 0]})
    f = Folder("bert-multiple-choice", T.BertForMultipleChoice, config())
    like.multiple_choice(f, Rows(loss="CM-16", label_error="CM-15"))
    f = Folder("bert-token", T.BertForTokenClassification, config(num_labels=7))
    like.token_classification(f, Rows(loss="CM-16", loss_none="CM-17", label_error="CM-15"))
    like.head_inputs(f, Rows(), labels={"labels": f.integers(0, 7, 2, 6)})
    f = Folder("bert-question", T.BertForQuestionAnswering, config())
    like.question_answering(f, Rows(loss="CM-16", outside="CM-16", none="CM-17"))
    like.head_inputs(f, Rows(), labels={"start_positions": [1, 3], "end_positions": [2, 3]})


def wide_bias(model):
    """From -12 to 12, so that every clip and every tail of an activation is met."""
    bias = model.bert.encoder.layer[0].intermediate.dense.bias
    bias.copy_(bias.new_tensor(np.linspace(-12, 12, len(bias)).round(2)))


def activations():
    assert set(ACTIVATIONS) <= set(ACT2FN)
    assert set(ACT2FN) - set(ACTIVATIONS) == set(), set(ACT2FN) - set(ACTIVATIONS)
    for name in ACTIVATIONS:
        f = Folder(
            f"bert-act-{name.replace('_', '-')}",
            T.BertForMaskedLM,
            T.BertConfig(**SMALL, hidden_act=name),
            weights="bert-act",
            change=wide_bias,
        )
        note = (
            "the activation is not in Transformers 4.37.2; its formula is put in for this case"
            if name == "selu"
            else None
        )
        f.case("logits", "CM-08", {"input_ids": [[3, 7, 11, 19], [4, 4, 18, 5]]}, note=note)
    Folder(
        "bert-act-unknown",
        T.BertModel,
        T.BertConfig(**SMALL),
        edit={"hidden_act": "gelu_11"},
        import_error="gelu_11",
    ).import_rows("CM-08")


def numbers():
    """What the numbers of a config or of a weight do, or must not do."""

    def constant_rows(model):
        table = model.embeddings.word_embeddings.weight
        model.embeddings.position_embeddings.weight.zero_()
        model.embeddings.token_type_embeddings.weight.zero_()
        table[5] = 0.5
        table[6] = -3.0
        steps = np.arange(table.shape[1])
        table[7] = table.new_tensor(1 + (steps % 5 - 2) * 2.0**-11)
        table[8] = table.new_tensor(4 + (steps % 3) * 2.0**-9)

    sizes = {**SMALL, "hidden_size": 16, "num_attention_heads": 2}
    f = Folder("bert-layer-norm-constant", T.BertModel, T.BertConfig(**sizes), change=constant_rows)
    f.case(
        "near-constant-rows",
        "CM-09",
        {"input_ids": [[5, 6, 7, 8, 9]], "output_hidden_states": True},
        keep=["hidden_states", "last_hidden_state"],
        note="rows of 0.5 and of -3 have no variance at all; the next two have 5e-7 and 3e-6 around 1 and 4",
    )
    dropped = dict(
        hidden_dropout_prob=0.9,
        attention_probs_dropout_prob=0.7,
        classifier_dropout=0.5,
        initializer_range=3.0,
    )
    one = Folder(
        "bert-dropout",
        T.BertForSequenceClassification,
        T.BertConfig(**SMALL, num_labels=3, **dropped),
        weights="bert-dropout",
    )
    two = Folder(
        "bert-no-dropout",
        T.BertForSequenceClassification,
        T.BertConfig(**SMALL, num_labels=3),
        weights="bert-dropout",
    )
    call = {"input_ids": [[3, 12, 7, 5]]}
    assert (one.case("logits", "CM-10", call)["logits"] == two.case("logits", "CM-10", call)["logits"]).all()
    f = Folder("bert-feed-forward-chunks", T.BertModel, T.BertConfig(**SMALL, chunk_size_feed_forward=2))
    f.case("plain", "", f.tokens(2, 6))


def importing():
    """Which class a folder becomes, and what the importer refuses."""
    whole = config(vocab_size=30, hidden_size=12, num_attention_heads=3)
    for cls, rows in (
        (T.BertModel, "CM-06"),
        (T.BertForMaskedLM, "CM-06"),
        (T.BertForNextSentencePrediction, ""),
    ):
        short = cls.__name__.replace("BertFor", "").replace("Bert", "")
        f = Folder(
            f"bert-as-{short.lower()}",
            cls,
            whole,
            stored_as=T.BertForPreTraining,
            weights="bert-as",
            options={"architecture": cls.__name__},
            note="the file is a BertForPreTraining; tensors that the class does not have are left out",
            reload=lambda path, cls=cls: cls.from_pretrained(path),
        )
        f.case("plain", rows, f.tokens(2, 5))
    Folder(
        "bert-as-classifier",
        T.BertForSequenceClassification,
        whole,
        stored_as=T.BertForPreTraining,
        options={"architecture": "BertForSequenceClassification"},
        import_error="classifier",
        note="Transformers would draw the missing head at random",
    )
    small = T.BertConfig(**SMALL)
    f = Folder(
        "bert-no-architectures",
        T.BertModel,
        small,
        edit={"architectures": DELETE},
        note="decided by the tensors: no head",
    )
    f.case("plain", "", f.tokens(1, 4))
    f = Folder(
        "bert-no-architectures-lm",
        T.BertForMaskedLM,
        small,
        edit={"architectures": DELETE},
        note="decided by the tensors: cls.predictions",
    )
    f.case("plain", "", f.tokens(1, 4))
    keys = {"model_type": "bert", "architectures": ["BertForSequenceClassification"], **SMALL}
    f = Folder(
        "bert-minimal-config",
        T.BertForSequenceClassification,
        small,
        change=shrink(1e-4),
        minimal=keys,
        note="every key but the sizes takes its default",
    )
    f.case("plain", "", {**f.tokens(2, 4), "labels": [1, 0]})
    wrong = {
        "vocab_size": 21,
        "hidden_size": 14,
        "num_hidden_layers": 2,
        "intermediate_size": 19,
        "max_position_embeddings": 17,
        "type_vocab_size": 3,
    }
    shapes = {
        "vocab_size": "20",
        "hidden_size": "12",
        "num_hidden_layers": "layer.1",
        "intermediate_size": "18",
        "max_position_embeddings": "16",
        "type_vocab_size": "2",
    }
    for key, value in wrong.items():
        Folder(
            f"bert-wrong-{key.replace('_', '-')}",
            T.BertModel,
            small,
            edit={key: value},
            import_error=shapes[key],
        )
    Folder(
        "bert-wrong-num-attention-heads",
        T.BertModel,
        small,
        edit={"num_attention_heads": 5},
        import_error="12.*5|5.*12",
    )
    Folder("bert-unknown-family", T.BertModel, small, edit={"model_type": "birt"}, import_error="birt")
    Folder(
        "bert-unknown-class",
        T.BertModel,
        small,
        edit={"architectures": ["BertForPoetry"]},
        import_error="BertForPoetry",
    )
    Folder("bert-pruned", T.BertModel, small, edit={"pruned_heads": {"0": [1]}}, import_error="prune")
    crossed = {"add_cross_attention": True}
    Folder(
        "bert-cross-attention-encoder",
        T.BertModel,
        small,
        edit=crossed,
        import_error="add_cross_attention|is_decoder",
    )


def make():
    base()
    relative()
    defaults()
    language_models()
    pair_heads()
    classifiers()
    activations()
    numbers()
    importing()
