"""The texts that are measured, the same for everybody."""
import json
from pathlib import Path

from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "build/models/minilm"


def tokenizer():
    """MiniLM's tokenizer without the padding and truncation that its file asks for."""
    tok = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    tok.no_padding()
    tok.no_truncation()
    return tok


def sentences(path):
    """Lines of a text file, or of the column "sentence" of a tab-separated one."""
    lines = Path(path).read_text("utf-8").split("\n")
    if lines[0].split("\t")[-1] == "sentence":
        lines = [line.split("\t")[-1] for line in lines[1:]]
    return [line.strip() for line in lines if line.strip()]


def repeated(items, n):
    return [items[i % len(items)] for i in range(n)]


def long_texts(source, n, n_tokens):
    """n texts of n_tokens tokens, special ones included, put together from neighbouring sentences."""
    tok = tokenizer()
    out = []
    at = 0
    while len(out) < n:
        text = ""
        while True:
            text += source[at % len(source)] + " "
            at += 1
            encoding = tok.encode(text, add_special_tokens=False)
            if len(encoding.ids) >= n_tokens - 2:
                break
        text = text[: encoding.offsets[n_tokens - 3][1]]
        if len(tok.encode(text).ids) == n_tokens:
            out.append(text)
    return out


def flops(n_tokens_each):
    """Multiplications and additions of MiniLM's products over texts of these lengths."""
    config = json.loads((MODEL / "config.json").read_text())
    hidden, inner, layers = (config[k] for k in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    per_token = 2 * layers * (4 * hidden * hidden + 2 * hidden * inner)
    return sum(n * per_token + 4 * layers * hidden * n * n for n in n_tokens_each)
