#!/usr/bin/env python3
"""Makes test/models/tiny-bert, a sentence-transformers folder small enough to keep in the repository, and
test/reference/tiny_bert.json, what transformers makes of it for a few texts.

The weights are random and drawn much wider than BERT's initialisation, so that every term of the
forward pass shows in the result.  Run it with transformers 4.37.2 and torch 2.2.2; same versions, same files.
"""
import json
import pathlib
import string

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, BertTokenizerFast

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = HERE.parent / "models" / "tiny-bert"

WORDS = """the a an of and to in is it that was for on are as with his they at be this from have or by one
had not but what all were when we there can said which do their if will up other about out many then them
some her would make like him into time has two more go no way could my than first been who its now people
cat dog house book tree red blue green walk read hello world select table row data""".split()
PIECES = "s ed ing ly er est un re tion".split()

TEXTS = [
    "hello world",
    "The cat was reading a book about the green house.",
    "",
    "select data from the table, row by row!",
    "Xyzzy 42 \u00e9t\u00e9 \u732b",
    "one two one two one two one two one two one two one two one two one two one two one two",
]


def vocabulary():
    characters = string.ascii_lowercase + string.digits
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += list(".,!?'-") + list(characters) + ["##" + c for c in characters]
    for token in WORDS + ["##" + piece for piece in PIECES]:
        if token not in tokens:
            tokens.append(token)
    return tokens


def write_tokenizer(tokens):
    (FOLDER / "vocab.txt").write_text("".join(token + "\n" for token in tokens), encoding="utf-8")
    backend = Tokenizer(models.WordPiece({t: i for i, t in enumerate(tokens)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", tokens.index("[CLS]")), ("[SEP]", tokens.index("[SEP]"))],
    )
    tokenizer = BertTokenizerFast(tokenizer_object=backend, do_lower_case=True, model_max_length=64)
    tokenizer.save_pretrained(FOLDER)
    return tokenizer


def write_model(n_tokens):
    config = BertConfig(
        vocab_size=n_tokens,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=64,
        type_vocab_size=2,
    )
    model = BertModel(config, add_pooling_layer=True).eval()
    generator = torch.Generator().manual_seed(20)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            deviation = 0.6 if parameter.dim() == 1 else 1.5 / parameter.shape[1] ** 0.5
            drawn = torch.randn(parameter.shape, generator=generator) * deviation
            parameter.copy_(drawn + 1 if name.endswith("LayerNorm.weight") else drawn)
    config.architectures = ["BertModel"]
    config.torch_dtype = "float32"
    config.save_pretrained(FOLDER)
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items() if "position_ids" not in name},
        FOLDER / "model.safetensors",
        metadata={"format": "pt"},
    )
    return model


def write_sentence_transformers():
    def write(name, value):
        path = FOLDER / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(value, indent=2) + "\n")

    write(
        "modules.json",
        [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
        ],
    )
    write(
        "1_Pooling/config.json",
        {
            "word_embedding_dimension": 32,
            "pooling_mode_cls_token": False,
            "pooling_mode_mean_tokens": True,
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        },
    )
    write("sentence_bert_config.json", {"max_seq_length": 48, "do_lower_case": False})


def write_reference(tokenizer, model):
    items = []
    for text in TEXTS:
        encoded = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            output = model(**encoded)
        pooled = output.last_hidden_state.mean(dim=1)
        items.append(
            {
                "text": text,
                "input_ids": encoded["input_ids"][0].tolist(),
                "embedding": torch.nn.functional.normalize(pooled, dim=1)[0].tolist(),
                "cls": output.last_hidden_state[0, 0].tolist(),
                "pooler": output.pooler_output[0].tolist(),
            }
        )
    (HERE / "tiny_bert.json").write_text(json.dumps(items, indent=1) + "\n")


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    tokens = vocabulary()
    tokenizer = write_tokenizer(tokens)
    model = write_model(len(tokens))
    write_sentence_transformers()
    write_reference(tokenizer, model)


if __name__ == "__main__":
    main()
