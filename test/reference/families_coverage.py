"""Counts the family fixtures and lists the rows of the feature checklist that none of them proves."""

import collections
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent / "families"

TOTALS = {"CM": 20, "RF": 80, "OP": 42, "RP": 40, "RB": 35, "MG": 58}
NAMES = {
    "CM": "what the families share",
    "RF": "RoFormer",
    "OP": "OPT",
    "RP": "RoBERTa-PreLayerNorm",
    "RB": "RoCBert",
    "MG": "MEGA",
}

TOKENIZER = "tokenizer"
TASK = "a task over text"
GENERATION = "generation"
ELSEWHERE = {
    "CM-14": "ways to spell a SQL call",
    "CM-18": TASK,
    "CM-19": TOKENIZER,
    "RF-12": TASK,
    "RF-43": "cross_attn_head_mask, which has no effect, is no argument of infer.forward",
    "RF-68": "ways to spell a SQL call",
    "OP-28": "no counterpart in SQL",
    "OP-39": GENERATION,
    "OP-40": GENERATION,
    "OP-42": TOKENIZER,
    "MG-49": GENERATION,
    "MG-54": TOKENIZER,
    "MG-55": "how time grows with length: a benchmark",
    "MG-56": "saving and resizing a model: out of scope",
    "MG-58": GENERATION,
}
for family, rows in {
    "RF": range(13, 29),
    "OP": range(35, 38),
    "RP": range(30, 33),
    "RB": range(24, 27),
}.items():
    ELSEWHERE.update({f"{family}-{row:02d}": TOKENIZER for row in rows})


def row_ids(family):
    return [f"{family}-{number:02d}" for number in range(1, TOTALS[family] + 1)]


def report():
    proofs = collections.Counter()
    counts = collections.defaultdict(collections.Counter)
    size = sum(path.stat().st_size for path in ROOT.rglob("*") if path.is_file())
    for path in sorted(ROOT.rglob("cases.json")):
        document = json.loads(path.read_text())
        model = document["model"]
        count = counts[model["family"]]
        count["models"] += 1
        count["imports refused"] += "expect_import_error" in model
        count["same digest"] += "same_digest_as" in model
        count["cases"] += len(document["cases"])
        count["calls refused"] += sum("expect_error" in case for case in document["cases"])
        proofs.update(model.get("rows", []))
        for case in document["cases"]:
            proofs.update(case["rows"])

    total = collections.Counter()
    for family, count in sorted(counts.items()):
        print(f"{family}: " + ", ".join(f"{number} {what}" for what, number in count.items()))
        total.update(count)
    print(
        "all: " + ", ".join(f"{number} {what}" for what, number in total.items()) + f", {size / 1e6:.1f} MB"
    )

    known = [row for family in TOTALS for row in row_ids(family)]
    unknown = sorted(set(proofs) - set(known))
    open_rows = [row for row in known if not proofs[row] and row not in ELSEWHERE]
    for family in TOTALS:
        rows = row_ids(family)
        covered = [row for row in rows if proofs[row]]
        left = [row for row in rows if not proofs[row]]
        places = sum(proofs[row] for row in rows)
        print(f"\n{family} ({NAMES[family]}): {len(covered)} of {len(rows)} rows in {places} places")
        for row in left:
            print(f"  {row} not here: {ELSEWHERE.get(row, 'OPEN')}")
    if unknown:
        print("\nunknown rows: " + " ".join(unknown))
    if open_rows:
        print("\nopen rows: " + " ".join(open_rows))
    return 1 if unknown or open_rows else 0
