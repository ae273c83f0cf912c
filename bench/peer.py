"""One peer in a process of its own: peer.py NAME THREADS.

The first line it writes says what it is, {"version": ...}, or why it can't be, {"absent": ...}.  Then it reads
requests as JSON lines, {"what": ..., "texts": [...]}, and answers each with a line.
"""
import json
import os
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from texts import MODEL, ROOT, tokenizer

CACHE = ROOT / "build/bench"


def pool(hidden, mask):
    """Mean over the tokens, divided by its norm."""
    import numpy

    mask = mask[:, :, None].astype(numpy.float32)
    mean = (hidden * mask).sum(1) / mask.sum(1)
    return mean / numpy.maximum(numpy.linalg.norm(mean, axis=1, keepdims=True), 1e-12)


class Torch:
    """transformers on torch, fp32."""

    def __init__(self, threads):
        import torch
        import transformers

        torch.set_num_threads(threads)
        self.torch = torch
        self.model = transformers.BertModel.from_pretrained(MODEL).eval()
        self.version = f"torch {torch.__version__}, transformers {transformers.__version__}"

    def __call__(self, ids, mask):
        with self.torch.inference_mode():
            return self.model(
                input_ids=self.torch.from_numpy(ids), attention_mask=self.torch.from_numpy(mask)
            ).last_hidden_state.numpy()


class OnnxRuntime:
    """onnxruntime over the exported graph, which it fuses itself; int8: its dynamic quantisation, by channel."""

    def __init__(self, threads, int8):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            str(self.export(int8)), options, providers=["CPUExecutionProvider"]
        )
        self.version = f"onnxruntime {onnxruntime.__version__}"

    @staticmethod
    def export(int8):
        plain, quantized = (CACHE / f"minilm{kind}.onnx" for kind in ("", "-int8"))
        if not plain.exists():
            import torch
            import transformers

            model = transformers.BertModel.from_pretrained(MODEL, add_pooling_layer=False).eval()
            ones = torch.ones(1, 8, dtype=torch.int64)
            names = ["input_ids", "attention_mask", "token_type_ids"]
            axes = {name: {0: "batch", 1: "length"} for name in names + ["last_hidden_state"]}
            torch.onnx.export(
                model, (ones, ones, ones), str(plain), opset_version=14,
                input_names=names, output_names=["last_hidden_state"], dynamic_axes=axes,
            )
        if int8 and not quantized.exists():
            from onnxruntime.quantization import QuantType, quantize_dynamic

            quantize_dynamic(str(plain), str(quantized), weight_type=QuantType.QInt8, per_channel=True)
        return quantized if int8 else plain

    def __call__(self, ids, mask):
        import numpy

        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": numpy.zeros_like(ids)}
        return self.session.run(["last_hidden_state"], inputs)[0]


class CTranslate2:
    """CTranslate2's encoder, which takes ragged batches."""

    def __init__(self, threads, compute_type):
        import ctranslate2

        folder = CACHE / "minilm-ct2"
        if not folder.exists():
            ctranslate2.converters.TransformersConverter(str(MODEL)).convert(str(folder))
        self.library = ctranslate2
        self.encoder = ctranslate2.Encoder(
            str(folder), device="cpu", compute_type=compute_type, inter_threads=1, intra_threads=threads
        )
        self.version = f"CTranslate2 {ctranslate2.__version__}"

    def __call__(self, ids, mask):
        import numpy

        storage = self.library.StorageView.from_array(ids.astype(numpy.int32))
        lengths = self.library.StorageView.from_array(mask.sum(1).astype(numpy.int32))
        return numpy.array(self.encoder.forward_batch(storage, lengths).last_hidden_state)


PEERS = {
    "torch": Torch,
    "onnxruntime": lambda threads: OnnxRuntime(threads, False),
    "onnxruntime-int8": lambda threads: OnnxRuntime(threads, True),
    "ctranslate2": lambda threads: CTranslate2(threads, "float32"),
    "ctranslate2-int8": lambda threads: CTranslate2(threads, "int8"),
}


class Embedder:
    """Tokenizes, sorts by length, pads batches, runs the peer, pools."""

    def __init__(self, forward):
        self.forward = forward
        self.tokenizer = tokenizer()
        self.batch_size = 32

    def embed(self, texts):
        import numpy

        encodings = [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]
        order = sorted(range(len(texts)), key=lambda i: -len(encodings[i]))
        vectors = [None] * len(texts)
        for begin in range(0, len(order), self.batch_size):
            batch = order[begin : begin + self.batch_size]
            longest = len(encodings[batch[0]])
            ids = numpy.zeros((len(batch), longest), dtype=numpy.int64)
            mask = numpy.zeros_like(ids)
            for row, i in enumerate(batch):
                ids[row, : len(encodings[i])] = encodings[i]
                mask[row, : len(encodings[i])] = 1
            for i, vector in zip(batch, pool(self.forward(ids, mask), mask)):
                vectors[i] = vector
        return vectors

    def seconds(self, texts):
        begin = time.perf_counter()
        self.embed(texts)
        return time.perf_counter() - begin

    def settle(self, texts):
        """Warms up, and takes the batch size that is fastest for texts like these."""
        self.embed(texts)
        times = {}
        for self.batch_size in (16, 32, 64):
            times[self.batch_size] = min(self.seconds(texts) for _ in range(2))
        self.batch_size = min(times, key=times.get)


def main():
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # libraries print what they like

    def reply(**fields):
        replies.write(json.dumps(fields) + "\n")

    name, threads = sys.argv[1], int(sys.argv[2])
    try:
        forward = PEERS[name](threads)
    except Exception as reason:  # whatever a missing or broken package raises
        return reply(absent=f"{type(reason).__name__}: {reason}".split("\n")[0])
    embedder = Embedder(forward)
    reply(version=forward.version)
    for line in sys.stdin:
        request = json.loads(line)
        what, texts = request["what"], request["texts"]
        if what == "settle":
            embedder.settle(texts)
            reply(batch_size=embedder.batch_size)
        elif what == "seconds":
            reply(seconds=embedder.seconds(texts))
        elif what == "latency":  # a list of them, one a text
            reply(times=[embedder.seconds([text]) for text in texts])
        elif what == "vectors":
            reply(vectors=[[float(x) for x in vector] for vector in embedder.embed(texts)])


if __name__ == "__main__":
    main()
