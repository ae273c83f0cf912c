"""The frame of the family fixtures: a Folder is one checkpoint with the cases that are run on it.

Weights are drawn from numpy's PCG64 with a seed made of the folder's name, so the same versions give the same
files.  Deviations are wide (matrices 0.25 to 0.6, tables 0.6, biases 0.3, norms 1 +- 0.3): with the usual
initialisation of 0.02 most mistakes of a forward pass would stay below any tolerance.

The expected values are those of the Transformers class, loaded again from the files just written and
evaluated in double precision; every case also runs in single precision and must agree within a quarter of
its tolerance, so that a case which amplifies rounding never gets into the set.
"""

import copy
import json
import math
import pathlib
import shutil
import warnings
import zlib

import numpy as np
import torch
import transformers
from transformers.activations import ACT2FN
from transformers.models.mega.modeling_mega import MegaMultiDimensionDampedEma
from transformers.models.roformer.modeling_roformer import RoFormerSinusoidalPositionalEmbedding

ROOT = pathlib.Path(__file__).resolve().parent / "families"
ATOL = 1e-4
DELETE = object()

# Arguments of infer.forward that hold floating-point values; the others hold integers unless noted below.
FLOATS = {"head_mask", "inputs_embeds", "encoder_hidden_states"}
# Integers when all their values are, else floating-point.
EITHER = {"attention_mask", "encoder_attention_mask", "labels"}
PER_TOKEN = {
    "input_ids",
    "attention_mask",
    "token_type_ids",
    "position_ids",
    "input_shape_ids",
    "input_pronunciation_ids",
}
SWITCHES = {"use_cache", "output_hidden_states", "output_attentions"}
FIELDS = (
    "loss logits seq_relationship_logits start_logits end_logits last_hidden_state pooler_output"
    " hidden_states attentions cross_attentions"
).split()
# Fields with a position axis: (field, axis of the batch, axis of the position).
POSITIONAL = {
    "last_hidden_state": (0, 1),
    "logits": (0, 1),
    "start_logits": (0, 1),
    "end_logits": (0, 1),
    "hidden_states": (1, 2),
    "attentions": (1, 3),
    "cross_attentions": (1, -2),
}


class Selu(torch.nn.Module):
    """Named by the documentation's configs, absent from the activation table of 4.37.2."""

    def forward(self, x):
        return 1.0507009873554805 * torch.where(x > 0, x, 1.6732632423543772 * (torch.exp(x) - 1))


def same_precision_convolution(self, inputs, kernel, length):
    """MEGA's convolution, which Transformers forces to single precision."""
    product = torch.fft.rfft(inputs, n=2 * length) * torch.fft.rfft(kernel, n=2 * length)
    return torch.fft.irfft(product, n=2 * length)


def prepare():
    ACT2FN["selu"] = Selu
    MegaMultiDimensionDampedEma.fft_convolution = same_precision_convolution
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)


def generator(key):
    return np.random.default_rng(zlib.crc32(key.encode()))


# ---- weights ----


def drawn(name, shape, rng, scale):
    leaf = name.rsplit(".", 1)[-1]
    normal = rng.standard_normal(shape)
    if leaf == "running_var":
        return 0.5 + np.abs(normal)
    if leaf == "running_mean":
        return 0.5 * normal
    if leaf in ("damping_factor", "decay_factor", "kernel_projection_matrix"):
        return normal
    if leaf in ("ema_expansion_matrix", "residual_weight", "rel_pos_bias"):
        return 0.6 * normal
    if leaf == "qk_weight":
        return 1 + 0.5 * normal
    if leaf in ("alpha", "b_param"):
        return 0.4 * normal
    if leaf == "scalar" or (leaf == "weight" and "norm" in name.lower().rsplit(".", 2)[-2]):
        return 1 + 0.3 * normal
    if len(shape) >= 2:
        return normal * (0.6 if "embed" in name else scale * min(0.6, max(0.25, 1.6 / math.sqrt(shape[1]))))
    return 0.3 * normal


def draw(model, key, grid=None, scale=1.0):
    """Draws every parameter and running statistic anew.

    grid: rounded to multiples of 1/grid, at most 3.75.  scale: of the linear layers' matrices.
    """
    rng = generator(key)
    fixed = {
        id(p)
        for m in model.modules()
        if isinstance(m, RoFormerSinusoidalPositionalEmbedding)
        for p in m.parameters()
    }
    tensors = list(model.named_parameters())
    tensors += [(n, b) for n, b in model.named_buffers() if n.endswith(("running_mean", "running_var"))]
    for name, tensor in sorted(tensors, key=lambda item: item[0]):
        if id(tensor) not in fixed:
            values = drawn(name, tuple(tensor.shape), rng, scale)
            if grid:
                values = np.clip(np.round(values * grid) / grid, -3.75, 3.75)
            tensor.copy_(torch.tensor(values, dtype=torch.float32))
    return model.eval()


def shrink(factor):
    """Makes the embeddings, and the statistics of a first batchnorm, so small that a norm's epsilon shows."""

    def change(model):
        for name, parameter in model.named_parameters():
            if "embeddings.weight" in name or "embed_tokens" in name or "embed_positions.weight" in name:
                if parameter.requires_grad:
                    parameter.mul_(factor)
        for name, buffer in model.named_buffers():
            if "mega_layer" in name and name.endswith(("running_mean", "running_var")):
                buffer.mul_(factor if name.endswith("mean") else factor**2)

    return change


# ---- JSON with a row of numbers per line ----


def scalar(value):
    if isinstance(value, (float, np.floating)):
        value = float(value)
        if not math.isfinite(value):
            return json.dumps("NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity")
        return "%.8g" % value
    if isinstance(value, np.integer):
        value = int(value)
    return json.dumps(value, ensure_ascii=False)


def text(value, indent=0):
    pad = " " * (indent + 1)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, dict):
        if not value:
            return "{}"
        lines = [f"{pad}{json.dumps(key)}: {text(item, indent + 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + "\n" + " " * indent + "}"
    if isinstance(value, (list, tuple)):
        if not any(isinstance(item, (dict, list, tuple, np.ndarray)) for item in value):
            return "[" + ", ".join(scalar(item) for item in value) + "]"
        return "[\n" + ",\n".join(pad + text(item, indent + 1) for item in value) + "\n" + " " * indent + "]"
    return scalar(value)


# ---- calls and outputs ----


def is_integral(value):
    return np.issubdtype(np.asarray(value).dtype, np.integer)


def torch_arguments(call, dtype):
    """infer.forward's arguments as the Transformers class takes them."""
    arguments = {}
    for name, value in call.items():
        if name == "past":
            continue
        if name in SWITCHES:
            arguments[name] = value
            continue
        floating = name in FLOATS or (name in EITHER and not is_integral(value))
        tensor = torch.tensor(np.asarray(value), dtype=dtype if floating else torch.long)
        if name in PER_TOKEN and np.ndim(call.get("input_ids", [[]])) == 1:
            tensor = tensor[None]
        arguments[name] = tensor
    return arguments


def to_numpy(value):
    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)


def collect(output, call):
    """The fields of infer.output that the class returned."""
    fields = {}
    for field in FIELDS:
        source = "prediction_logits" if field == "logits" and "prediction_logits" in output else field
        value = output.get(source)
        if value is None:
            continue
        if field == "cross_attentions" and "encoder_hidden_states" not in call:
            fields[field] = None  # Transformers puts the cache there
            continue
        if field == "loss":
            fields[field] = float(np.mean(to_numpy(value)))
        elif field in ("hidden_states", "attentions", "cross_attentions"):
            parts = [to_numpy(part) for part in value if part is not None]
            if field == "hidden_states" and parts[-1].shape != parts[0].shape:
                fields["last_hidden_state"] = parts.pop()
            if parts:
                fields[field] = np.stack(parts)
        else:
            fields[field] = to_numpy(value)
    if "use_cache" in call:
        fields["past"] = True if output.get("past_key_values") is not None else None
    return {name: fields[name] for name in FIELDS + ["past"] if name in fields}


def deviation(a, b):
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    assert a.shape == b.shape, (a.shape, b.shape)
    assert (np.isnan(a) == np.isnan(b)).all(), "NaN in one precision only"
    return float(np.nanmax(np.abs(a - b))) if a.size and not np.isnan(a).all() else 0.0


def only_valid(field, value, valid, call):
    """The entries of a field that belong to real positions."""
    if valid is None or field not in POSITIONAL or np.ndim(value) < 2:
        return value
    valid = np.asarray(valid, dtype=bool)
    batch, position = POSITIONAL[field]
    value = np.asarray(value)
    position %= value.ndim
    if value.shape[batch] != valid.shape[0] or value.shape[position] != valid.shape[1]:
        return value
    return np.moveaxis(value, (batch, position), (0, 1))[valid]


class Folder:
    """One folder of test/reference/families: a checkpoint, how it is imported, and its cases."""

    folders = []
    rounding = []  # how far single precision was from double, as a part of the tolerance

    def __init__(
        self,
        name,
        cls,
        config,
        stored_as=None,  # the class whose checkpoint is written; default: cls
        weights=None,  # key of the draw; default: the folder's name
        grid=None,
        scale=1.0,
        write=None,  # function(folder, model): writes the weights in another format
        edit=None,  # keys of config.json to set, or DELETE
        minimal=None,  # config.json holds these keys alone
        change=None,  # function(model): changes weights after the draw
        options=None,  # the options of infer.create_model
        import_error=None,  # regular expression; the folder has no cases then
        same_digest_as=None,
        reload=None,  # function(path) that gives the model back; default: cls.from_pretrained
        extra=None,  # function(folder, shape): further inputs of the family
        low=3,
        note=None,
    ):
        assert name not in [f.name for f in Folder.folders], name
        Folder.folders.append(self)
        self.name, self.cls, self.config = name, cls, config
        self.path = ROOT / name
        self.rng = generator(name + " inputs")
        self.extra_inputs, self.low = extra, low
        self.cases, self.rows = [], []
        self.results = {}
        self.model_entry = {
            "family": config.model_type,
            "architecture": cls.__name__,
        }
        if options:
            self.model_entry["import_options"] = options
        if import_error:
            self.model_entry["expect_import_error"] = import_error
        if same_digest_as:
            self.model_entry["same_digest_as"] = same_digest_as
        if note:
            self.model_entry["note"] = note

        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        stored = stored_as or cls
        model = draw(stored(copy.deepcopy(config)), weights or name, grid, scale)
        if change:
            change(model)
        self.original = model
        if write:
            model.config.architectures = [stored.__name__]
            model.config.torch_dtype = "float32"
            model.config.save_pretrained(self.path)
            write(self, model)
        else:
            model.save_pretrained(self.path, safe_serialization=True)
        (self.path / "generation_config.json").unlink(missing_ok=True)
        self.edit_config(edit, minimal)
        for file in self.path.iterdir():
            file.chmod(0o644)
        self.single = self.double = None
        if not import_error and not same_digest_as:
            self.single = (reload or self.reloaded)(self.path).eval()
            self.double = copy.deepcopy(self.single).double()

    def edit_config(self, edit, minimal):
        path = self.path / "config.json"
        config = minimal or json.loads(path.read_text())
        for key, value in (edit or {}).items():
            if value is DELETE:
                config.pop(key, None)
            else:
                config[key] = value
        path.write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")

    def reloaded(self, path):
        model, info = self.cls.from_pretrained(path, output_loading_info=True)
        assert not info["missing_keys"] and not info["mismatched_keys"], (self.name, info)
        return model

    # ---- inputs ----

    @property
    def pad(self):
        return self.config.pad_token_id

    def ids(self, *shape, mask=None):
        ids = self.rng.integers(self.low, self.config.vocab_size, shape)
        return ids if mask is None else np.where(np.asarray(mask) > 0, ids, self.pad)

    def integers(self, low, high, *shape):
        return self.rng.integers(low, high, shape)

    def types(self, *shape):
        return self.rng.integers(0, self.config.type_vocab_size, shape)

    def floats(self, *shape):
        """Standard normal, on a grid of 1/32 so that they print short and are exact."""
        return np.round(self.rng.standard_normal(shape) * 32) / 32

    def embeds(self, *shape):
        width = getattr(self.config, "embedding_size", None) or getattr(
            self.config, "word_embed_proj_dim", None
        )
        return self.floats(*shape, width or self.config.hidden_size)

    def encoder_states(self, *shape):
        return self.floats(*shape, self.config.hidden_size)

    def head_mask(self, layers=None):
        heads = self.config.num_attention_heads
        values = self.rng.integers(-1, 7, (layers, heads) if layers else (heads,)) / 4
        return values

    def tokens(self, *shape, mask=None):
        """input_ids and what the family wants beside them."""
        call = {"input_ids": self.ids(*shape, mask=mask)}
        if self.extra_inputs:
            call.update(self.extra_inputs(self, shape))
        return call

    # ---- cases ----

    def outputs(self, call, pasts):
        """Fields in double and single precision, and both caches."""
        results, caches = [], []
        for model, dtype, past in (
            (self.double, torch.float64, pasts[0]),
            (self.single, torch.float32, pasts[1]),
        ):
            arguments = torch_arguments(call, dtype)
            if past is not None:
                arguments["past_key_values"] = past
            torch.set_default_dtype(dtype)  # some masks are made in it
            output = model(**arguments, return_dict=True)
            torch.set_default_dtype(torch.float32)
            results.append(collect(output, call))
            caches.append(output.get("past_key_values"))
        return results[0], results[1], caches

    def expectation(self, name, call, pasts, keep, atol, valid):
        double, single, caches = self.outputs(call, pasts)
        assert double, (self.name, name, "no output")
        assert list(double) == list(single)
        for field, value in double.items():
            if field == "past" or value is None:
                continue
            off = deviation(
                only_valid(field, value, valid, call), only_valid(field, single[field], valid, call)
            )
            assert off <= atol / 4, f"{self.name} {name} {field}: single precision is {off:.1e} away"
            Folder.rounding.append((off / atol, f"{self.name} {name} {field}"))
        if keep:
            assert set(keep) <= set(double) | set(FIELDS), keep
            double = {field: double.get(field) for field in double if field in keep} | {
                field: None for field in keep if field not in double
            }
        return double, caches

    def add(self, name, rows, entry):
        assert name not in [case["name"] for case in self.cases], (self.name, name)
        self.cases.append({"name": name, "rows": rows.split(), **copy.deepcopy(entry)})

    def case(self, name, rows, call, keep=None, atol=ATOL, valid=None, note=None, like=None, unlike=None):
        """like, unlike: an earlier case whose fields must be, or must not be, the same."""
        expect, _ = self.expectation(name, call, (None, None), keep, atol, valid)
        self.compare(name, expect, like, unlike, valid, call)
        self.results[name] = expect
        entry = {"call": call, "expect": expect, "atol": atol}
        if valid is not None:
            entry["valid"] = np.asarray(valid).astype(int)
        if note:
            entry["note"] = note
        self.add(name, rows, entry)
        return expect

    def compare(self, name, expect, like, unlike, valid, call):
        for other, wanted in ((like, True), (unlike, False)):
            if other is None:
                continue
            fields = [f for f in expect if f in self.results[other] and f != "past"]
            fields = [f for f in fields if np.shape(expect[f]) == np.shape(self.results[other][f])]
            assert fields, (self.name, name, other)
            off = max(
                deviation(
                    only_valid(f, expect[f], valid, call), only_valid(f, self.results[other][f], valid, call)
                )
                for f in fields
            )
            assert (off < 1e-6) if wanted else (off > 1e-2), (self.name, name, other, off)

    def steps(
        self, name, rows, calls, keep=None, atol=ATOL, valid=None, note=None, full=None, field="logits"
    ):
        """Calls that hand the cache on.  full: the case whose positions the steps must reproduce."""
        pasts = (None, None)
        steps = []
        for i, call in enumerate(calls):
            call = dict(call, use_cache=True)
            if i:
                call["past"] = "$past"
            step_valid = None if valid is None else valid[i]
            expect, pasts = self.expectation(f"{name}[{i}]", call, pasts, keep, atol, step_valid)
            step = {"call": call, "expect": expect}
            if step_valid is not None:
                step["valid"] = np.asarray(step_valid).astype(int)
            steps.append(step)
        if full:
            whole = self.results[full][field]
            joined = np.concatenate([step["expect"][field] for step in steps], axis=1)
            assert deviation(joined, whole[:, : joined.shape[1]]) < 1e-6, (self.name, name)
        entry = {"steps": steps, "atol": atol}
        if note:
            entry["note"] = note
        self.add(name, rows, entry)
        return steps

    def error(self, name, rows, call, pattern, refused_by_transformers=True, note=None):
        """A call that fails; the message must match the pattern.  Transformers must refuse it too, unless said."""
        arguments = {k: v for k, v in call.items() if k != "past"}
        if refused_by_transformers and self.single is not None:
            try:
                self.single(**torch_arguments(arguments, torch.float32))
            except Exception:
                pass
            else:
                raise AssertionError(f"{self.name} {name}: transformers accepts it")
        entry = {"call": call, "expect_error": pattern}
        if note:
            entry["note"] = note
        self.add(name, rows, entry)

    def error_step(self, name, rows, first, second, pattern, note=None):
        """A first call that works, and a second one on its cache that fails."""
        call = dict(first, use_cache=True)
        expect, pasts = self.expectation(name, call, (None, None), None, ATOL, None)
        arguments = torch_arguments(second, torch.float32)
        try:
            self.single(**arguments, past_key_values=pasts[1])
        except Exception:
            pass
        else:
            raise AssertionError(f"{self.name} {name}: transformers accepts it")
        steps = [
            {"call": call, "expect": expect},
            {"call": dict(second, past="$past"), "expect_error": pattern},
        ]
        entry = {"steps": steps, "atol": ATOL}
        if note:
            entry["note"] = note
        self.add(name, rows, entry)

    def framework_case(self, name, rows, call, fields, note=None, valid=None, atol=ATOL):
        """A case whose values another framework computed; they must agree with PyTorch's where it has the class."""
        if self.double is not None:
            double, _, _ = self.outputs(call, (None, None))
            for field, value in fields.items():
                if field in double:
                    off = deviation(
                        only_valid(field, value, valid, call), only_valid(field, double[field], valid, call)
                    )
                    assert off < atol / 2, (self.name, name, field, off)
        entry = {"call": call, "expect": fields, "atol": atol}
        if valid is not None:
            entry["valid"] = np.asarray(valid).astype(int)
        if note:
            entry["note"] = note
        self.add(name, rows, entry)

    def import_rows(self, rows):
        """Rows that the import itself proves."""
        self.model_entry["rows"] = rows.split()

    def write(self):
        document = {"model": self.model_entry, "cases": self.cases}
        (self.path / "cases.json").write_text(text(document) + "\n")
        self.single = self.double = self.original = None
