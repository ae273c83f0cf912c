"""Cases of the tasks about whole texts: classify*, zero_shot, score, rerank, choose*, and what a language model says of a text."""

import json

import numpy as np
import torch
import transformers as T
from sentence_transformers import CrossEncoder, SentenceTransformer

from pipelines_common import Folder

ENGLISH = [
    "This movie is disgustingly good!",
    "Director tried too much.",
    "Hello, my dog is cute",
    "",
    "The caf\u00e9 in \u00c5ngstr\u00f6m Stra\u00dfe opened at 5 o'clock; na\u00efve r\u00e9sum\u00e9s, \u4f60\u597d world \U0001f600!",
    "She had a little thin face and a little thin body, thin light hair and a sour expression.",
]
CHINESE = ["\u4eca\u5929\u5929\u6c14\u975e\u5e38\u597d\uff0c\u6211\u4eec\u53bb\u516c\u56ed\u8d70\u8d70\u3002", "\u4f60\u597d, world \u4e16\u754c\uff01"]
LONG = " ".join(ENGLISH[:3]) + " It was true, too, and her hair was yellow because she had been born in India. " + ENGLISH[5]


def descending(pairs):
    """Best first; of equal scores the first."""
    return sorted(pairs, key=lambda p: -p[1])


# ---- classify, classify_scores, classify_labels, classify_many ----


def classified(f, model, text, pair=None, **options):
    pipeline = T.TextClassificationPipeline(model=model, tokenizer=f.tokenizer, framework="pt")
    inputs = text if pair is None else {"text": text, "text_pair": pair}
    options.setdefault("top_k", None)
    return [(row["label"], float(row["score"])) for row in pipeline(inputs, **options)]


def score_rows(pairs):
    return [{"label": label, "score": score} for label, score in pairs]


def over(model, f, text, pair, threshold):
    """Every label whose sigmoid is larger, best first."""
    found = classified(f, model, text, pair, function_to_apply="sigmoid")
    assert all(abs(score - threshold) > 2e-4 for _, score in found), (f.name, text, found)
    return [label for label, score in found if score > threshold]


def classify_folder(name, family, tokenizer, labels, texts, rows="", sharp=2.0, limit=None, **options):
    f = Folder(name, family, "ForSequenceClassification", tokenizer, labels, sharp=sharp, max_length=limit,
               centre=[t for t in texts if t], rows=rows, **options)
    if limit:  # the pipeline takes longer ones, too
        assert all(len(f.tokenizer(a, b)["input_ids"]) <= limit for a, b in [(t, None) for t in texts] + list(zip(texts, texts[1:3])))
        assert len(f.tokenizer(LONG)["input_ids"]) > limit
    for i, text in enumerate(texts):
        f.case(f"label-{i}", "classify", {"input": text}, lambda m: classified(f, m, text, top_k=1)[0][0])
        f.case(f"scores-{i}", "classify_scores", {"input": text}, lambda m: score_rows(classified(f, m, text)), distinct="score")
    for function in ("softmax", "sigmoid", "none"):
        # logits are far larger than probabilities: the same error weighs as much more
        f.case(f"function-{function}", "classify_scores", {"input": texts[1], "function_to_apply": function},
               lambda m: score_rows(classified(f, m, texts[1], function_to_apply=function)),
               atol=1e-3 if function == "none" else 1e-4)
    f.case("pair", "classify_scores", {"input": texts[0], "pair": texts[1]}, lambda m: score_rows(classified(f, m, texts[0], texts[1])))
    f.case("pair-label", "classify", {"input": texts[1], "pair": texts[2]}, lambda m: classified(f, m, texts[1], texts[2])[0][0])
    f.case("pair-with-empty", "classify_scores", {"input": texts[0], "pair": ""}, lambda m: score_rows(classified(f, m, texts[0], "")))
    for k in (1, 2, len(labels) + 3):
        f.case(f"top-{k}", "classify_scores", {"input": texts[2], "top_k": k}, lambda m: score_rows(classified(f, m, texts[2], top_k=k)))
    f.error("top-zero", "classify_scores", {"input": texts[0], "top_k": 0}, "top_k.*0")
    f.error("function-unknown", "classify_scores", {"input": texts[0], "function_to_apply": "tanh"}, "tanh")
    if len(labels) > 1:
        for threshold in (0.5, 0.2, 0.9):
            f.case(f"labels-{threshold}", "classify_labels", {"input": texts[1], "threshold": threshold},
                   lambda m: over(m, f, texts[1], None, threshold))
    f.case("many", "classify_many", {"inputs": texts},
           lambda m: [{"ord": i + 1, "label": p[0], "score": p[1]} for i, p in enumerate(classified(f, m, t)[0] for t in texts)])
    if limit:
        f.error("too-long", "classify", {"input": LONG}, str(limit))
        f.case("truncated", "classify_scores", {"input": LONG, "truncate": "end"},
               lambda m: score_rows(classified(f, m, LONG, truncation=True)))
        f.case("truncated-pair", "classify_scores", {"input": ENGLISH[0], "pair": LONG, "truncate": "end"},
               lambda m: score_rows(classified(f, m, ENGLISH[0], LONG, truncation=True)))
    return f


def classifiers():
    f = classify_folder("classify-bert", "bert", "bert-fast", ["NEGATIVE", "POSITIVE", "NEUTRAL", "MIXED"], ENGLISH, limit=80, rows="CM-18")
    f.error("wrong-head", "fill_mask", {"input": "a [MASK]"}, "BertForSequenceClassification")
    classify_folder("classify-bert-multi", "bert", "bert-fast-cased", ["toxic", "insult", "threat", "obscene"], ENGLISH,
                    problem_type="multi_label_classification")
    classify_folder("classify-bert-slow", "bert", "class-bert-slow", ["a", "b"], ENGLISH + CHINESE, use_fast=False, limit=44)
    classify_folder("classify-bert-one", "bert", "bert-fast", ["LABEL_0"], ENGLISH, sharp=0.5)
    classify_folder("classify-roberta", "roberta-prelayernorm", "class-roberta-fast", ["LABEL_0", "LABEL_1"], ENGLISH,
                    rows="RP-03 RP-16", limit=76)
    classify_folder("classify-roberta-multi", "roberta-prelayernorm", "class-roberta-fast", ["x", "y", "z"], ENGLISH,
                    problem_type="multi_label_classification", rows="RP-17")
    classify_folder("classify-roformer", "roformer", "class-roformer-slow", ["LABEL_0", "LABEL_1", "LABEL_2"], ENGLISH + CHINESE,
                    use_fast=False, rows="RF-12 RF-48 RF-50")
    classify_folder("classify-roformer-multi", "roformer", "class-roformer-fast-of-vocab", ["p", "q"], ENGLISH + CHINESE, use_fast=True,
                    problem_type="multi_label_classification", rows="RF-51")
    classify_folder("classify-roc-bert", "roc_bert", "class-rocbert", ["bad", "good", "so so"], CHINESE + ENGLISH, rows="RB-29")
    classify_folder("classify-mega", "mega", "class-roberta-fast", ["no", "yes", "perhaps"], ENGLISH, rows="MG-57")
    classify_folder("classify-opt", "opt", "class-opt-fast", ["world", "sports", "business"], ENGLISH, use_fast=True, rows="OP-41")


def one_type():
    """model_input_names without token_type_ids: the model gets none, and takes both texts for the first."""
    settings = {"model_input_names": ["input_ids", "attention_mask"]}
    f = Folder("classify-bert-one-type", "bert", "ForSequenceClassification", "bert-fast", ["a", "b", "c"], sharp=2.0,
               settings=settings)
    for i, (text, pair) in enumerate(zip(ENGLISH, ENGLISH[1:3])):
        f.case(f"pair-{i}", "classify_scores", {"input": text, "pair": pair}, lambda m: score_rows(classified(f, m, text, pair)))


# ---- embed, of a sentence-transformers folder ----


def embed_folder(name, family, tokenizer, pooling, rows="", lower=False, **options):
    """Texts are stripped, and lower-cased where the folder says so, before the tokenizer sees them."""
    f = Folder(name, family, "Model", tokenizer, rows=rows, scale=0.6, **options)
    modules = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    documents = {
        "modules.json": [{"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + module}
                         for i, (module, path) in enumerate(modules)],
        "sentence_bert_config.json": {"max_seq_length": 80, "do_lower_case": lower},
        "config_sentence_transformers.json": {"prompts": {"query": "Query: "}},
        "1_Pooling/config.json": {"word_embedding_dimension": f.config.hidden_size,
                                  **{f"pooling_mode_{m}": m == pooling for m in ("cls_token", "mean_tokens", "max_tokens", "lasttoken")}},
    }
    for path, document in documents.items():
        (f.path / path).parent.mkdir(exist_ok=True)
        (f.path / path).write_text(json.dumps(document, indent=1) + "\n")
    encoder = SentenceTransformer(str(f.path), device="cpu")
    encoder[0].tokenizer = f.tokenizer

    def vector(model, text, **prompt):
        encoder[0].auto_model = model
        return [float(x) for x in encoder.encode(text, show_progress_bar=False, **prompt)]

    texts = ENGLISH[:3] + ENGLISH[4:5] + ["", "   ", " \tHello, my DOG\u3000is cute \n", "\x1c\u00a0Dog\x85"]
    for i, text in enumerate(texts):
        f.case(f"text-{i}", "embed", {"input": text}, lambda m: vector(m, text))
    f.case("prompt", "embed", {"input": texts[6], "prompt": "query"}, lambda m: vector(m, texts[6], prompt_name="query"))
    f.case("prompt-alone", "embed", {"input": " ", "prompt": "Title:  "}, lambda m: vector(m, " ", prompt="Title:  "))


def embeddings():
    embed_folder("embed-roberta", "roberta-prelayernorm", "class-roberta-fast", "lasttoken", rows="RP-35")
    embed_folder("embed-roberta-lower", "roberta-prelayernorm", "class-roberta-fast-prefix", "mean_tokens", lower=True)
    embed_folder("embed-bert-lower", "bert", "bert-fast-cased", "cls_token", lower=True)


# ---- zero_shot ----


def zero_rows(f, model, text, labels, **options):
    pipeline = T.ZeroShotClassificationPipeline(model=model, tokenizer=f.tokenizer, framework="pt")
    found = pipeline(text, candidate_labels=labels, **options)
    return [{"label": label, "score": float(score)} for label, score in zip(found["labels"], found["scores"])]


def zero_folder(name, family, tokenizer, labels, **options):
    f = Folder(name, family, "ForSequenceClassification", tokenizer, labels, sharp=2.0, centre=ENGLISH[:3], **options)
    topics = ["sports", "politics & economics", "cin\u00e9ma", "travel"]
    for i, text in enumerate(ENGLISH[:3] + ENGLISH[4:]):
        for multi in (False, True):
            f.case(f"topics-{i}-{'multi' if multi else 'single'}", "zero_shot", {"input": text, "labels": topics, "multi_label": multi},
                   lambda m: zero_rows(f, m, text, topics, multi_label=multi), distinct="score")
    f.case("default", "zero_shot", {"input": ENGLISH[0], "labels": topics}, lambda m: zero_rows(f, m, ENGLISH[0], topics))
    for i, template in enumerate(("This text is about {}.", "{}", "{} or not {{}}?")):
        f.case(f"template-{i}", "zero_shot", {"input": ENGLISH[1], "labels": topics, "hypothesis": template},
               lambda m: zero_rows(f, m, ENGLISH[1], topics, hypothesis_template=template), distinct="score")
    f.case("one-label", "zero_shot", {"input": ENGLISH[1], "labels": topics[:1]}, lambda m: zero_rows(f, m, ENGLISH[1], topics[:1]))
    f.error("no-labels", "zero_shot", {"input": ENGLISH[1], "labels": []}, "label")
    f.error("no-place", "zero_shot", {"input": ENGLISH[1], "labels": ["a"], "hypothesis": "This is it."}, "hypothesis")
    return f


def zero_shots():
    zero_folder("zero-bert", "bert", "bert-fast", ["contradiction", "neutral", "entailment"])
    zero_folder("zero-roberta", "roberta-prelayernorm", "class-roberta-fast", ["ENTAILMENT", "NEUTRAL", "CONTRADICTION"])
    zero_folder("zero-mega", "mega", "class-roberta-fast", ["not_entailment", "Entails"])
    f = Folder("zero-none", "bert", "ForSequenceClassification", "bert-fast", ["a", "b"])
    f.error("no-entailment", "zero_shot", {"input": "x", "labels": ["y"]}, "entail")


# ---- score, rerank ----

DOCUMENTS = ENGLISH[:3] + ENGLISH[4:] + ["The dog is cute.", "my dog"]


def score_folder(name, family, tokenizer, rows="", **options):
    f = Folder(name, family, "ForSequenceClassification", tokenizer, ["LABEL_0"], rows=rows, sharp=options.pop("sharp", 0.5), **options)
    encoder = CrossEncoder(str(f.path), device="cpu")
    encoder.tokenizer = f.tokenizer

    def predict(model, pairs):
        encoder.model = model
        return [float(x) for x in encoder.predict(pairs, show_progress_bar=False)]

    def alone(model, text):
        logits = model(**f.tokenizer(text, return_tensors="pt")).logits[0]
        return float(encoder.default_activation_function(logits)[0])

    for i, document in enumerate(DOCUMENTS):
        f.case(f"pair-{i}", "score", {"input": ENGLISH[2], "pair": document}, lambda m: predict(m, [[ENGLISH[2], document]])[0])
    f.case("alone", "score", {"input": ENGLISH[2]}, lambda m: alone(m, ENGLISH[2]))

    def ranked(model):
        scores = predict(model, [[ENGLISH[2], d] for d in DOCUMENTS])
        order = sorted(range(len(scores)), key=lambda i: -scores[i])
        return [{"ord": i + 1, "document": DOCUMENTS[i], "score": scores[i]} for i in order]

    f.case("rerank", "rerank", {"query": ENGLISH[2], "documents": DOCUMENTS}, ranked, distinct="score")
    f.case("rerank-top-2", "rerank", {"query": ENGLISH[2], "documents": DOCUMENTS, "top_k": 2}, lambda m: ranked(m)[:2])
    f.error("top-zero", "rerank", {"query": "x", "documents": ["y"], "top_k": 0}, "top_k.*0")
    return f


def scores():
    score_folder("score-bert", "bert", "bert-fast")
    score_folder("score-roberta", "roberta-prelayernorm", "class-roberta-fast")
    score_folder("score-mega", "mega", "class-roberta-fast", sharp=5.0)
    score_folder("score-roformer", "roformer", "class-roformer-slow", use_fast=False)
    score_folder("score-bert-identity", "bert", "bert-fast",
                 sbert_ce_default_activation_function="torch.nn.modules.linear.Identity")


# ---- choose, choose_scores ----

PROMPT = "In Italy, pizza served in formal settings, such as at a restaurant, is presented unsliced."
CHOICES = ["It is eaten with a fork and a knife.", "It is eaten while held in the hand.", "Nobody eats it."]


def choice_scores(f, model, prompt, choices):
    encoding = f.tokenizer([prompt] * len(choices), choices, return_tensors="pt", padding=True)
    logits = model(**{k: v.unsqueeze(0) for k, v in encoding.items()}).logits[0]
    return [float(x) for x in logits.softmax(0)]


def choose_folder(name, family, tokenizer, rows="", **options):
    f = Folder(name, family, "ForMultipleChoice", tokenizer, rows=rows, sharp=0.7, **options)
    sets = [(PROMPT, CHOICES[:2]), (PROMPT, CHOICES), (PROMPT, CHOICES[::-1] + ENGLISH[:2]), ("", CHOICES), (ENGLISH[4], ENGLISH[:4])]
    for i, (prompt, choices) in enumerate(sets):
        f.case(f"scores-{i}", "choose_scores", {"prompt": prompt, "choices": choices},
               lambda m: [{"ord": j + 1, "choice": c, "score": s} for j, (c, s) in enumerate(zip(choices, choice_scores(f, m, prompt, choices)))])
        f.case(f"choice-{i}", "choose", {"prompt": prompt, "choices": choices},
               lambda m: int(np.argmax(choice_scores(f, m, prompt, choices))) + 1)
    f.error("no-choices", "choose", {"prompt": PROMPT, "choices": []}, "choice")
    return f


def choices():
    choose_folder("choose-bert", "bert", "bert-fast", rows="CM-18")
    choose_folder("choose-roberta", "roberta-prelayernorm", "class-roberta-fast", rows="RP-18 RP-21")
    choose_folder("choose-roformer", "roformer", "class-roformer-slow", use_fast=False, rows="RF-12 RF-52 RF-54",
                  note="it reads the last position, and choices are padded to the longest")
    choose_folder("choose-roc-bert", "roc_bert", "class-rocbert", rows="RB-06 RB-17")
    choose_folder("choose-mega", "mega", "class-roberta-fast", rows="MG-57")


# ---- log_likelihood, perplexity, token_logprobs ----


def token_rows(f, model, text):
    """Every token but the first given those before it, special tokens as the tokenizer adds them."""
    encoding = f.tokenizer(text, return_tensors="pt")
    ids = encoding["input_ids"][0]
    logprobs = model(**encoding).logits[0].log_softmax(-1)
    return [{"ord": i + 1, "token_id": int(ids[i]), "logprob": float(logprobs[i - 1, ids[i]]) if i else None} for i in range(len(ids))]


def total(rows):
    return float(sum(row["logprob"] for row in rows if row["logprob"] is not None))


def causal_folder(name, family, tokenizer, rows="", **options):
    f = Folder(name, family, "ForCausalLM", tokenizer, rows=rows, scale=0.4, **options)
    for i, text in enumerate(ENGLISH[:3] + ENGLISH[4:]):
        f.case(f"tokens-{i}", "token_logprobs", {"input": text}, lambda m: token_rows(f, m, text))
        f.case(f"log-likelihood-{i}", "log_likelihood", {"input": text}, lambda m: total(token_rows(f, m, text)), atol=1e-3)
        perplexity = lambda m: float(np.exp(-total(token_rows(f, m, text)) / (len(token_rows(f, m, text)) - 1)))  # noqa: E731
        f.case(f"perplexity-{i}", "perplexity", {"input": text}, perplexity, atol=float("%.1g" % (1e-5 * f.both(perplexity)[0])))
    return f


def causal():
    causal_folder("causal-opt", "opt", "class-opt-fast", use_fast=True)
    causal_folder("causal-roberta", "roberta-prelayernorm", "class-roberta-fast", is_decoder=True)
    causal_folder("causal-roformer", "roformer", "class-roformer-slow", use_fast=False, is_decoder=True)
    causal_folder("causal-roc-bert", "roc_bert", "class-rocbert", is_decoder=True)
    causal_folder("causal-mega", "mega", "class-roberta-fast", is_decoder=True, bidirectional=False)


def make():
    classifiers()
    one_type()
    embeddings()
    zero_shots()
    scores()
    choices()
    causal()
