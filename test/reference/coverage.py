"""Which test proves which row of the feature checklist: python coverage.py; needs no package.

A row counts where a test names it: a program of test/unit, a file of sql, test/pgtap, test/isolation, test/t or
test/fuzz, or a case of a set of fixtures, test/reference/<set>, that one of these files runs.  Exits with 1 when a row is
open, or a name is no row.
"""

import collections
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

TOTALS = {"CM": 20, "RF": 80, "OP": 42, "RP": 40, "RB": 35, "MG": 58}
NAMES = {
    "CM": "what the families share",
    "RF": "RoFormer",
    "OP": "OPT",
    "RP": "RoBERTa-PreLayerNorm",
    "RB": "RoCBert",
    "MG": "MEGA",
}
ROW = re.compile(r"\b(?:" + "|".join(TOTALS) + r")-\d\d\b")
# Nothing that a test could prove.
EXCEPTED = {"MG-56": "saving, resizing and pruning a model: out of scope"}

TESTS = ("sql/*.sql", "test/pgtap/*.sql", "test/isolation/specs/*.spec", "test/t/*.pl", "test/unit/*.[ch]", "test/fuzz/*.c")


def row_ids(family):
    return [f"{family}-{number:02d}" for number in range(1, TOTALS[family] + 1)]


def counts_of_families():
    """Prints how many cases each family has."""
    counts = collections.defaultdict(collections.Counter)
    for path in sorted((HERE / "families").rglob("cases.json")):
        document = json.loads(path.read_text())
        count = counts[document["model"]["family"]]
        count["models"] += 1
        count["imports refused"] += "expect_import_error" in document["model"]
        count["same digest"] += "same_digest_as" in document["model"]
        count["cases"] += len(document["cases"])
        count["calls refused"] += sum("expect_error" in case for case in document["cases"])
    for family, count in sorted(counts.items()):
        print(f"{family}: " + ", ".join(f"{number} {what}" for what, number in count.items()))
    total = sum(counts.values(), collections.Counter())
    print("all: " + ", ".join(f"{number} {what}" for what, number in total.items()))


def proofs():
    """Row -> files that prove it; and the sets of fixtures that no test runs."""
    found = collections.defaultdict(set)
    tests = [path for pattern in TESTS for path in sorted(ROOT.glob(pattern))]
    texts = {path: path.read_text(errors="replace") for path in tests}
    everything = "".join(texts.values())
    for path, text in texts.items():
        for row in ROW.findall(text):
            found[row].add(path.relative_to(ROOT).as_posix())
    idle = []
    for path in sorted(HERE.rglob("*.json")):
        rows = set(ROW.findall(path.read_text()))
        fixtures = path.relative_to(HERE).parts[0]
        if not rows:
            continue
        if f"reference/{fixtures}" not in everything:
            idle.append(fixtures)
            continue
        for row in rows:
            found[row].add(path.relative_to(ROOT).as_posix())
    return found, sorted(set(idle))


def report():
    counts_of_families()
    found, idle = proofs()
    known = [row for family in TOTALS for row in row_ids(family)]
    open_rows = [row for row in known if not found[row] and row not in EXCEPTED]
    unknown = sorted(row for row in found if row not in known)
    for family in TOTALS:
        rows = row_ids(family)
        proven = [row for row in rows if found[row]]
        files = set().union(*(found[row] for row in rows))
        print(f"\n{family} ({NAMES[family]}): {len(proven)} of {len(rows)} rows in {len(files)} files")
        for row in rows:
            if not found[row]:
                print(f"  {row} {EXCEPTED.get(row, 'OPEN')}")
    for fixtures in idle:
        print(f"\nfixtures that no test runs: {fixtures}")
    if unknown:
        print("\nno rows: " + " ".join(unknown))
    if open_rows:
        print("\nopen rows: " + " ".join(open_rows))
    return 1 if unknown or open_rows else 0


if __name__ == "__main__":
    sys.exit(report())
