"""Cases of the tasks that point into a text: tag, answer, answers, fill_mask."""

import torch
import transformers as T

from pipelines_common import Folder

NAMES = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"]
IOB1 = ["I-LOC", "O", "I-MISC", "B-MISC", "B-LOC"]
BILOU = ["O", "B-PER", "I-PER", "L-PER", "U-PER", "B-FAC", "I-FAC", "L-FAC", "U-FAC"]
PLAIN = ["noun", "verb", "adj", "proper-noun", "X"]

ENGLISH = [
    "Mary Lennox was sent to Misselthwaite Manor to live with her uncle.",
    "HuggingFace is a company based in Paris and New York",
    "Dr. O'Neill-Smith (born 1950) didn't say: \"No.\" -- then left...",
    "The caf\u00e9 in \u00c5ngstr\u00f6m Stra\u00dfe opened at 5 o'clock; na\u00efve r\u00e9sum\u00e9s, \u4f60\u597d world \U0001f600!",
    "  two  spaces   and\ttabs ",
    "unaffable re-established supercalifragilisticexpialidocious",
]
CHINESE = [
    "\u4eca\u5929\u5929\u6c14\u975e\u5e38\u597d\uff0c\u6211\u4eec\u53bb\u516c\u56ed\u8d70\u8d70\u3002",
    "\u6211\u5728\u5317\u4eac\u5927\u5b66\u5b66\u4e60\u8ba1\u7b97\u673a\u79d1\u5b66\uff0c\u5df2\u7ecf\u4e09\u5e74\u4e86\u3002",
    "\u4f60\u597d, world! HuggingFace is a company based in Paris and New York",
]
LONG = (
    "When Mary Lennox was sent to Misselthwaite Manor to live with her uncle everybody said she was the most "
    "disagreeable-looking child ever seen. It was true, too. She had a little thin face and a little thin body, thin "
    "light hair and a sour expression. Her hair was yellow, and her face was yellow because she had been born in India."
)


# ---- tag ----


def tag_rows(model, tokenizer, twin, text, **options):
    assert "stride" in options or len(tokenizer(text)["input_ids"]) <= tokenizer.model_max_length, "it would be cut"
    if twin:  # a slow tokenizer has no spans: they are those of the fast one that cuts the text alike
        spans = twin(text, return_offsets_mapping=True)
        assert spans["input_ids"] == tokenizer(text)["input_ids"], text
        options["offset_mapping"] = [spans["offset_mapping"]]
    found = T.TokenClassificationPipeline(model=model, tokenizer=tokenizer, framework="pt")(text, **options)
    rows = []
    for i, entity in enumerate(found):
        start, end = entity["start"], entity["end"]
        rows.append({"ord": i + 1, "tag": entity.get("entity", entity.get("entity_group")), "score": float(entity["score"]),
                     "word": text[start:end], "pos": start + 1, "len": end - start})
    return rows


def tag_case(f, name, text, twin=None, rows="", **arguments):
    options = dict(arguments)
    options["aggregation_strategy"] = options.pop("aggregation", "simple")
    return f.case(name, "tag", {"input": text, **arguments}, lambda m: tag_rows(m, f.tokenizer, twin, text, **options), rows)


def tag_folder(name, family, tokenizer, labels, texts, twin=None, windows=(), aggregations=None, rows="", **options):
    f = Folder(name, family, "ForTokenClassification", tokenizer, labels, sharp=2.0, centre=texts, rows=rows, **options)
    twin = twin and T.AutoTokenizer.from_pretrained(f.path, use_fast=True) if twin is True else twin and twin(f)
    for i, text in enumerate(texts):
        for aggregation in aggregations or ("none", "simple", "first", "average", "max"):
            tag_case(f, f"{aggregation}-{i}", text, twin, aggregation=aggregation)
    tag_case(f, "default", texts[0], twin)
    tag_case(f, "ignore-nothing", texts[0], twin, ignore_labels=[])
    tag_case(f, "ignore-two", texts[1], twin, aggregation="none", ignore_labels=labels[:2])
    group = labels[1].split("-", 1)[-1]
    tag_case(f, "ignore-group", texts[1], twin, ignore_labels=[group, "O"])
    tag_case(f, "empty", "", twin, aggregation="none")
    for stride in windows:
        for aggregation in ("simple", "first", "average", "max") if stride == windows[-1] else ("simple", "average"):
            tag_case(f, f"windows-{aggregation}-{stride}", LONG, twin, aggregation=aggregation, stride=stride)
        tag_case(f, f"one-window-{stride}", "Mary left.", twin, stride=stride)
    return f


def tags():
    f = tag_folder("tag-bert", "bert", "bert-fast", NAMES, ENGLISH, windows=(0, 5, 11), max_length=56)
    f.error("stride-none", "tag", {"input": "x", "aggregation": "none", "stride": 4}, "stride.*aggregation|aggregation.*stride")
    f.error("stride-too-large", "tag", {"input": LONG, "stride": 54}, "stride.*54")
    f.error("stride-negative", "tag", {"input": LONG, "stride": -1}, "stride.*-1")
    f.error("aggregation-unknown", "tag", {"input": "x", "aggregation": "middle"}, "middle")
    f.error("too-long", "tag", {"input": LONG}, "56")
    f.error("wrong-head", "answer", {"question": "x", "context": "y"}, "BertForTokenClassification")
    tag_folder("tag-bert-cased", "bert", "bert-fast-cased", IOB1, ENGLISH[:4], windows=(3,), max_length=54)
    tag_folder("tag-bert-slow", "bert", "class-bert-slow", BILOU, ENGLISH[:3] + CHINESE[:2], twin=True, use_fast=False,
               aggregations=("none", "simple"))
    tag_folder("tag-roberta", "roberta-prelayernorm", "class-roberta-fast", IOB1, ENGLISH, windows=(0, 7), max_length=72,
               rows="RP-22 CM-18")
    tag_folder("tag-mega", "mega", "class-roberta-fast-prefix", BILOU, ENGLISH[:4], windows=(6,), max_length=72, use_fast=True,
               settings={"add_prefix_space": True}, rows="MG-57")
    tag_folder("tag-roformer", "roformer", "class-roformer-fast-of-vocab", PLAIN, ENGLISH[:3] + CHINESE, windows=(4,),
               max_length=46, use_fast=True, rows="RF-12 RF-55")
    tag_folder("tag-roc-bert", "roc_bert", "class-rocbert", BILOU, CHINESE + ENGLISH[:2], aggregations=("none", "simple"),
               twin=lambda f: T.BertTokenizerFast(str(f.path / "vocab.txt")), rows="RB-18")


# ---- answer, answers ----

CONTEXT = (
    "Jim Henson was a nice puppet. He made the Muppets in 1955 with Jane Nebel, whom he married later; caf\u00e9s in "
    "New York and London (where he worked) remember him. \u201cIt's not easy being green\u201d, sang Kermit the Frog."
)
QUESTION = "Who was Jim Henson?"
QUESTIONS = [QUESTION, "Where did he work?", "What is not easy, and who sang about it?", "?"]


def with_shapes(f, model):
    """RoCBert as its class is called: the pipeline leaves shapes and pronunciations out."""
    tokens = [f.tokenizer.convert_ids_to_tokens(i) for i in range(len(f.tokenizer))]
    shapes = torch.tensor([f.tokenizer._convert_token_to_shape_id(t) for t in tokens])
    sounds = torch.tensor([f.tokenizer._convert_token_to_pronunciation_id(t) for t in tokens])
    example = f.tokenizer("a", "b")
    for i, shape, sound in zip(*(example[k] for k in ("input_ids", "input_shape_ids", "input_pronunciation_ids"))):
        shapes[i], sounds[i] = shape, sound  # special tokens have others than their strings
    original = model.forward

    def forward(input_ids, **inputs):
        return original(input_ids, input_shape_ids=shapes[input_ids], input_pronunciation_ids=sounds[input_ids], **inputs)

    model.forward = forward


def answer_rows(f, model, question, context, **options):
    pipeline = T.QuestionAnsweringPipeline(model=model, tokenizer=f.tokenizer, framework="pt")
    words = context.split() if not f.tokenizer.is_fast else None
    found = pipeline(question=question, context=context, **options)
    rows = []
    for answer in found if isinstance(found, list) else [found]:
        start, end = answer["start"], answer["end"]
        if answer["score"] == 0 or (start == end == 0 and not options.get("handle_impossible_answer")):
            continue  # not a span: what is left over when there are fewer than top_k
        if words is not None and answer["answer"]:  # its end is that of the whitespace behind the word, or one too few
            end = start + len(answer["answer"])
        assert context[start:end] == answer["answer"], answer
        rows.append({"answer": answer["answer"], "score": float(answer["score"]),
                     "pos": start + 1 if end else 0, "len": end - start})
    return rows


def answer_case(f, name, question, context, rows="", **arguments):
    def best(model):
        rows = answer_rows(f, model, question, context, **{k: v for k, v in arguments.items() if k != "top_k"})
        return rows[0]["answer"] if rows[0]["pos"] else None

    call = {"question": question, "context": context, **arguments}
    f.case(name, "answers", call, lambda m: answer_rows(f, m, question, context, **arguments), rows, distinct="score")
    f.case(name + "-text", "answer", {k: v for k, v in call.items() if k != "top_k"}, best, rows)


def answer_folder(name, family, tokenizer, chinese=False, rows="", windows=True, **options):
    f = Folder(name, family, "ForQuestionAnswering", tokenizer, rows=rows, sharp=options.pop("sharp", 6.0), **options)
    if family == "roc_bert":
        with_shapes(f, f.single)
        with_shapes(f, f.double)
    for i, question in enumerate(QUESTIONS if f.tokenizer.is_fast else QUESTIONS[:3]):
        answer_case(f, f"plain-{i}", question, CONTEXT[:120])
    answer_case(f, "top-3", QUESTION, CONTEXT[:120], top_k=3)
    answer_case(f, "top-20", QUESTION, "Jim Henson was a nice puppet.", top_k=20)
    answer_case(f, "one-word", "How many puppets were there, and what did they look like on television?", "Seven")
    for length in (1, 4):
        answer_case(f, f"at-most-{length}", QUESTIONS[1], CONTEXT[:120], top_k=2, max_answer_len=length)
    answer_case(f, "impossible", QUESTION, CONTEXT[:120], handle_impossible_answer=True)
    answer_case(f, "impossible-top-4", QUESTION, CONTEXT[:120], top_k=4, handle_impossible_answer=True)
    if chinese:
        answer_case(f, "chinese", "\u5929\u6c14\u600e\u4e48\u6837\uff1f", CHINESE[0] + CHINESE[1], top_k=2)
    if not f.tokenizer.is_fast and family != "roc_bert":  # with_shapes knows [CLS] at the beginning only
        odd = f"He made \u3000 the Muppets in \u20281955 {f.tokenizer.cls_token} with Jane Nebel."
        answer_case(f, "odd-words", QUESTION, odd, top_k=2, max_answer_len=2, handle_impossible_answer=True)
    if windows:
        asked = len(f.tokenizer(QUESTION, "")["input_ids"])
        for room, stride in ((30, 8), (30, 20), (21, 2), (26, 0 if f.tokenizer.is_fast else 5)):
            answer_case(f, f"windows-{room}-{stride}", QUESTION, CONTEXT, top_k=3, max_seq_len=asked + room, doc_stride=stride)
        answer_case(f, "windows-impossible", QUESTION, CONTEXT, max_seq_len=asked + 30, doc_stride=10, top_k=2,
                    handle_impossible_answer=True)
        if not f.tokenizer.is_fast:  # windows that begin further apart than they are long
            for room, stride in ((10, 14), (6, 15)):
                answer_case(f, f"windows-apart-{room}-{stride}", QUESTION, CONTEXT, top_k=3, max_seq_len=asked + room, doc_stride=stride)
    return f


def answers():
    f = answer_folder("answer-bert", "bert", "bert-fast", rows="CM-18")
    f.error("top-zero", "answers", {"question": "x", "context": "y", "top_k": 0}, "top_k.*0")
    f.error("length-zero", "answers", {"question": "x", "context": "y", "max_answer_len": 0}, "max_answer_len.*0")
    f.error("stride-above", "answers", {"question": "x", "context": "y", "doc_stride": 50, "max_seq_len": 40}, "40.*50")
    f.error("question-too-long", "answers", {"question": CONTEXT, "context": CONTEXT, "max_seq_len": 40, "doc_stride": 2}, "40")
    f.error("wrong-head", "tag", {"input": "x"}, "BertForQuestionAnswering")
    f = answer_folder("answer-bert-limit", "bert", "bert-fast", max_length=80)
    answer_case(f, "windows-of-the-model", QUESTION, CONTEXT + CONTEXT[50:], top_k=2)
    answer_folder("answer-bert-slow", "bert", "class-bert-slow", use_fast=False, chinese=True, max_position_embeddings=386)
    answer_folder("answer-roberta", "roberta-prelayernorm", "class-roberta-fast", rows="RP-25 RP-28")
    answer_folder("answer-roberta-slow", "roberta-prelayernorm", "class-roberta-slow", use_fast=False, max_position_embeddings=386)
    answer_folder("answer-mega", "mega", "class-roberta-fast", rows="MG-57")
    answer_folder("answer-roformer", "roformer", "class-roformer-fast-of-vocab", use_fast=True, chinese=True, rows="RF-12 RF-57 RF-59")
    answer_folder("answer-roc-bert", "roc_bert", "class-rocbert", chinese=True, rows="RB-21 RB-23", max_position_embeddings=386,
                  note="with shapes and pronunciations, which the pipeline leaves out")
    answer_folder("answer-opt", "opt", "class-opt-fast", use_fast=True, rows="OP-41")


# ---- fill_mask ----


def mask_rows(f, model, text, **options):
    pipeline = T.FillMaskPipeline(model=model, tokenizer=f.tokenizer, framework="pt")
    found = pipeline(text, **options)
    rows = []
    for i, mask in enumerate(found if isinstance(found[0], list) else [found]):
        scores = [p["score"] for p in mask]
        assert all(a - b > 2e-5 * a for a, b in zip(scores, scores[1:])), (f.name, text, scores)
        rows += [{"mask": i + 1, "token": p["token_str"], "token_id": p["token"], "score": float(p["score"]),
                  "sequence": p["sequence"]} for p in mask]
    return rows


def mask_folder(name, family, tokenizer, texts, targets, rows="", **options):
    f = Folder(name, family, "ForMaskedLM", tokenizer, rows=rows, scale=options.pop("scale", 0.8), **options)
    mask = f.tokenizer.mask_token
    assert all(len(f.tokenizer(t, add_special_tokens=False)["input_ids"]) == 1 or t in f.tokenizer.get_vocab() for t in targets), name
    for i, text in enumerate(texts):
        text = text.replace("@", mask)
        f.case(f"plain-{i}", "fill_mask", {"input": text}, lambda m: mask_rows(f, m, text))
    first = texts[0].replace("@", mask)
    for k in (1, 8):
        f.case(f"top-{k}", "fill_mask", {"input": first, "top_k": k}, lambda m: mask_rows(f, m, first, top_k=k))
    f.case("targets", "fill_mask", {"input": first, "targets": targets}, lambda m: mask_rows(f, m, first, targets=targets))
    f.case("targets-top-2", "fill_mask", {"input": first, "targets": targets + targets[:1], "top_k": 2},
           lambda m: mask_rows(f, m, first, targets=targets, top_k=2))
    both = texts[-1].replace("@", mask)
    f.case("targets-both", "fill_mask", {"input": both, "targets": targets}, lambda m: mask_rows(f, m, both, targets=targets))
    f.error("no-mask", "fill_mask", {"input": "nothing to fill"}, "mask")
    f.error("top-zero", "fill_mask", {"input": first, "top_k": 0}, "top_k.*0")
    f.error("target-unknown", "fill_mask", {"input": first, "targets": ["xyzzyqwerty"]}, "xyzzyqwerty")
    f.error("no-targets", "fill_mask", {"input": first, "targets": []}, "target")
    return f


def masks():
    english = ["The capital of France is @.", "She had a @ thin face, and hair.", "@", "HELLO @ caf\u00e9 na\u00efve",
               "a @ of the @ was @."]
    chinese = ["\u4eca\u5929@\u6c14\u975e\u5e38\u597d\u3002", "\u6211\u5728@\u4eac\u5927@\u5b66\u4e60\u3002"]
    mask_folder("mask-bert", "bert", "bert-fast", english, ["the", "fox", "##s", "The"], rows="CM-18")
    mask_folder("mask-roberta", "roberta-prelayernorm", "class-roberta-fast", english, ["\u0120the", "\u0120was", "he", "."],
                rows="RP-36")
    mask_folder("mask-mega", "mega", "class-roberta-fast", english, ["\u0120the", "\u0120was", "he"], rows="MG-50 MG-53")
    mask_folder("mask-roformer", "roformer", "class-roformer-slow", chinese + english, ["\u5929", "the", "\u5b66"], use_fast=False,
                rows="RF-12 RF-45 RF-47")
    mask_folder("mask-roformer-fast", "roformer", "class-roformer-fast-of-vocab", chinese + english, ["\u5929", "the"], use_fast=True)
    mask_folder("mask-roc-bert", "roc_bert", "class-rocbert", chinese + english, ["\u5929", "the"], rows="RB-30")


def make():
    tags()
    answers()
    masks()
