"""Case sets shared by BERT, RoFormer, RoBERTa-PreLayerNorm and RoCBert: the base model's inputs, the heads,
the decoder.  Each takes a Folder and the rows that the cases prove: a dictionary from case name to row ids.
"""

import numpy as np

MASK = np.array([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 1, 1]])
RIGHT = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
LEFT = np.array([[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1]])
ALL = {"output_hidden_states": True, "output_attentions": True}
NO_LABEL = "no label is left: HF divides 0 by 0; NULL and NaN are both sensible"


class Rows(dict):
    """Row ids of a case; every: ids that hold for all of them."""

    def __init__(self, every="", **cases):
        super().__init__(cases)
        self.every = every

    def of(self, case):
        return " ".join(filter(None, [self.every, self.get(case.replace("-", "_"), "")]))


def about_label(value):
    return f"label.*{value}|{value}.*label"


def position_ids(f, *shape):
    """Any positions, in any order, repeated ones too."""
    return f.integers(0, f.config.max_position_embeddings, *shape)


def base_inputs(f, r, positions=True):
    """Every input of a bare encoder, one by one and together."""
    call = f.tokens(3, 7)
    types = f.types(3, 7)
    f.case("plain", r.of("plain"), call)
    f.case("token-types", r.of("token-types"), {**call, "token_type_ids": types}, unlike="plain")
    masked = {**call, "attention_mask": MASK}
    f.case("padded", r.of("padded"), masked, valid=MASK, unlike="plain")
    alone = {k: v[1:2, :4] for k, v in call.items()}
    expect = f.case("alone", r.of("alone"), alone, note="the second row of the case padded, by itself")
    kept = f.results["padded"]["last_hidden_state"][1:2, :4]
    assert np.abs(kept - expect["last_hidden_state"]).max() < 1e-6
    fraction = np.array([[1, 0.5, 1, 1, 0.25, 1, 1], [0.5, 0.5, 0.25, 0.5, 0, 0.5, 0.5], [0.75] * 7])
    f.case(
        "fractional-mask",
        r.of("fractional-mask"),
        {**call, "attention_mask": fraction},
        unlike="plain",
        note="(1 - mask) times the lowest float: anything below 1 loses against a 1; in a row without any 1"
        " the largest value wins, and equal ones share evenly because the scores vanish in the rounding",
    )
    gaps = np.array([[1, 0, 1, 1, 0, 0, 1], [0, 1, 0, 1, 1, 1, 0], [1, 1, 1, 0, 1, 1, 1]])
    f.case("mask-gaps", r.of("padded"), {**call, "attention_mask": gaps}, valid=gaps, unlike="plain")
    cube = f.integers(0, 2, 3, 7, 7)
    cube[:, np.arange(7), np.arange(7)] = 1
    f.case(
        "mask-3d",
        r.of("mask-3d"),
        {**call, "attention_mask": cube, "output_attentions": True},
        unlike="plain",
    )
    f.case(
        "head-mask-1d",
        r.of("head-mask"),
        {**call, "head_mask": f.head_mask(), "output_attentions": True},
        unlike="plain",
    )
    f.case(
        "head-mask-2d",
        r.of("head-mask"),
        {**masked, "head_mask": f.head_mask(f.config.num_hidden_layers), "output_attentions": True},
        valid=MASK,
        keep=["last_hidden_state", "attentions"],
        note="the weights come out after the multiplication",
    )
    extra = f.extra_inputs(f, (2, 5)) if f.extra_inputs else {}
    embeds = {"inputs_embeds": f.embeds(2, 5), **extra}
    f.case("embeds", r.of("embeds"), embeds)
    f.case("embeds-types", r.of("embeds"), {**embeds, "token_type_ids": f.types(2, 5)}, unlike="embeds")
    if positions:
        f.case(
            "positions", r.of("positions"), {**call, "position_ids": position_ids(f, 3, 7)}, unlike="plain"
        )
    f.case("outputs", r.of("outputs"), {**masked, "token_type_ids": types, **ALL}, valid=MASK)
    f.case("one-token", r.of("one-token"), {k: v[:2, :1] for k, v in call.items()})
    flat = {k: v[0] for k, v in call.items()}
    f.case("flat", r.of("flat"), flat, keep=["last_hidden_state"], note="one dimension is a batch of one")


def base_errors(f, r, longest, positions=True):
    """What a bare encoder refuses.  longest: tokens that its positions allow."""
    call = f.tokens(1, 5)
    vocab, types = f.config.vocab_size, f.config.type_vocab_size

    def changed(name, value, base=call):
        array = np.array(base[name])
        array[0, 2] = value
        return {**base, name: array}

    f.error("id-too-large", r.of("id"), changed("input_ids", vocab), str(vocab))
    f.error("id-negative", r.of("id"), changed("input_ids", -1), "-1")
    typed = {**call, "token_type_ids": np.zeros((1, 5), int)}
    f.error(
        "type-too-large",
        r.of("type"),
        changed("token_type_ids", types, typed),
        f"type.*{types}|{types}.*type",
    )
    embeds = f.embeds(1, 5)
    f.error(
        "ids-and-embeds",
        r.of("both"),
        {**call, "inputs_embeds": embeds},
        "input_ids.*inputs_embeds|inputs_embeds.*input_ids",
    )
    f.error(
        "neither-ids-nor-embeds",
        r.of("neither"),
        {"attention_mask": [[1, 1]]},
        "input_ids.*inputs_embeds|inputs_embeds.*input_ids",
    )
    f.error(
        "mask-too-short", r.of("mask"), {**call, "attention_mask": [[1, 1, 1]]}, "attention_mask|3.*5|5.*3"
    )
    f.error("labels-without-head", r.of("labels"), {**call, "labels": [1]}, "labels")
    if positions:
        places = f.config.max_position_embeddings
        numbered = {**call, "position_ids": np.arange(5)[None]}
        f.error(
            "position-too-large", r.of("position"), changed("position_ids", places, numbered), str(places)
        )
    full = f.tokens(1, longest)
    f.case("longest", r.of("longest"), full, keep=["last_hidden_state"])
    over = f.tokens(1, longest + 1)
    f.error("too-long", r.of("longest"), over, f"{longest + 1}.*{longest}|{longest}.*{longest + 1}")


def head_inputs(f, r, positions=True, labels=None):
    """All inputs of a class with a head in one call, and embeddings instead of ids."""
    mask = RIGHT
    call = {**f.tokens(2, 6, mask=mask), "attention_mask": mask, "token_type_ids": f.types(2, 6)}
    if positions:
        call["position_ids"] = position_ids(f, 2, 6)
    call["head_mask"] = f.head_mask(f.config.num_hidden_layers)
    if labels:
        call.update(labels)
    f.case("all-inputs", r.of("all-inputs"), {**call, **ALL}, valid=mask)
    extra = f.extra_inputs(f, (2, 4)) if f.extra_inputs else {}
    f.case("embeds", r.of("embeds"), {"inputs_embeds": f.embeds(2, 4), **extra, "head_mask": f.head_mask()})


def sequence_single(f, r):
    """Several labels, integers: cross-entropy."""
    n = f.config.num_labels
    call = f.tokens(3, 7)
    f.case("logits", r.of("logits"), call)
    f.case("loss", r.of("loss"), {**call, "labels": [1, 0, n - 1]})
    f.case("loss-one", r.of("loss-one"), {**{k: v[:1] for k, v in call.items()}, "labels": [1]})
    f.case("loss-ignored", r.of("loss-ignored"), {**call, "labels": [1, -100, n - 1]}, keep=["loss"])
    f.case("padded", r.of("padded"), {**call, "attention_mask": RIGHT_3, "labels": [0, 0, 0]})
    f.error("label-too-large", r.of("label-error"), {**call, "labels": [0, n, 0]}, about_label(n))
    f.error("label-negative", r.of("label-error"), {**call, "labels": [0, -1, 0]}, about_label(-1))


RIGHT_3 = np.array([[1] * 7, [1] * 4 + [0] * 3, [1] * 6 + [0]])


def sequence_multi(f, r):
    """problem_type multi_label_classification, or several labels with one number each."""
    n = f.config.num_labels
    call = f.tokens(2, 6)
    f.case("logits", r.of("logits"), call)
    hot = np.eye(n)[[0, n - 1]]
    hot[0, 1] = 1.0
    f.case("loss", r.of("loss"), {**call, "labels": hot})
    f.case(
        "loss-soft",
        r.of("loss"),
        {**call, "labels": np.linspace(0, 1, 2 * n).round(3).reshape(2, n)},
        keep=["loss"],
    )


def sequence_regression(f, r):
    """One label, or problem_type regression with several."""
    n = f.config.num_labels
    call = f.tokens(3, 6)
    f.case("logits", r.of("logits"), call)
    labels = f.floats(3) if n == 1 else f.floats(3, n)
    f.case("loss", r.of("loss"), {**call, "labels": labels})


def choice_tokens(f, mask):
    """[batch, choice, position]; the pads are real pad ids."""
    call = f.tokens(*mask.shape, mask=mask)
    return {**call, "attention_mask": mask}


CHOICES = np.array(
    [[[1] * 6, [1] * 4 + [0] * 2, [1] * 5 + [0]], [[1] * 3 + [0] * 3, [1] * 6, [1] * 2 + [0] * 4]]
)


def multiple_choice(f, r, positions=True, keep_embeds=True):
    call = choice_tokens(f, CHOICES)
    f.case("logits", r.of("logits"), call)
    f.case("loss", r.of("loss"), {**call, "labels": [0, 2]})
    two = {k: v[:1, :2, :6] for k, v in call.items()}
    f.case("two-choices", r.of("two-choices"), {**two, "labels": [0]})
    bare = {k: v for k, v in call.items() if k != "attention_mask"}
    f.case("no-mask", r.of("no-mask"), bare, unlike="logits")
    shape = CHOICES.shape
    call = {**call, "token_type_ids": f.types(*shape)}
    if positions:
        call["position_ids"] = position_ids(f, *shape)
    call["head_mask"] = f.head_mask(f.config.num_hidden_layers)
    f.case(
        "all-inputs",
        r.of("all-inputs"),
        {**call, "labels": [1, 0], **ALL},
        valid=CHOICES.reshape(-1, shape[-1]),
        note="hidden_states and attentions are those of the flattened batch, [batch * choice]",
    )
    if keep_embeds:
        extra = f.extra_inputs(f, (1, 2, 4)) if f.extra_inputs else {}
        f.case("embeds", r.of("embeds"), {"inputs_embeds": f.embeds(1, 2, 4), **extra})
    f.error("label-too-large", r.of("label-error"), {**two, "labels": [2]}, about_label(2))


def token_classification(f, r):
    n = f.config.num_labels
    call = {**f.tokens(2, 6, mask=RIGHT), "attention_mask": RIGHT}
    f.case("logits", r.of("logits"), call, valid=RIGHT)
    labels = f.integers(0, n, 2, 6)
    f.case(
        "loss-pads-count",
        r.of("loss"),
        {**call, "labels": labels},
        valid=RIGHT,
        note="the labels of pads count: attention_mask is not consulted",
    )
    kept = np.where(RIGHT == 1, labels, -100)
    f.case("loss", r.of("loss"), {**call, "labels": kept}, valid=RIGHT, keep=["loss"])
    argmax = f.results["logits"]["logits"][:1].argmax(-1)
    f.case(
        "loss-of-argmax", r.of("loss-of-argmax"), {**{k: v[:1] for k, v in call.items()}, "labels": argmax}
    )
    f.case(
        "loss-none",
        r.of("loss-none"),
        {**call, "labels": np.full((2, 6), -100)},
        keep=["loss"],
        note=NO_LABEL,
    )
    labels[0, 0] = n
    f.error("label-too-large", r.of("label-error"), {**call, "labels": labels}, about_label(n))


def question_answering(f, r):
    call = {**f.tokens(3, 7, mask=RIGHT_3), "attention_mask": RIGHT_3}
    f.case("logits", r.of("logits"), call, valid=RIGHT_3)
    at = {**call, "start_positions": [1, 2, 0], "end_positions": [3, 2, 5]}
    f.case("loss", r.of("loss"), at, keep=["loss"])
    f.case(
        "loss-outside",
        r.of("outside"),
        {**call, "start_positions": [2, 30, 0], "end_positions": [4, 3, 99]},
        keep=["loss"],
        note="positions are clamped to [0, length]; length itself is ignored",
    )
    f.case(
        "loss-negative",
        r.of("outside"),
        {**call, "start_positions": [-5, 1, 0], "end_positions": [4, -1, 6]},
        keep=["loss"],
    )
    f.case(
        "loss-none",
        r.of("none"),
        {**call, "start_positions": [7, 8, 9], "end_positions": [7, 8, 9]},
        keep=["loss"],
        note=NO_LABEL,
    )
    f.case(
        "loss-start-only",
        r.of("loss"),
        {**call, "start_positions": [1, 2, 0]},
        keep=["start_logits"],
        note="one of the two alone gives no loss",
    )
    f.cases[-1]["expect"]["loss"] = None


def masked_lm(f, r):
    call = {**f.tokens(2, 6, mask=RIGHT), "attention_mask": RIGHT}
    f.case("logits", r.of("logits"), call, valid=RIGHT)
    labels = np.full((2, 6), -100)
    labels[0, 2], labels[0, 4], labels[1, 1] = f.ids(3)
    f.case("loss", r.of("loss"), {**call, "labels": labels}, keep=["loss"])
    f.case(
        "loss-every-position",
        r.of("loss"),
        {**call, "labels": f.ids(2, 6)},
        keep=["loss"],
        note="pads with a label count",
    )
    f.case(
        "loss-none",
        r.of("loss-none"),
        {**call, "labels": np.full((2, 6), -100)},
        keep=["loss"],
        note=NO_LABEL,
    )
    labels[0, 0] = f.config.vocab_size
    f.error(
        "label-too-large", r.of("label-error"), {**call, "labels": labels}, about_label(f.config.vocab_size)
    )


def next_tokens(f, call, start, stop, mask=None):
    """The columns start..stop of a call; the mask reaches back to the beginning."""
    part = {
        k: v[:, start:stop]
        for k, v in call.items()
        if k in ("input_ids", "token_type_ids", "input_shape_ids", "input_pronunciation_ids")
    }
    if mask is not None:
        part["attention_mask"] = mask[:, :stop]
    return part


def causal_lm(f, r, many_at_once=True, state="logits"):
    """A decoder: causal mask, loss, cache.  state: the field that a step must reproduce."""
    call = f.tokens(2, 6)
    f.case("logits", r.of("logits"), {**call, "use_cache": False})
    if state == "logits":
        f.case(
            "loss",
            r.of("loss"),
            {**call, "labels": np.where(LEFT == 0, -100, call["input_ids"]), "use_cache": False},
        )
        f.case(
            "loss-none",
            r.of("loss-none"),
            {**call, "labels": np.full((2, 6), -100), "use_cache": False},
            keep=["loss"],
            note=NO_LABEL,
        )
    f.case(
        "padded-right",
        r.of("padded"),
        {**call, "attention_mask": RIGHT, "use_cache": False, **ALL},
        valid=RIGHT,
    )
    f.case(
        "padded-left",
        r.of("padded"),
        {**f.tokens(2, 6, mask=LEFT), "attention_mask": LEFT, "use_cache": False},
        valid=LEFT,
    )
    cube = np.ones((2, 6, 6), int)
    cube[0, :, 4] = 0
    cube[1, 2, :] = [1, 0, 1, 0, 0, 1]
    f.case(
        "mask-3d",
        r.of("mask-3d"),
        {**call, "attention_mask": cube, "use_cache": False},
        unlike="logits",
        note="used as it is: no causal part is added, the future is seen",
    )
    f.case("cache-asked", r.of("cache"), {**call, "use_cache": True}, keep=["past"])
    f.case("cache-declined", r.of("cache"), {**call, "use_cache": False}, keep=["past"])
    f.steps(
        "steps-of-one",
        r.of("steps"),
        [next_tokens(f, call, i, i + 1) for i in range(6)],
        full="logits",
        field=state,
        keep=[state],
    )
    cuts = [(0, 3), (3, 4), (4, 6)] if many_at_once else [(0, 4), (4, 5), (5, 6)]
    f.steps(
        "steps-after-prompt",
        r.of("steps"),
        [next_tokens(f, call, a, b) for a, b in cuts],
        full="logits",
        field=state,
    )
    mask = np.array([[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1]])
    padded = f.tokens(2, 6, mask=mask)
    f.steps(
        "steps-padded-left",
        r.of("steps-padded"),
        [next_tokens(f, padded, a, b, mask) for a, b in [(0, 4), (4, 5), (5, 6)]],
        valid=[mask[:, :4], mask[:, 4:5], mask[:, 5:]],
        keep=[state],
    )
    f.error_step(
        "wrong-mask-length",
        r.of("mask-error"),
        next_tokens(f, call, 0, 3),
        {**next_tokens(f, call, 3, 4), "attention_mask": [[1, 1], [1, 1]]},
        "attention_mask|2.*4|4.*2",
    )
    f.error(
        "past-garbage",
        r.of("past-error"),
        {**next_tokens(f, call, 3, 4), "past": "\\x00ff00ff"},
        "past",
        refused_by_transformers=False,
    )


def cross_attention(f, r, state="logits"):
    """A decoder that looks at an encoder's states."""
    call = f.tokens(2, 6)
    states = f.encoder_states(2, 5)
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    seen = {**call, "encoder_hidden_states": states, "use_cache": False}
    f.case("encoder-states", r.of("states"), seen)
    f.case(
        "encoder-mask",
        r.of("states"),
        {**seen, "encoder_attention_mask": mask, "head_mask": f.head_mask(f.config.num_hidden_layers), **ALL},
        unlike="encoder-states",
    )
    f.case(
        "encoder-mask-loss",
        r.of("loss"),
        {
            **seen,
            "encoder_attention_mask": mask,
            **({"labels": call["input_ids"]} if state == "logits" else {}),
        },
        keep=["loss"] if state == "logits" else None,
    )
    f.case(
        "no-encoder-states",
        r.of("none"),
        {**call, "use_cache": False},
        unlike="encoder-states",
        note="cross-attention is left out",
    )
    beside = {"encoder_hidden_states": states}
    f.steps(
        "steps",
        r.of("steps"),
        [{**next_tokens(f, call, a, b), **beside} for a, b in [(0, 3), (3, 4), (4, 5), (5, 6)]],
        full="encoder-states",
        field=state,
        note="the encoder's keys and values come from the cache after the first step",
    )
