"""How make_tokenizer_zoo.py asks a tokenizer and writes down what it said; README.md has the format."""
import json
import random
import shutil
import zlib
from pathlib import Path

from transformers import AutoTokenizer

from zoo_texts import LENGTHS, PAIRS, TEXTS

HERE = Path(__file__).resolve().parent / "tokenizers"
CASES = {}


def dump(path, value):
    path.write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")


def decoded(tokenizer, ids):
    """null where tokenizers panics (Strip of more than there is)."""
    both = []
    for skip in (False, True):
        try:
            both.append(tokenizer.decode(ids, skip_special_tokens=skip))
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            both.append(None)
    return {"decoded": both[0], **({"skipped": both[1]} if both[1] != both[0] else {})}


def ask(tokenizer, text, pair=None, bare=False, max_length=None, side="right"):
    """One call; None where Transformers itself refuses or gives up.

    Types are null where a class has none of its own, or, as the slow GPT2Tokenizer with its bos, too few.
    """
    fast = tokenizer.is_fast
    first, second = TEXTS[text], None if pair is None else TEXTS[pair]
    options = {"add_special_tokens": not bare}
    # An empty pair is a pair, which only lists of texts say.
    arguments = ([first],) if pair is None else ([first], [second])
    tokenizer.truncation_side = side
    whole = len(tokenizer(*arguments, **options)["input_ids"][0])
    if max_length:
        if max_length <= (0 if bare else tokenizer.num_special_tokens_to_add(pair is not None)):
            return None
        options.update(truncation=True, max_length=max_length)
    encoding = tokenizer(*arguments, return_offsets_mapping=fast, return_token_type_ids=True if fast or not bare else None,
                         **options)
    ids = encoding["input_ids"][0]
    if max_length and len(ids) > max_length:
        return None
    types = encoding["token_type_ids"][0] if "token_type_ids" in encoding else []
    run = {"text": text, "ids": ids}
    if len(types) != len(ids):
        run["types"] = None
    elif any(types):
        run["types"] = types
    if pair is not None:
        run["pair"] = pair
    if bare:
        run["bare"] = True
    if max_length:
        run.update(max_length=max_length, side=side)
    if fast:
        offsets, sequences = encoding["offset_mapping"][0], encoding.sequence_ids(0)
        run["pos"] = [-1 if s is None else o[0] for o, s in zip(offsets, sequences)]
        run["len"] = [0 if s is None else o[1] - o[0] for o, s in zip(offsets, sequences)]
    for name in ("input_shape_ids", "input_pronunciation_ids"):
        if name in encoding:
            run[name] = encoding[name][0]
    surface = encoding.tokens(0) if fast else tokenizer.tokenize(first) if bare and pair is None else None
    if surface is not None and not max_length:
        named = tokenizer.convert_ids_to_tokens(ids)
        other = {str(i): s for i, (s, t) in enumerate(zip(surface, named)) if s != t}
        if other and len(surface) == len(named):
            run["surface"] = other
    if whole != len(ids):
        run["whole"] = whole
    run.update(decoded(tokenizer, ids))
    return run


def decodes(tokenizer, name, ids):
    """Ids in an order that no text has."""
    draw, result = random.Random(zlib.crc32(name.encode())), []
    pool = sorted(set(ids))
    every = sorted(set(tokenizer.get_vocab().values()))
    for i in range(14):
        row = [draw.choice(pool if draw.random() < 0.8 else every) for _ in range(draw.randrange(1, 13))]
        if i % 3 == 0:
            row = [x for x in row for _ in range(draw.randrange(1, 4))]
        result.append({"ids": row, **decoded(tokenizer, row)})
    return result


def expect(folder, name, use_fast, pairs=None, texts=None, decode=True):
    """Asks everything, and writes expected.json."""
    tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=use_fast != 0)
    assert tokenizer.is_fast == (use_fast != 0), name
    pairs = PAIRS if pairs is None else PAIRS[:pairs]
    texts = list(texts or range(len(TEXTS)))
    runs = [ask(tokenizer, i) for i in texts]
    runs += [ask(tokenizer, i, bare=True) for i in texts[3::6]]
    runs += [ask(tokenizer, a, b, bare=bare) for a, b in pairs for bare in (False, True)]
    # What a component does is seen in whole texts; cutting them is for the others.
    for length in LENGTHS if len(pairs) > 2 else ():
        for side in ("right", "left"):
            runs += [ask(tokenizer, i, max_length=length, side=side) for i in (4, 92)]
            runs += [ask(tokenizer, a, b, max_length=length, side=side) for a, b in pairs[:4]]
    runs = [run for run in runs if run]
    ids = [i for run in runs for i in run["ids"]]
    random_ids = decodes(tokenizer, name, ids) if decode else []
    for run in runs if not decode else ():
        run.pop("decoded")
        run.pop("skipped", None)
    seen = sorted(set(ids + [i for row in random_ids for i in row["ids"]]))
    tokens = dict(zip(map(str, seen), tokenizer.convert_ids_to_tokens(seen)))
    dump(folder / "expected.json", {"use_fast": use_fast, "texts": "zoo_texts.json",
                                    **({"tokens": tokens} if len(pairs) > 2 else {}), "runs": runs,
                                    **({"decodes": random_ids} if decode else {})})
    return tokenizer, runs


def note(name, *components):
    assert name not in CASES, name
    CASES[name] = sorted(components)


def folder_of(name, config, files=()):
    """A case's empty folder, then its configuration and files (text, bytes, or a value for JSON)."""
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = dict(config)
    dump(folder / "config.json", {"model_type": config.pop("model_type")} if "model_type" in config else {})
    dump(folder / "tokenizer_config.json", config)
    for file, value in dict(files).items():
        if isinstance(value, bytes):
            (folder / file).write_bytes(value)
        elif isinstance(value, str):
            (folder / file).write_text(value, encoding="utf-8", newline="\n")
        else:
            dump(folder / file, value)
    return folder


def spec_components(spec):
    """Every component that a tokenizer.json names, as "stage:type", sequences with what they hold."""
    found = set()

    def walk(stage, value):
        if not isinstance(value, dict):
            return
        if "type" in value:
            found.add(stage + ":" + value["type"])
        for key in ("normalizers", "pretokenizers", "processors", "decoders"):
            for item in value.get(key, ()):
                walk(stage, item)

    for stage in ("normalizer", "pre_tokenizer", "model", "post_processor", "decoder"):
        walk(stage, spec.get(stage))
    return found


def fast(name, tokenizer, config=None, components=(), change=None, pairs=4, texts=None, decode=True):
    """A case of tokenizer.json alone; change(spec) edits the file after the answers were taken."""
    spec = json.loads(tokenizer.to_str())
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **(config or {})}
    folder = folder_of(name, config, {"tokenizer.json": spec})
    expect(folder, name, -1, pairs, texts, decode)
    if change:
        change(spec)
        dump(folder / "tokenizer.json", spec)
    note(name, *spec_components(spec), *components)


def files(name, use_fast, config, contents, components=(), pairs=None):
    """A case of the files of a class."""
    folder = folder_of(name, config, contents)
    result = expect(folder, name, use_fast, pairs)
    note(name, *components)
    return result
