#!/usr/bin/env python3
"""Makes test/reference/families: tiny checkpoints of every family and class, and what Transformers computes of
them.  README.md beside this file tells the format.

  python make_families.py              makes everything anew
  python make_families.py NAME...      makes the families named (bert, roformer, roberta, rocbert, opt, mega, formats)
"""

import importlib
import os
import sys

FAMILIES = ["bert", "roformer", "roberta", "rocbert", "opt", "mega", "formats"]


def make(names):
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import families_common as common

    common.prepare()
    for name in names:
        before = len(common.Folder.folders)
        importlib.import_module("families_" + name).make()
        made = common.Folder.folders[before:]
        for folder in made:
            folder.write()
        worst, where = max(common.Folder.rounding)
        cases = sum(len(folder.cases) for folder in made)
        print(f"{name}: {len(made)} models, {cases} cases, rounding {worst:.2f} of the tolerance in {where}")
        common.Folder.rounding.clear()


def main():
    make(sys.argv[1:] or FAMILIES)


if __name__ == "__main__":
    main()
