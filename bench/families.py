"""Models of real size with random weights, one a family, and what the rows about infer.forward ask of them.

families.py make FOLDER writes the models; families.py serve FOLDER THREADS is transformers on torch, a process that
answers as peer.py does: the first line says what it is, then {"row": ..., "ids": [...]} gives {"seconds": ...}.
"""
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One row of the table: a call of a model with batch x length token ids, or as many steps through its past."""

    title: str
    model: str
    output: str  # the field that the call is made for
    batch: int = 1
    length: int = 0
    steps: int = 0

    def ids(self):
        """(batch, length + steps) ids, the same for everybody."""
        width = self.length + self.steps
        return [[(17 * (i * width + j) ** 2 + 31 * j) % 29000 + 100 for j in range(width)] for i in range(self.batch)]

    def tokens(self):
        return self.batch * (self.steps or self.length)


ROWS = {
    "roformer": Row("RoFormer-base, 4 x 512 tokens", "roformer_base", "last_hidden_state", 4, 512),
    "opt": Row("OPT-125m, 512 tokens at once", "opt_125m", "logits", 1, 512),
    "opt-steps": Row("OPT-125m, 32 steps behind 32 tokens", "opt_125m", "logits", 1, 32, 32),
    "mega-2048": Row("MEGA, 2,048 tokens in chunks of 128", "mega", "last_hidden_state", 1, 2048),
    "mega-8192": Row("MEGA, 8,192 tokens in chunks of 128", "mega", "last_hidden_state", 1, 8192),
}

# The class and what its config has beside the defaults, which are those of the published models.
MODELS = {
    "roformer_base": ("RoFormer", "RoFormerModel", {}),
    "opt_125m": ("OPT", "OPTForCausalLM", {}),
    "mega": ("Mega", "MegaModel", {"use_chunking": True, "chunk_size": 128}),
}


def row_flops(row, config):
    """Multiplications and additions of a row's products, from the model's config.json."""
    hidden, layers = config["hidden_size"], config["num_hidden_layers"]
    if config["model_type"] == "mega":
        shared, inner, chunk = config["shared_representation_size"], config["intermediate_size"], config["chunk_size"]
        token = hidden * (2 * hidden + shared + inner) + 2 * hidden * inner + 2 * hidden * config["nffn_hidden_size"]
        return 2 * row.tokens() * layers * (token + chunk * (shared + inner))
    causal = config["model_type"] == "opt"
    token = layers * (4 * hidden * hidden + 2 * hidden * config["ffn_dim" if causal else "intermediate_size"])
    if causal:
        token += hidden * config["vocab_size"]
    keys = row.length + row.steps / 2 if row.steps else row.length / (2 if causal else 1)
    return 2 * row.tokens() * (token + layers * 2 * hidden * keys)


def make(folder):
    import torch
    import transformers

    for name, (family, architecture, fields) in MODELS.items():
        torch.manual_seed(0)
        config = getattr(transformers, f"{family}Config")(**fields)
        getattr(transformers, architecture)(config).save_pretrained(folder / name)


class Torch:
    """transformers on torch, fp32."""

    def __init__(self, folder, threads):
        import torch
        import transformers

        torch.set_num_threads(threads)
        self.torch = torch
        self.models = {
            name: getattr(transformers, architecture).from_pretrained(folder / name).eval()
            for name, (_, architecture, _) in MODELS.items()
        }
        self.version = f"torch {torch.__version__}, transformers {transformers.__version__}"

    def seconds(self, row, ids):
        """Of the call, or of the steps alone."""
        model, ids = self.models[row.model], self.torch.tensor(ids)
        with self.torch.inference_mode():
            if not row.steps:
                begin = time.perf_counter()
                model(input_ids=ids, **({"use_cache": False} if model.config.model_type == "opt" else {}))
                return time.perf_counter() - begin
            past = model(input_ids=ids[:, : row.length], use_cache=True).past_key_values
            begin = time.perf_counter()
            for i in range(row.length, row.length + row.steps):
                past = model(input_ids=ids[:, i : i + 1], past_key_values=past, use_cache=True).past_key_values
            return time.perf_counter() - begin


def serve(folder, threads):
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # libraries print what they like
    try:
        peer = Torch(folder, threads)
    except Exception as reason:  # whatever a missing or broken package raises
        print(json.dumps({"absent": f"{type(reason).__name__}: {reason}".split("\n")[0]}), file=replies)
        return
    print(json.dumps({"version": peer.version}), file=replies)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps({"seconds": peer.seconds(ROWS[request["row"]], request["ids"])}), file=replies)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    what, folder = sys.argv[1], Path(sys.argv[2])
    make(folder) if what == "make" else serve(folder, int(sys.argv[3]))
