#!/usr/bin/env python3
"""Makes test/reference/formats: the weights of one small BERT in every container that a checkpoint comes in.

All folders but those under bad/ hold the same numbers, which are exact in every floating type, so that an
importer must make the same image of them.  Run it with torch 2.2.2 and safetensors.
"""
import json
import pathlib
import pickle
import shutil
import struct
import zipfile

import torch
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).resolve().parent / "formats"

CONFIG = {
    "architectures": ["BertModel"],
    "hidden_act": "gelu",
    "hidden_size": 16,
    "intermediate_size": 24,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 12,
    "model_type": "bert",
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "type_vocab_size": 2,
    "vocab_size": 20,
}


def weights():
    torch.manual_seed(20240131)
    hidden, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    state = {}

    def draw(name, *shape, mean=0.0):
        # Six bits behind the leading one, and no small exponents: float16 and bfloat16 hold them exactly.
        values = torch.randn(*shape) * 0.5
        values = (values * 64).round() / 64 + mean
        state[name] = values.to(torch.bfloat16).to(torch.float32)

    def linear(name, rows, columns):
        draw(name + ".weight", rows, columns)
        draw(name + ".bias", rows)

    def norm(name):
        draw(name + ".weight", hidden, mean=1.0)
        draw(name + ".bias", hidden)

    draw("embeddings.word_embeddings.weight", CONFIG["vocab_size"], hidden)
    draw("embeddings.position_embeddings.weight", CONFIG["max_position_embeddings"], hidden)
    draw("embeddings.token_type_embeddings.weight", CONFIG["type_vocab_size"], hidden)
    norm("embeddings.LayerNorm")
    for part in "query", "key", "value":
        linear("encoder.layer.0.attention.self." + part, hidden, hidden)
    linear("encoder.layer.0.attention.output.dense", hidden, hidden)
    norm("encoder.layer.0.attention.output.LayerNorm")
    linear("encoder.layer.0.intermediate.dense", inner, hidden)
    linear("encoder.layer.0.output.dense", hidden, inner)
    norm("encoder.layer.0.output.LayerNorm")
    linear("pooler.dense", hidden, hidden)
    return state


def folder(name):
    path = FOLDER / name
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")
    return path


def halves(state):
    names = sorted(state)
    return names[: len(names) // 2], names[len(names) // 2 :]


def sharded(path, state, stem, suffix, index, save):
    weight_map = {}
    for number, names in enumerate(halves(state), 1):
        file = f"{stem}-{number:05}-of-00002.{suffix}"
        save({name: state[name] for name in names}, path / file)
        weight_map |= {name: file for name in names}
    (path / index).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}, indent=1) + "\n")


def save_torch(state, path):
    torch.save(state, path)


def save_old(state, path):
    torch.save(state, path, _use_new_zipfile_serialization=False)


def old_names(state):
    """As a checkpoint of 2018 with a head: base prefix, gamma and beta, buffers."""
    renamed = {}
    for name, value in state.items():
        name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        renamed["bert." + name] = value
    renamed["bert.embeddings.position_ids"] = torch.arange(CONFIG["max_position_embeddings"]).unsqueeze(0)
    renamed["cls.predictions.bias"] = torch.zeros(CONFIG["vocab_size"])
    return renamed


def views(state):
    """Tensors that share storages: slices of one large one, transposed ones, one with a step."""
    result = {}
    everything = torch.cat([value.reshape(-1) for name, value in state.items() if "LayerNorm" in name])
    at = 0
    for name, value in state.items():
        if "LayerNorm" in name:
            result[name] = everything[at : at + value.numel()]
            at += value.numel()
        elif value.dim() == 2:
            result[name] = value.t().contiguous().t()
        else:
            double = torch.stack([value, torch.full_like(value, 7.0)], dim=1)
            result[name] = double[:, 0]
    assert all(torch.equal(result[name], state[name]) for name in state)
    return result


def repack(source, path, change):
    """Writes a ZIP archive again, each entry changed by change(name, bytes) -> bytes or None."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            data = change(name, old.read(name))
            if data is not None:
                new.writestr(zipfile.ZipInfo(name), data)


class Command:
    """Its pickle calls os.system when loaded by anything less careful."""

    def __reduce__(self):
        import os

        return os.system, ("touch /tmp/pg_infer_was_here",)


def bad(state, good):
    (FOLDER / "bad").mkdir()

    path = folder("bad/command")
    hostile = pickle.dumps({"embeddings.word_embeddings.weight": Command()}, protocol=2)
    hostile = hostile.replace(b"cposix\n", b"cos\n")
    repack(good, path / "pytorch_model.bin", lambda name, data: hostile if name.endswith("data.pkl") else data)

    path = folder("bad/storage_missing")
    repack(good, path / "pytorch_model.bin", lambda name, data: None if name.endswith("/data/3") else data)

    path = folder("bad/storage_short")
    repack(good, path / "pytorch_model.bin", lambda name, data: data[:-4] if name.endswith("/data/3") else data)

    path = folder("bad/byte_order")
    repack(good, path / "pytorch_model.bin", lambda name, data: b"big" if name.endswith("byteorder") else data)

    path = folder("bad/not_a_number")
    broken = dict(state)
    broken["pooler.dense.weight"] = state["pooler.dense.weight"].clone()
    broken["pooler.dense.weight"][3, 5] = float("nan")
    save_file(broken, path / "model.safetensors")

    path = folder("bad/tensor_missing")
    save_file({k: v for k, v in state.items() if not k.endswith("intermediate.dense.bias")}, path / "model.safetensors")

    path = folder("bad/shape")
    broken = dict(state)
    broken["encoder.layer.0.output.dense.weight"] = state["encoder.layer.0.output.dense.weight"].t().contiguous()
    save_file(broken, path / "model.safetensors")

    path = folder("bad/shard_missing")
    sharded(path, state, "model", "safetensors", "model.safetensors.index.json", save_file)
    (path / "model-00002-of-00002.safetensors").unlink()

    path = folder("bad/shard_elsewhere")
    index = {"weight_map": {name: "../../safetensors/model.safetensors" for name in state}}
    (path / "model.safetensors.index.json").write_text(json.dumps(index) + "\n")

    path = folder("bad/model_type")
    (path / "config.json").write_text(json.dumps(CONFIG | {"model_type": "fnord"}) + "\n")
    save_file(state, path / "model.safetensors")

    path = folder("bad/config")
    (path / "config.json").write_text('{"model_type": "bert",\n "hidden_size": }\n')
    save_file(state, path / "model.safetensors")


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    state = weights()
    save_file(state, folder("safetensors") / "model.safetensors", metadata={"format": "pt"})
    sharded(folder("safetensors_sharded"), state, "model", "safetensors", "model.safetensors.index.json", save_file)
    good = folder("torch") / "pytorch_model.bin"
    torch.save(state, good)
    sharded(folder("torch_sharded"), state, "pytorch_model", "bin", "pytorch_model.bin.index.json", save_torch)
    save_old(state, folder("torch_old") / "pytorch_model.bin")
    torch.save(old_names(state), folder("old_names") / "pytorch_model.bin")
    torch.save(views(state), folder("views") / "pytorch_model.bin")
    save_old(views(state), folder("views_old") / "pytorch_model.bin")
    parameters = torch.nn.ParameterDict({k.replace(".", "/"): torch.nn.Parameter(v) for k, v in state.items()})
    torch.save({k.replace("/", "."): v for k, v in parameters.items()}, folder("parameters") / "pytorch_model.bin")
    for name, dtype in ("float16", torch.float16), ("bfloat16", torch.bfloat16), ("float64", torch.float64):
        converted = {k: v.to(dtype) for k, v in state.items()}
        assert all(torch.equal(converted[k].float(), state[k]) for k in state)
        save_file(converted, folder(name) / "model.safetensors", metadata={"format": "pt"})
        torch.save(converted, folder(name + "_torch") / "pytorch_model.bin")
    with zipfile.ZipFile(good) as old:
        with zipfile.ZipFile(folder("torch_deflated") / "pytorch_model.bin", "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                info = zipfile.ZipInfo(name)
                info.compress_type = zipfile.ZIP_DEFLATED
                new.writestr(info, old.read(name))

    # Every storage type: the same small numbers.
    values = [0, 1, 2, 5, 100]
    types = {
        "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
        "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
    }
    tensors = {name: torch.tensor(values).to(dtype) for name, dtype in types.items()}
    tensors |= {name + ".negative": -torch.tensor(values).to(types[name]) for name in types if name not in ("U8", "BOOL")}
    save_file(tensors, folder("dtypes") / "model.safetensors")
    torch.save(tensors, folder("dtypes_torch") / "pytorch_model.bin")
    bad(state, good)


main()
