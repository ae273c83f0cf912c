#!/usr/bin/env python3
"""What transformers makes of small BERTs, and of all-MiniLM-L6-v2, as fixtures.

Writes beside this script:
    bert/<case>/config.json, model.safetensors, expected.bin    for each of CASES
    minilm/ids.bin      token ids of the first SENTENCES lines of test/data/sentences.txt
    minilm/hidden.bin   float32, the last hidden states of the first HIDDEN of them, row after row

expected.bin and ids.bin are little-endian: int32 n_seqs, n_tokens, hidden_size (0 in ids.bin), offsets (n_seqs + 1),
input_ids (n_tokens), token_type_ids (n_tokens); then, in expected.bin, float32 last_hidden_state
(n_tokens, hidden_size) and pooler_output (n_seqs, hidden_size).

Weights are drawn much wider than BERT's initialisation, because that hides errors; each text is computed alone, so
that no padding is involved.  Made with transformers 4.37.2 and torch 2.2.2; same versions, same files:
    python make_bert.py [MINILM_DIR]
"""
import os
import sys
from pathlib import Path

import numpy
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM, BertModel

HERE = Path(__file__).resolve().parent
LENGTHS = [1, 7, 2, 15, 16, 17, 33, 24]
SENTENCES = 200
HIDDEN = 4

# What differs from SMALL, and options of this script in capitals.
SMALL = dict(vocab_size=61, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=48,
             max_position_embeddings=40, type_vocab_size=2)
CASES = {
    "gelu": dict(num_hidden_layers=3),
    "odd_sizes": dict(hidden_size=60, num_attention_heads=4, intermediate_size=37, type_vocab_size=3, hidden_act="relu",
                      layer_norm_eps=1e-5),
    "one_head": dict(hidden_size=33, num_attention_heads=1, intermediate_size=65, hidden_act="gelu_new"),
    "panel_heads": dict(hidden_size=64, num_attention_heads=2, intermediate_size=32, type_vocab_size=1,
                        hidden_act="silu"),
    "relative_key": dict(num_hidden_layers=2, position_embedding_type="relative_key", hidden_act="tanh"),
    "relative_key_query": dict(position_embedding_type="relative_key_query", hidden_size=36, num_attention_heads=4,
                               hidden_act="quick_gelu"),
    "decoder": dict(is_decoder=True, hidden_act="gelu_fast"),
    "relative_decoder": dict(is_decoder=True, position_embedding_type="relative_key_query", hidden_act="relu6"),
    "without_pooler": dict(hidden_act="mish", WITHOUT_POOLER=True),
    "masked_lm": dict(num_hidden_layers=2, MASKED_LM=True),
}


def draw(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            drawn = 0.4 * torch.randn(parameter.shape, generator=generator)
            parameter.copy_(drawn + 1 if name.endswith("LayerNorm.weight") else drawn)


def write_batch(path, sequences, types, hidden_size, floats=()):
    numbers = [len(sequences), sum(map(len, sequences)), hidden_size, 0]
    numbers += list(numpy.cumsum([len(ids) for ids in sequences]))
    numbers += [i for ids in sequences for i in ids] + [i for ids in types for i in ids]
    with open(path, "wb") as file:
        file.write(numpy.array(numbers, "<i4").tobytes())
        for tensor in floats:
            file.write(tensor.numpy().astype("<f4").tobytes())


def write_case(name, seed, options):
    options = SMALL | options
    masked_lm, without_pooler = options.pop("MASKED_LM", False), options.pop("WITHOUT_POOLER", False)
    config = BertConfig(**options)
    whole = (BertForMaskedLM(config) if masked_lm else BertModel(config)).eval()
    draw(whole, seed)
    model = whole.bert if masked_lm else whole
    folder = HERE / "bert" / name
    folder.mkdir(parents=True, exist_ok=True)
    config.architectures = [type(whole).__name__]
    config.save_pretrained(folder)
    kept = {k: v.contiguous() for k, v in whole.state_dict().items()
            if "position_ids" not in k and not k.startswith("cls.predictions.decoder")
            and not (without_pooler and "pooler" in k)}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})

    rng = numpy.random.default_rng(seed)
    sequences = [rng.integers(0, config.vocab_size, n).tolist() for n in LENGTHS]
    types = [sorted(rng.integers(0, config.type_vocab_size, n).tolist()) for n in LENGTHS]
    hidden, pooled = [], []
    with torch.no_grad():
        for ids, kinds in zip(sequences, types):
            output = model(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([kinds]))
            hidden.append(output.last_hidden_state[0])
            pooled.append(output.pooler_output[0] if not (masked_lm or without_pooler)
                          else torch.zeros(config.hidden_size))
    write_batch(folder / "expected.bin", sequences, types, config.hidden_size,
                (torch.cat(hidden), torch.stack(pooled)))


def write_minilm(directory):
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = BertModel.from_pretrained(directory).eval()
    sentences = (HERE.parent / "data/sentences.txt").read_text("utf-8").split("\n")[:SENTENCES]
    sequences = [tokenizer(text)["input_ids"] for text in sentences]
    write_batch(HERE / "minilm/ids.bin", sequences, [[0] * len(ids) for ids in sequences], 0)
    with torch.no_grad():
        hidden = [model(input_ids=torch.tensor([ids])).last_hidden_state[0] for ids in sequences[:HIDDEN]]
    (HERE / "minilm/hidden.bin").write_bytes(torch.cat(hidden).numpy().astype("<f4").tobytes())


def main():
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch.set_num_threads(1)
    for seed, (name, options) in enumerate(CASES.items()):
        write_case(name, seed, options)
    if len(sys.argv) > 1:
        write_minilm(sys.argv[1])


if __name__ == "__main__":
    main()
