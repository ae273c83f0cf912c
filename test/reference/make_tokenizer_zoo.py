#!/usr/bin/env python3
"""What transformers makes of texts, for one small tokenizer per component, option and class, as fixtures.

Writes beside this script zoo_texts.json, zoo.json and a folder per case in tokenizers/; README.md has the formats.
Made with transformers 4.37.2, tokenizers 0.15.2, sentencepiece 0.2.3, protobuf 7.36.2 and rjieba 0.2.2 on Python 3.11:
    python make_tokenizer_zoo.py [--real DIR] [GROUP ...]     GROUP: models normalizers pre post decoders added
                                                              wordpiece byte-level sentencepiece, or one of DIR
    python make_tokenizer_zoo.py --coverage                   the components, and the cases that have each
"""
import json
import logging
import os
import sys
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"
HERE = Path(__file__).resolve().parent / "tokenizers"


def coverage():
    cases = json.loads((HERE / "zoo.json").read_text())
    components = {}
    for name, found in cases.items():
        for component in found:
            components.setdefault(component, []).append(name)
    for component in sorted(components):
        names = components[component]
        print("%-44s %3d  %s%s" % (component, len(names), " ".join(names[:3]), " ..." if len(names) > 3 else ""))
    print("%d cases, %d components and options" % (len(cases), len(components)))


def main():
    arguments = sys.argv[1:]
    if "--coverage" in arguments:
        return coverage()
    logging.disable(logging.WARNING)
    import zoo_common
    import zoo_classes
    import zoo_components
    from zoo_texts import TEXTS
    real = None
    if "--real" in arguments:
        at = arguments.index("--real")
        real = Path(arguments[at + 1])
        del arguments[at:at + 2]
    groups = {"models": zoo_components.model_cases,
              "normalizers": lambda: zoo_components.normalizer_cases(zoo_classes.charsmap()), "pre": zoo_components.pre_tokenizer_cases,
              "post": zoo_components.post_processor_cases, "decoders": zoo_components.decoder_cases,
              "added": zoo_components.added_cases, "wordpiece": zoo_classes.wordpiece_classes,
              "byte-level": zoo_classes.byte_level_classes, "sentencepiece": zoo_classes.sentencepiece_classes}
    if real:
        for name in ("roberta-base", "t5-small", "roformer-chinese", "minilm"):
            groups[name] = lambda name=name: getattr(zoo_classes, "real_" + name.split("-")[0])(real / name)
    HERE.mkdir(exist_ok=True)
    zoo_common.dump(HERE / "zoo_texts.json", TEXTS)
    for group in arguments or list(groups):
        groups[group]()
        print(group, len(zoo_common.CASES), flush=True)
    path = HERE / "zoo.json"
    known = json.loads(path.read_text()) if path.exists() and (arguments or not real) else {}
    known.update(zoo_common.CASES)
    zoo_common.dump(path, dict(sorted(known.items())))


if __name__ == "__main__":
    main()
