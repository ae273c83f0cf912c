"""The frame of the pipeline fixtures: a Folder is one model with its tokenizer, and the calls that are made of it.

A model's weights are drawn as those of the family fixtures and stored in half precision; its tokenizer is one
of the tokenizer fixtures.  Every call runs in double and in single precision: a case is kept when both give the
same labels, words and spans in the same order, and scores that agree within a quarter of the tolerance.
"""

import copy
import json
import pathlib
import shutil

import torch
import transformers as T
from safetensors.torch import save_file

from families_common import draw

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE / "pipelines"
TOKENIZERS = HERE / "tokenizers"
ATOL = 1e-4

BERT = dict(max_position_embeddings=192, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40)
MEGA = dict(hidden_size=24, num_hidden_layers=2, intermediate_size=32, ema_projection_size=4,
            shared_representation_size=12, nffn_hidden_size=32, max_positions=512, use_chunking=False)
OPT = dict(max_position_embeddings=192, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, ffn_dim=40,
           word_embed_proj_dim=24)
ROC = dict(pronunciation_embed_dim=8, pronunciation_vocab_size=900, shape_embed_dim=8, shape_vocab_size=900)
FAMILIES = {
    "bert": ("Bert", T.BertConfig, BERT),
    "roberta-prelayernorm": ("RobertaPreLayerNorm", T.RobertaPreLayerNormConfig, BERT),
    "roformer": ("RoFormer", T.RoFormerConfig, dict(BERT, embedding_size=24)),
    "roc_bert": ("RoCBert", T.RoCBertConfig, dict(BERT, **ROC)),
    "mega": ("Mega", T.MegaConfig, MEGA),
    "opt": ("OPT", T.OPTConfig, OPT),
}


def label_names(labels):
    return dict(id2label=dict(enumerate(labels)), label2id={name: i for i, name in enumerate(labels)})


def same(a, b, atol):
    """Equal but for numbers, which may be that far apart."""
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= atol
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y, atol) for x, y in zip(a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k], atol) for k in a)
    return a == b


def rounded(value):
    """Seven digits."""
    if isinstance(value, float):
        return float("%.7g" % value)
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(v) for v in value]
    return value


class Folder:
    folders = []

    def __init__(self, name, family, head, tokenizer, labels=None, use_fast=None, max_length=None, options=None, scale=1.0,
                 sharp=1.0, centre=None, settings=None, rows="", note=None, **config):
        """labels: of the classifier.  max_length: the tokenizer's model_max_length.  scale: of all matrices, sharp: of
        the last one.  centre: texts over which no label is to be likelier than others.  settings: further entries of tokenizer_config.json.  rows: what all its cases prove."""
        Folder.folders.append(self)
        self.name, self.path, self.rows = name, ROOT / name, rows.split()
        prefix, config_class, sizes = FAMILIES[family]
        self.cls = getattr(T, prefix + head)
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        source = TOKENIZERS / tokenizer
        for file in source.iterdir():
            if file.name not in ("expected.json", "config.json"):
                shutil.copyfile(file, self.path / file.name)
        self.edit_tokenizer(max_length, settings)
        ids = self.special_ids(source)
        if labels:
            config.update(label_names(labels))
        self.config = config_class(**{**sizes, "vocab_size": ids.pop("vocab_size"), **ids, **config})
        model = draw(self.cls(copy.deepcopy(self.config)), name, scale=scale)
        self.sharpen(model, sharp)
        if centre:
            self.centre(model, centre)
        model.config.architectures = [self.cls.__name__]
        model.config.torch_dtype = "float16"
        model.config.save_pretrained(self.path)
        self.save_weights(model)
        self.strip_config()
        self.single = self.cls.from_pretrained(self.path, torch_dtype=torch.float32).eval()
        self.double = copy.deepcopy(self.single).double()
        fast = {} if use_fast is None else {"use_fast": use_fast}
        self.tokenizer = T.AutoTokenizer.from_pretrained(self.path, **fast)
        if use_fast is not None:
            assert self.tokenizer.is_fast == use_fast, name
        elif self.tokenizer.is_fast and not (self.path / "tokenizer.json").exists():
            fast = {"use_fast": True}  # otherwise the class that the folder names is followed, which is the slow one
        self.entry = {"family": family, "architecture": self.cls.__name__}
        if fast or options:
            self.entry["import_options"] = {**fast, **(options or {})}
        if note:
            self.entry["note"] = note
        self.cases = []

    def special_ids(self, source):
        (self.path / "config.json").write_text((source / "config.json").read_text())
        tokenizer = T.AutoTokenizer.from_pretrained(self.path)
        ids = {k: getattr(tokenizer, k) for k in ("pad_token_id", "bos_token_id", "eos_token_id")}
        return {"vocab_size": len(tokenizer), **{k: v for k, v in ids.items() if v is not None}}

    def edit_tokenizer(self, max_length, settings):
        path = self.path / "tokenizer_config.json"
        config = json.loads(path.read_text())
        config.update(settings or {})
        if max_length:
            config["model_max_length"] = max_length
        path.write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")

    def sharpen(self, model, factor):
        last = [p for n, p in model.named_parameters() if n.endswith("weight") and p.dim() == 2][-1]
        last.mul_(factor)

    def centre(self, model, texts):
        """Random classifiers prefer one label whatever they see."""
        tokenizer = T.AutoTokenizer.from_pretrained(self.path)
        logits = [model(**tokenizer(t, return_tensors="pt")).logits.flatten(0, -2) for t in texts]
        names = [n for n, p in model.named_parameters() if n.endswith("bias") and p.shape == (model.config.num_labels,)]
        mean = torch.cat(logits).mean(0)
        if names:
            dict(model.named_parameters())[names[-1]].sub_(mean)
        else:  # OPT's classifier has none
            hidden = [model.model(**tokenizer(t, return_tensors="pt"))[0][0, -1:] for t in texts]
            hidden = torch.cat(hidden).mean(0)
            model.score.weight.sub_(mean[:, None] * hidden / hidden.square().sum())

    def save_weights(self, model):
        tied = set(getattr(model, "_tied_weights_keys", None) or []) if model.config.tie_word_embeddings else set()
        seen, tensors = set(), {}
        for name, tensor in model.state_dict().items():
            if name in tied or tensor.data_ptr() in seen and tensor.numel():
                continue
            seen.add(tensor.data_ptr())
            tensors[name] = tensor.half().contiguous() if tensor.is_floating_point() else tensor.contiguous()
        save_file(tensors, self.path / "model.safetensors", metadata={"format": "pt"})

    def strip_config(self):
        path = self.path / "config.json"
        config = json.loads(path.read_text())
        config.pop("_name_or_path", None)
        path.write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")

    # ---- cases ----

    def both(self, function):
        """What function(model) gives in double and in single precision."""
        results = []
        for model, dtype in ((self.double, torch.float64), (self.single, torch.float32)):
            torch.set_default_dtype(dtype)
            try:
                results.append(function(model))
            finally:
                torch.set_default_dtype(torch.float32)
        return results

    def case(self, name, function, call, compute, rows="", atol=ATOL, distinct=None, note=None):
        """compute(model) gives the expected rows, or the value.  distinct: the field whose values must not be so close
        that rounding could exchange rows."""
        assert name not in [c["name"] for c in self.cases], (self.name, name)
        expect, single = self.both(compute)
        assert same(expect, single, atol / 4), (self.name, name, expect, single)
        if distinct:
            values = [row[distinct] for row in expect]
            assert all(a - b > 2e-5 * a for a, b in zip(values, values[1:])), (self.name, name, "a tie", values)
        entry = {"name": name, "rows": self.rows + rows.split(), "function": function, "call": call, "expect": expect}
        if atol != ATOL:
            entry["atol"] = atol
        if note:
            entry["note"] = note
        self.cases.append(entry)
        return expect

    def error(self, name, function, call, pattern, rows=""):
        self.cases.append({"name": name, "rows": self.rows + rows.split(), "function": function, "call": call,
                           "expect_error": pattern})

    def document(self):
        """A line for each case, and for each of its rows where there are many."""
        def line(value):
            return json.dumps(rounded(value), ensure_ascii=True, separators=(",", ":"))

        lines = []
        for case in self.cases:
            rows = case.get("expect")
            if isinstance(rows, list) and len(rows) > 2 and isinstance(rows[0], dict):
                head = line({**case, "expect": 0})
                lines.append(head.replace('"expect":0', '"expect":[\n  ' + ",\n  ".join(line(r) for r in rows) + "]"))
            else:
                lines.append(line(case))
        return '{"model":%s,\n"cases":[\n %s\n]}\n' % (line(self.entry), ",\n ".join(lines))

    def write(self):
        for file in self.path.iterdir():
            file.chmod(0o644)
        (self.path / "cases.json").write_text(self.document())
        self.single = self.double = None
        return len(self.cases)
