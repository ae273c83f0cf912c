"""Generating with OPT-125m, random weights, 1, 8 and 32 sequences at once: what the rows decode-1 to decode-32 of bench/run ask.

decoding.py make FOLDER writes the model for everybody; decoding.py serve PEER FOLDER THREADS is one of the others, a
process that answers as peer.py does: {"batch": n, "tokens": n} gives {"seconds": ...} of generating so many tokens,
greedily, behind the same prompts.
"""
import json
import os
import sys
import time
from pathlib import Path

MODEL = "opt_125m"
ROWS = {"decode-1": 1, "decode-8": 8, "decode-32": 32}  # sequences side by side
PROMPT, TOKENS = 32, 64
PEERS = ("torch", "ctranslate2", "ctranslate2-int8", "llama.cpp", "llama.cpp-int8")
# who, the suffix of its models' names, their precision
OURS = (("generate", "", "fp32"), ("generate-bf16", "_bf16", "bf16"), ("generate-int8", "_int8", "int8"))
BYTES = {"fp32": 4, "bf16": 2, "int8": 1}


def prompts(batch):
    return [[(17 * (i * PROMPT + j) ** 2 + 31 * j) % 29000 + 100 for j in range(PROMPT)] for i in range(batch)]


def step_bytes(config, precision, batch):
    """Bytes that a step reads at least: weights, and what is kept of half the sequences' tokens on average."""
    hidden, layers = config["hidden_size"], config["num_hidden_layers"]
    weights = layers * (4 * hidden * hidden + 2 * hidden * config["ffn_dim"]) + hidden * config["vocab_size"]
    kept = batch * (PROMPT + TOKENS // 2) * layers * 2 * hidden * 4
    return weights * BYTES[precision] + kept


def make(folder):
    import torch
    import transformers

    torch.manual_seed(0)
    transformers.OPTForCausalLM(transformers.OPTConfig()).save_pretrained(folder / MODEL)


class Torch:
    """transformers on torch, fp32: its model, and the next token by argmax."""

    def __init__(self, folder, threads, precision):
        import torch
        import transformers

        torch.set_num_threads(threads)
        self.torch = torch
        self.model = transformers.OPTForCausalLM.from_pretrained(folder / MODEL).eval()
        self.version = f"torch {torch.__version__}, transformers {transformers.__version__}"

    def generate(self, ids, tokens):
        with self.torch.inference_mode():
            next_ids, past = self.torch.tensor(ids), None
            for _ in range(tokens):
                output = self.model(input_ids=next_ids, past_key_values=past, use_cache=True)
                past = output.past_key_values
                next_ids = output.logits[:, -1:].argmax(-1)


class CTranslate2:
    def __init__(self, folder, threads, precision):
        import ctranslate2
        import transformers
        from ctranslate2.converters.transformers import OPTLoader

        loader = OPTLoader()
        model = transformers.OPTForCausalLM.from_pretrained(folder / MODEL)
        spec = loader.get_model_spec(model)
        spec.register_vocabulary([str(i) for i in range(model.config.vocab_size)])
        spec.config.bos_token = spec.config.eos_token = spec.config.unk_token = "2"
        spec.validate()
        spec.optimize(quantization="int8" if precision == "int8" else "float32")
        converted = folder / f"ctranslate2-{precision}"
        converted.mkdir(exist_ok=True)
        spec.save(str(converted))
        self.generator = ctranslate2.Generator(
            str(converted), device="cpu", inter_threads=1, intra_threads=threads,
            compute_type="int8" if precision == "int8" else "float32",
        )
        self.version = f"ctranslate2 {ctranslate2.__version__}"

    def generate(self, ids, tokens):
        self.generator.generate_batch(
            [[str(i) for i in row] for row in ids], min_length=tokens, max_length=tokens, sampling_topk=1,
            include_prompt_in_result=False,
        )


class LlamaCpp:
    """GPT-2 of the same size, whose layers are OPT's; it has no OPT."""

    def __init__(self, folder, threads, precision):
        import llama_cpp

        self.llama = llama_cpp
        path = folder / f"gpt2-{precision}.gguf"
        write_gguf(path, json.loads((folder / MODEL / "config.json").read_text()), precision)
        llama_cpp.llama_backend_init()
        model = llama_cpp.llama_model_load_from_file(str(path).encode(), llama_cpp.llama_model_default_params())
        params = llama_cpp.llama_context_default_params()
        most = max(ROWS.values())
        params.n_ctx, params.n_batch, params.n_seq_max = most * (PROMPT + TOKENS + 32), most * PROMPT, most
        params.n_threads = params.n_threads_batch = threads
        self.model, self.context = model, llama_cpp.llama_init_from_model(model, params)
        self.n_vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
        self.version = f"llama-cpp-python {llama_cpp.__version__}"

    def decode(self, rows, position):
        """Tokens of every sequence from a position on; the next one of each."""
        import numpy

        n = len(rows[0])
        batch = self.llama.llama_batch_init(n * len(rows), 0, 1)
        batch.n_tokens = n * len(rows)
        for i, row in enumerate(rows):
            for j, token in enumerate(row):
                at = i * n + j
                batch.token[at], batch.pos[at], batch.n_seq_id[at] = token, position + j, 1
                batch.seq_id[at][0], batch.logits[at] = i, j == n - 1
        if self.llama.llama_decode(self.context, batch) != 0:
            raise RuntimeError("llama_decode failed")
        logits = [self.llama.llama_get_logits_ith(self.context, (i + 1) * n - 1) for i in range(len(rows))]
        best = [int(numpy.ctypeslib.as_array(row, (self.n_vocab,)).argmax()) for row in logits]
        self.llama.llama_batch_free(batch)
        return best

    def generate(self, ids, tokens):
        self.llama.llama_memory_clear(self.llama.llama_get_memory(self.context), True)
        rows, position = ids, 0
        for _ in range(tokens):
            best = self.decode(rows, position)
            position += len(rows[0])
            rows = [[token] for token in best]


def write_gguf(path, config, precision):
    """GPT-2 with random weights in the sizes of an OPT."""
    import gguf
    import numpy

    hidden, inner, vocab = config["hidden_size"], config["ffn_dim"], config["vocab_size"]
    random = numpy.random.default_rng(0)
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_context_length(2048)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(inner)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(1e-5)
    writer.add_tokenizer_model("no_vocab")
    writer.add_vocab_size(vocab)

    def add(name, *shape):
        data = random.standard_normal(shape, dtype=numpy.float32) * 0.02
        if precision == "int8" and len(shape) == 2 and not name.startswith("position"):
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(data, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, data)

    def layer(name, rows, columns):
        add(f"{name}.weight", rows, columns)
        add(f"{name}.bias", rows)

    add("token_embd.weight", vocab, hidden)
    add("position_embd.weight", 2048, hidden)
    for name in ["output_norm"] + [f"blk.{i}.{n}_norm" for i in range(config["num_hidden_layers"])
                                   for n in ("attn", "ffn")]:
        add(f"{name}.weight", hidden)
        add(f"{name}.bias", hidden)
    for i in range(config["num_hidden_layers"]):
        layer(f"blk.{i}.attn_qkv", 3 * hidden, hidden)
        layer(f"blk.{i}.attn_output", hidden, hidden)
        layer(f"blk.{i}.ffn_up", inner, hidden)
        layer(f"blk.{i}.ffn_down", hidden, inner)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def serve(name, folder, threads):
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # libraries print what they like
    kind, _, precision = name.partition("-")
    classes = {"torch": Torch, "ctranslate2": CTranslate2, "llama.cpp": LlamaCpp}
    try:
        peer = classes[kind](folder, threads, precision or "fp32")
    except Exception as reason:  # whatever a missing or broken package raises
        print(json.dumps({"absent": f"{type(reason).__name__}: {reason}".split("\n")[0]}), file=replies)
        return
    print(json.dumps({"version": peer.version}), file=replies)
    for line in sys.stdin:
        request = json.loads(line)
        begin = time.perf_counter()
        peer.generate(prompts(request["batch"]), request["tokens"])
        print(json.dumps({"seconds": time.perf_counter() - begin}), file=replies)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    else:
        serve(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
