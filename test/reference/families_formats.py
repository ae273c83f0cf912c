"""Checkpoint formats: one set of weights in every format that is read, and what TensorFlow and Flax classes
compute from their own files.

The weights of the formats are multiples of 1/64 below 4, which half precision and bfloat16 hold exactly: every
folder of formats/ must give the very model, digest included, that its same_digest_as gives.
"""

import collections
import copy
import json
import pickle
import shutil
import tempfile

import flax
import jax
import jax.numpy as jnp
import numpy as np
import tensorflow as tf
import torch
import transformers as T
from jaxlib.xla_extension import ArrayImpl
from safetensors.torch import save_file

import families_bertlike as like
import families_opt
import families_roberta
import families_roformer
from families_bertlike import ALL
from families_common import ROOT, Folder

SIZES = dict(
    vocab_size=24,
    hidden_size=12,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=18,
    max_position_embeddings=16,
)
GRID = 64
SHARD = "3KB"
TEXT = {
    "input_ids": [[3, 7, 11, 19, 23], [4, 4, 18, 5, 0]],
    "attention_mask": [[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]],
}


def config(**changes):
    return T.BertConfig(**{**SIZES, **changes})


def state_of(model):
    """The state_dict as a safetensors file holds it: tied names once, everything contiguous."""
    tied = set(model._tied_weights_keys or [])
    return {
        name: value.clone().contiguous() for name, value in model.state_dict().items() if name not in tied
    }


def safetensors(state, path, form="pt"):
    save_file(state, path, metadata={"format": form})


def save_legacy(state, path):
    """torch.save as before version 1.6, with storages numbered where torch takes their addresses."""
    storages = {}

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if not isinstance(value, torch.storage.TypedStorage):
                return None
            key, _ = storages.setdefault(value._cdata, (str(94000000000000 + 64 * len(storages)), value))
            return ("storage", getattr(torch, value._pickle_storage_type()), key, "cpu", value._size(), None)

    system = {
        "protocol_version": 1001,
        "little_endian": True,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    with open(path, "wb") as file:
        for value in (torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, system):
            pickle.dump(value, file, protocol=2)
        Pickler(file, protocol=2).dump(state)
        pickle.dump([key for key, _ in storages.values()], file, protocol=2)
        file.flush()
        for _, value in storages.values():
            value._untyped_storage._write_file(file, True, True, torch._utils._element_size(value.dtype))


# ---- writers: function(folder, model) ----


def as_safetensors(dtype=torch.float32, change=None):
    def write(folder, model):
        state = {name: value.to(dtype) for name, value in state_of(model).items()}
        safetensors(change(state) if change else state, folder.path / "model.safetensors")

    return write


def as_sharded(safe):
    def write(folder, model):
        model.save_pretrained(folder.path, safe_serialization=safe, max_shard_size=SHARD)

    return write


def as_bin(dtype=torch.float32, legacy=False, change=None):
    def write(folder, model):
        state = collections.OrderedDict((name, value.to(dtype)) for name, value in model.state_dict().items())
        if change:
            state = change(state)
        (save_legacy if legacy else torch.save)(state, folder.path / "pytorch_model.bin")

    return write


def views(state):
    """Transposed views, and rows of one long storage: strides and offsets that are not the plain ones."""
    vectors = [name for name, value in state.items() if value.dim() == 1]
    joined = torch.cat([state[name] for name in vectors])
    spread = torch.stack([joined, -joined], 1).flatten()
    offset = 0
    result = collections.OrderedDict()
    for name, value in state.items():
        if value.dim() == 1:
            result[name] = spread[2 * offset : 2 * (offset + len(value)) : 2]
            offset += len(value)
        else:
            result[name] = value.t().contiguous().t()
        assert (result[name] == value).all()
    return result


def parameters(state):
    return {
        name: torch.nn.Parameter(value, requires_grad=value.is_floating_point())
        for name, value in state.items()
    }


def old_names(state):
    return type(state)(
        (
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"),
            value,
        )
        for name, value in state.items()
    )


def extras(state):
    state["bert.embeddings.position_ids"] = torch.arange(16)[None]
    state["bert.embeddings.token_type_ids"] = torch.zeros(1, 16, dtype=torch.long)
    state["cls.predictions.bias"] = torch.zeros(24)
    state["bert.encoder.num_batches_tracked"] = torch.tensor(7)
    return state


def prefixed(state):
    return {"bert." + name: value for name, value in state.items()}


def tied_copies(state):
    state["cls.predictions.decoder.weight"] = state["bert.embeddings.word_embeddings.weight"].clone()
    state["cls.predictions.decoder.bias"] = state["cls.predictions.bias"].clone()
    return state


def another_copy(state):
    state["cls.predictions.decoder.weight"] = (
        state["bert.embeddings.word_embeddings.weight"].flip(0).contiguous()
    )
    return state


def decoder_bias(state):
    state["cls.predictions.decoder.bias"] = state.pop("cls.predictions.bias")
    return state


def in_framework(folder, model, prefix):
    """The TensorFlow or Flax class with the weights of a PyTorch model."""
    with tempfile.TemporaryDirectory() as scratch:
        model.save_pretrained(scratch, safe_serialization=False)
        cls = getattr(T, prefix + type(model).__name__)
        return cls.from_pretrained(scratch, from_pt=True)


def as_tensorflow(**options):
    def write(folder, model):
        other = in_framework(folder, model, "TF")
        saved = (folder.path / "config.json").read_text()
        other.save_pretrained(folder.path, **options)
        (folder.path / "config.json").write_text(saved)
        folder.other = other

    return write


def as_flax(dtype=None, chunk=None, **options):
    def write(folder, model):
        other = in_framework(folder, model, "Flax")
        saved = (folder.path / "config.json").read_text()
        parameters = {None: lambda p: p, "float16": other.to_fp16, "bfloat16": other.to_bf16}[dtype](
            other.params
        )
        usual = flax.serialization.MAX_CHUNK_SIZE
        flax.serialization.MAX_CHUNK_SIZE = chunk or usual
        other.save_pretrained(folder.path, params=parameters, **options)
        flax.serialization.MAX_CHUNK_SIZE = usual
        (folder.path / "config.json").write_text(saved)
        folder.other = other

    return write


# ---- one model in every format ----


def read_back(cls, path, prefix):
    """The model as Transformers reads the folder; through the framework's own class where PyTorch has no reader."""
    with tempfile.TemporaryDirectory() as scratch:
        if prefix and not (path / "tf_model.h5").exists() and not (path / "flax_model.msgpack").exists():
            getattr(T, prefix + cls.__name__).from_pretrained(path).save_pretrained(scratch)
            path = scratch
        options = {"TF": {"from_tf": True}, "Flax": {"from_flax": True}}.get(prefix, {})
        return cls.from_pretrained(path, **options)


def same(a, b):
    return all(
        (a[name].float() == value.float()).all() for name, value in b.items() if value.is_floating_point()
    )


def every_format():
    classes = {
        "bert": (T.BertForSequenceClassification, config(num_labels=3)),
        "bert-base": (T.BertModel, config()),
        "bert-lm": (T.BertForMaskedLM, config()),
        "bert-question": (T.BertForQuestionAnswering, config()),
    }
    formats = {
        "bert": {
            "safetensors": ("CM-01", as_safetensors()),
            "safetensors-sharded": ("CM-01", as_sharded(True)),
            "safetensors-fp16": ("CM-01 CM-20", as_safetensors(torch.float16)),
            "safetensors-bf16": ("CM-01 CM-20", as_safetensors(torch.bfloat16)),
            "safetensors-fp64": ("CM-01", as_safetensors(torch.float64)),
            "safetensors-gamma-beta": (
                "CM-06",
                as_safetensors(change=lambda s: dict(old_names(collections.OrderedDict(s)))),
            ),
            "safetensors-extras": ("CM-06", as_safetensors(change=extras)),
            "bin": ("CM-02", as_bin()),
            "bin-sharded": ("CM-02", as_sharded(False)),
            "bin-legacy": ("CM-02", as_bin(legacy=True)),
            "bin-views": ("CM-02", as_bin(change=views)),
            "bin-legacy-views": ("CM-02", as_bin(legacy=True, change=views)),
            "bin-parameters": ("CM-02", as_bin(change=parameters)),
            "bin-fp16": ("CM-02 CM-20", as_bin(torch.float16)),
            "bin-bf16": ("CM-02 CM-20", as_bin(torch.bfloat16)),
            "bin-double": ("CM-02", as_bin(torch.float64)),
            "bin-legacy-fp16": ("CM-02 CM-20", as_bin(torch.float16, legacy=True)),
            "bin-gamma-beta": ("CM-02 CM-06", as_bin(change=old_names)),
            "bin-extras": ("CM-02", as_bin(change=extras)),
            "h5": ("CM-03", as_tensorflow()),
            "h5-sharded": ("CM-03", as_tensorflow(max_shard_size=SHARD)),
            "tf-safetensors": ("CM-05", as_tensorflow(safe_serialization=True)),
            "msgpack": ("CM-04", as_flax()),
            "msgpack-sharded": ("CM-04", as_flax(max_shard_size=SHARD)),
            "msgpack-chunked": ("CM-04", as_flax(chunk=256)),
            "msgpack-fp16": ("CM-04 CM-20 RF-77 OP-32", as_flax("float16")),
            "msgpack-bf16": ("CM-04 CM-20 RF-77 OP-32", as_flax("bfloat16")),
            "flax-safetensors": ("CM-05", as_flax(safe_serialization=True)),
        },
        "bert-base": {
            "safetensors": ("CM-06", as_safetensors()),
            "prefixed": ("CM-06", as_safetensors(change=prefixed)),
            "bin-prefixed": ("CM-02 CM-06", as_bin(change=prefixed)),
            "h5": ("CM-03", as_tensorflow()),
            "msgpack": ("CM-04", as_flax()),
            "tf-safetensors": ("CM-05", as_tensorflow(safe_serialization=True)),
            "flax-safetensors": ("CM-05", as_flax(safe_serialization=True)),
        },
        "bert-lm": {
            "safetensors": ("CM-06", as_safetensors()),
            "tied-copies": ("CM-06", as_safetensors(change=tied_copies)),
            "decoder-bias": ("CM-06", as_safetensors(change=decoder_bias)),
            "bin": ("CM-02 CM-06", as_bin()),
            "h5": ("CM-03", as_tensorflow()),
            "tf-safetensors": ("CM-05", as_tensorflow(safe_serialization=True)),
            "msgpack": ("CM-04", as_flax()),
        },
        "bert-question": {
            "safetensors": ("CM-01", as_safetensors()),
            "tf-safetensors": ("CM-05", as_tensorflow(safe_serialization=True)),
        },
    }
    notes = {
        "tf-safetensors": "names without their first component; a head of one layer is just kernel:0 and bias:0",
        "msgpack-chunked": "arrays above 256 bytes are chunked, as Flax does above 2**30",
    }
    for stem, (cls, shape) in classes.items():
        reference = None
        for name, (rows, write) in formats[stem].items():
            first = f"formats/{stem}-safetensors"
            full = f"formats/{stem}-{name}"
            f = Folder(
                full,
                cls,
                shape,
                weights=first,
                grid=GRID,
                write=write,
                same_digest_as=None if full == first else first,
                note=notes.get(name),
            )
            f.import_rows(rows)
            if reference is None:
                reference = f.original.state_dict()
                f.case("plain", rows, TEXT, valid=TEXT["attention_mask"])
                configuration = (f.path / "config.json").read_text()
            else:
                prefix = (
                    "TF"
                    if "h5" in name or "tf-" in name
                    else "Flax" if "msgpack" in name or "flax" in name else ""
                )
                assert same(reference, read_back(cls, f.path, prefix).state_dict()), full
                (f.path / "config.json").write_text(configuration)


def tied_but_different():
    f = Folder(
        "formats/bert-lm-another-copy",
        T.BertForMaskedLM,
        config(),
        grid=GRID,
        write=as_safetensors(change=another_copy),
    )
    note = (
        "the file's decoder.weight differs from the embedding it is tied to: Transformers has one tensor for both"
        " names and reads the head last, so the embedding becomes the decoder's copy"
    )
    f.case("plain", "CM-06", TEXT, valid=TEXT["attention_mask"], note=note)
    assert (
        f.single.bert.embeddings.word_embeddings.weight
        == f.original.bert.embeddings.word_embeddings.weight.flip(0)
    ).all()


def precision():
    """Half-precision files whose weights are not on a grid, next to nothing else: the values are the file's."""
    for dtype, name in ((torch.float16, "fp16"), (torch.bfloat16, "bf16")):
        key = f"precision-{name}"
        f = Folder(
            f"formats/{key}-safetensors",
            T.BertForMaskedLM,
            config(),
            weights=key,
            write=as_safetensors(dtype),
            edit={"torch_dtype": str(dtype)[6:]},
        )
        f.case("plain", "CM-20", TEXT, valid=TEXT["attention_mask"])
        f = Folder(
            f"formats/{key}-bin",
            T.BertModel,
            config(),
            weights=key,
            write=as_bin(dtype),
            edit={"torch_dtype": str(dtype)[6:]},
        )
        f.case("plain", "CM-20", TEXT, valid=TEXT["attention_mask"])
    for dtype in ("float16", "bfloat16"):
        f = Folder(
            f"formats/precision-{dtype}-msgpack",
            T.BertModel,
            config(),
            weights="precision-flax",
            write=as_flax(dtype),
            reload=lambda path: T.BertModel.from_pretrained(path, from_flax=True),
        )
        f.case("plain", "CM-20 CM-04", TEXT, valid=TEXT["attention_mask"])


class Hostile:
    """Pickles as a call of a function that is none of torch's."""

    def __reduce__(self):
        return (print, ("a checkpoint has run code",))


def hostile(legacy):
    def change(state):
        state["bert.embeddings.position_ids"] = Hostile()
        return state

    return as_bin(legacy=legacy, change=change)


def without(name):
    def change(state):
        del state[name]
        return state

    return change


def refused():
    cls, shape = T.BertModel, config()
    pooler = "pooler.dense.bias"
    layer = "encoder.layer.1.output.dense.weight"

    def cut(folder, model):
        as_safetensors()(folder, model)
        path = folder.path / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-100])

    def header(folder, model):
        as_safetensors()(folder, model)
        path = folder.path / "model.safetensors"
        path.write_bytes((2**62).to_bytes(8, "little") + path.read_bytes()[8:])

    def missing_shard(folder, model):
        as_sharded(True)(folder, model)
        sorted(folder.path.glob("model-*.safetensors"))[1].unlink()

    def outside(folder, model):
        as_sharded(True)(folder, model)
        path = folder.path / "model.safetensors.index.json"
        index = json.loads(path.read_text())
        index["weight_map"] = {name: "../" + file for name, file in index["weight_map"].items()}
        path.write_text(json.dumps(index, indent=1, sort_keys=True) + "\n")

    def reshaped(state):
        state["encoder.layer.0.intermediate.dense.weight"] = (
            state["encoder.layer.0.intermediate.dense.weight"].t().contiguous()
        )
        return state

    def text(file):
        return lambda folder, model: (folder.path / file).write_text("this is no checkpoint\n" * 40)

    for name, write, pattern, rows in (
        ("bin-hostile", hostile(False), "print|builtins", "CM-02"),
        ("bin-legacy-hostile", hostile(True), "print|builtins", "CM-02"),
        (
            "missing-bias",
            as_safetensors(change=without(layer.replace("weight", "bias"))),
            "encoder.layer.1.output.dense.bias",
            "CM-01",
        ),
        ("missing-weight", as_safetensors(change=without(layer)), layer, "CM-01"),
        ("half-a-pooler", as_safetensors(change=without(pooler)), "pooler", "CM-01"),
        ("wrong-shape", as_safetensors(change=reshaped), "intermediate.dense", "CM-01"),
        ("safetensors-cut", cut, "safetensors", "CM-01"),
        ("safetensors-header", header, "safetensors", "CM-01"),
        ("shard-missing", missing_shard, "model-0000", "CM-01"),
        ("shard-outside", outside, r"\.\./|index", "CM-01"),
        ("no-weights", lambda folder, model: None, "safetensors|weights|checkpoint", "CM-01"),
        ("text-as-bin", text("pytorch_model.bin"), "pytorch_model.bin", "CM-02"),
        ("text-as-h5", text("tf_model.h5"), "tf_model.h5", "CM-03"),
        ("text-as-msgpack", text("flax_model.msgpack"), "flax_model.msgpack", "CM-04"),
    ):
        Folder(
            f"formats/{name}",
            cls,
            shape,
            weights="formats/bert-base-safetensors",
            grid=GRID,
            write=write,
            import_error=pattern,
        ).import_rows(rows)

    def both(folder, model):
        as_safetensors()(folder, model)
        other = copy.deepcopy(model)
        other.embeddings.word_embeddings.weight.zero_()
        torch.save(other.state_dict(), folder.path / "pytorch_model.bin")

    Folder(
        "formats/two-formats",
        cls,
        shape,
        weights="formats/bert-base-safetensors",
        grid=GRID,
        write=both,
        same_digest_as="formats/bert-base-safetensors",
        note="a safetensors file goes before a .bin",
    ).import_rows("CM-01")


# ---- TensorFlow's and Flax's own numbers ----


def fields_of(output, call, drop=()):
    """As families_common.collect, of a TensorFlow or Flax output."""
    fields = {}
    for name in (
        "loss",
        "logits",
        "start_logits",
        "end_logits",
        "last_hidden_state",
        "pooler_output",
        "hidden_states",
        "attentions",
    ):
        value = output.get(name)
        if value is None or name in drop:
            continue
        if name in ("hidden_states", "attentions"):
            parts = [np.asarray(part) for part in value]
            if parts[-1].shape != parts[0].shape:
                fields["last_hidden_state"] = parts.pop()
            fields[name] = np.stack(parts)
        else:
            fields[name] = float(np.mean(value)) if name == "loss" else np.asarray(value)
    return fields


def tensorflow_outputs(f, call):
    arguments = {k: v if isinstance(v, bool) else tf.constant(np.asarray(v)) for k, v in call.items()}
    return fields_of(f.other(arguments), call)


def flax_outputs(f, call):
    arguments = {k: v if isinstance(v, bool) else jnp.array(np.asarray(v)) for k, v in call.items()}
    return fields_of(f.other(**arguments), call)


def framework_folder(name, cls, config, prefix, **options):
    """A folder with the framework's file; .other is the framework's class, loaded from that file."""
    from_other = {"TF": "from_tf", "Flax": "from_flax"}[prefix]
    write = as_tensorflow() if prefix == "TF" else as_flax()
    f = Folder(
        name,
        cls,
        config,
        write=write,
        reload=lambda path: cls.from_pretrained(path, **{from_other: True}),
        **options,
    )
    f.other = getattr(T, prefix + cls.__name__).from_pretrained(f.path)
    f.run = lambda call: (tensorflow_outputs if prefix == "TF" else flax_outputs)(f, call)
    return f


def framework_case(f, name, rows, call, **options):
    fields = f.run(call)
    only = options.pop("keep", None)
    if only:
        fields = {k: v for k, v in fields.items() if k in only}
    f.framework_case(name, rows, call, fields, **options)


def roformer():
    """The heads in both frameworks; Flax has no causal class and embeddings as wide as the encoder."""
    sizes = families_roformer.SMALL
    losses = {
        "MaskedLM": {"labels": [[-100, 4, -100, 9, -100], [2, -100, 5, -100, -100]]},
        "CausalLM": {"labels": [[4, 8, 12, 16, -100], [2, 5, 7, -100, -100]]},
        "SequenceClassification": {"labels": [2, 0]},
        "MultipleChoice": {"labels": [1, 0]},
        "TokenClassification": {"labels": [[0, 1, 2, 1, 0], [2, 2, 1, 0, 0]]},
        "QuestionAnswering": {"start_positions": [1, 0], "end_positions": [3, 2]},
    }
    rows = {
        "TF": dict(
            Model=60,
            MaskedLM=61,
            CausalLM=62,
            SequenceClassification=63,
            MultipleChoice=64,
            TokenClassification=65,
            QuestionAnswering=66,
        ),
        "Flax": dict(
            Model=70,
            MaskedLM=71,
            SequenceClassification=72,
            MultipleChoice=73,
            TokenClassification=74,
            QuestionAnswering=75,
        ),
    }
    examples = {"TF": "RF-69", "Flax": "RF-78"}
    for prefix, heads in rows.items():
        for head, row in heads.items():
            cls = getattr(T, "RoFormer" + ("Model" if head == "Model" else "For" + head))
            changes = {} if prefix == "Flax" else {"embedding_size": 10}
            if head in ("SequenceClassification", "TokenClassification"):
                changes["num_labels"] = 3
            short = "".join("-" + c.lower() if c.isupper() else c for c in head.replace("LM", "Lm")).strip(
                "-"
            )
            f = framework_folder(
                f"roformer-{prefix.lower()}-{short}", cls, T.RoFormerConfig(**{**sizes, **changes}), prefix
            )
            mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]])
            call = {**f.tokens(2, 5, mask=mask), "attention_mask": mask, "token_type_ids": f.types(2, 5)}
            valid = mask
            if head == "MultipleChoice":
                call = like.choice_tokens(f, like.CHOICES)
                valid = None
            note = None
            if head == "CausalLM":
                note = "TensorFlow's class has no causal mask: a folder whose config does not say is_decoder"
            framework_case(f, "plain", f"RF-{row} {examples[prefix]}", call, valid=valid, note=note)
            if head == "Model":
                f.cases[-1]["expect"]["pooler_output"] = None
                framework_case(f, "outputs", f"RF-{row} RF-37", {**call, **ALL}, valid=valid)
                if prefix == "TF":
                    framework_case(
                        f, "embeds", f"RF-{row} RF-36", {"inputs_embeds": f.embeds(2, 4).astype(np.float32)}
                    )
                else:
                    f.error(
                        "position-ids",
                        "RF-76",
                        {**call, "position_ids": [[0, 1, 2, 3, 4]] * 2},
                        "position_ids",
                    )
            elif prefix == "TF":
                note = (
                    "the mean of the losses that TensorFlow gives, one per example, or one for all"
                    if "LM" not in head
                    else None
                )
                framework_case(
                    f, "loss", f"RF-67 RF-{row}", {**call, **losses[head]}, keep=["loss"], note=note
                )
    summary = T.RoFormerConfig(
        **sizes, summary_type="first", summary_use_proj=True, summary_activation="tanh"
    )
    f = framework_folder("roformer-tf-summary", T.RoFormerForMultipleChoice, summary, "TF")
    framework_case(f, "plain", "RF-64 RF-52", like.choice_tokens(f, like.CHOICES))


def opt_model(prefix, rows):
    f = framework_folder(f"opt-{prefix.lower()}-model", T.OPTModel, T.OPTConfig(**families_opt.SMALL), prefix)
    call = {**f.tokens(2, 6, mask=like.LEFT), "attention_mask": like.LEFT}
    framework_case(f, "padded-left", rows + " OP-09", call, valid=like.LEFT)
    call = {**f.tokens(2, 5), "attention_mask": np.ones((2, 5), int)}
    framework_case(f, "outputs", "OP-29" if prefix == "Flax" else "OP-15 OP-16", {**call, **ALL})
    if prefix == "Flax":
        shifted = {**call, "position_ids": [[3, 4, 5, 6, 7], [9, 7, 5, 3, 1]]}
        framework_case_alone(
            f,
            "position-ids",
            "OP-26",
            shifted,
            "Flax alone reads position_ids: row position_ids + 2 of the table",
        )
    else:
        heads = np.array([[1.0, 0.25], [0.5, -1.5]], np.float32)
        framework_case(f, "head-mask", "OP-11", {**call, "head_mask": heads})
        framework_case(f, "embeds", "OP-14", {"inputs_embeds": f.embeds(2, 4).astype(np.float32)})


def opt():
    for prefix, base_rows, lm_rows in (("TF", "OP-07", "OP-20 OP-24"), ("Flax", "OP-25 OP-30", "OP-31")):
        opt_model(prefix, base_rows)
        for name, changes in (
            ("", {}),
            ("-post-norm", dict(do_layer_norm_before=False, word_embed_proj_dim=8)),
        ):
            more = " OP-02 OP-03" if name else ""
            f = framework_folder(
                f"opt-{prefix.lower()}-causal-lm{name}",
                T.OPTForCausalLM,
                T.OPTConfig(**families_opt.SMALL, **changes),
                prefix,
            )
            call = {**f.tokens(2, 6, mask=like.RIGHT), "attention_mask": like.RIGHT}
            framework_case(f, "logits", lm_rows + more, call, valid=like.RIGHT)
            if prefix == "TF":
                labels = np.where(like.RIGHT == 1, call["input_ids"], -100)
                framework_case(f, "loss", "OP-22", {**call, "labels": labels}, keep=["loss"])
                plain = f.tokens(2, 5)
                framework_case(f, "no-position-ids", "OP-21", plain)
                numbered = {**plain, "position_ids": np.tile(np.arange(5), (2, 1))}
                note = "TensorFlow accepts position_ids and ignores them; here they say what holds anyway"
                framework_case_alone(f, "position-ids", "OP-21", numbered, note)
                first, second = (case["expect"]["logits"] for case in f.cases[-2:])
                assert (first == second).all()
            whole = f.tokens(2, 6)
            f.case("whole", lm_rows, {**whole, "use_cache": False})
            cuts = [(0, 3), (3, 4), (4, 6)]
            f.steps(
                "steps",
                "OP-27 OP-23" if prefix == "Flax" else "OP-23 OP-12",
                [like.next_tokens(f, whole, a, b) for a, b in cuts],
                full="whole",
                keep=["logits"],
            )
            if prefix == "Flax":
                assert (
                    np.abs(flax_in_steps(f, whole["input_ids"], cuts) - f.results["whole"]["logits"]).max()
                    < 5e-5
                )


def framework_case_alone(f, name, rows, call, note):
    """A case that PyTorch's class cannot run."""
    double, f.double = f.double, None
    framework_case(f, name, rows, call, note=note)
    f.double = double


def flax_in_steps(f, ids, cuts):
    """The logits of Flax's own cache."""
    cache, logits = f.other.init_cache(ids.shape[0], ids.shape[1]), []
    for first, last in cuts:
        positions = jnp.tile(jnp.arange(first, last), (ids.shape[0], 1))
        mask = jnp.ones(ids.shape, dtype="i4")
        output = f.other(
            jnp.array(ids[:, first:last]), attention_mask=mask, position_ids=positions, past_key_values=cache
        )
        cache = output.past_key_values
        logits.append(np.asarray(output.logits))
    return np.concatenate(logits, 1)


def roberta():
    for prefix, row in (("TF", "RP-33"), ("Flax", "RP-34")):
        cls = T.RobertaPreLayerNormForSequenceClassification
        f = framework_folder(
            f"roberta-{prefix.lower()}-sequence", cls, families_roberta.small(num_labels=3), prefix
        )
        call = {
            **f.tokens(2, 6, mask=like.RIGHT),
            "attention_mask": like.RIGHT,
            "token_type_ids": f.types(2, 6),
        }
        framework_case(f, "logits", row, {**call, **ALL}, valid=like.RIGHT)
        if prefix == "TF":
            framework_case(f, "loss", row + " RP-12", {**call, "labels": [2, 1]}, keep=["loss"])
        f = framework_folder(
            f"roberta-{prefix.lower()}-masked-lm",
            T.RobertaPreLayerNormForMaskedLM,
            families_roberta.small(),
            prefix,
        )
        framework_case(f, "logits", row + " RP-36", f.tokens(2, 5))


def make():
    shutil.rmtree(ROOT / "formats", ignore_errors=True)
    split = lambda self, parts, axis=0: jnp.split(
        self, parts, axis
    )  # FlaxRoFormer wants arrays that split themselves
    ArrayImpl.split = jax.core.Tracer.split = split
    every_format()
    tied_but_different()
    precision()
    refused()
    roformer()
    opt()
    roberta()
