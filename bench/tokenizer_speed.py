"""Measures tokenizers and their peers, taking turns, and prints a table.  Started by bench/tokenizers."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", RAYON_NUM_THREADS="1")
ROOT = Path(__file__).resolve().parent.parent
REAL = ROOT / "test/reference/tokenizers"

# kind, folder below --real or this repository's own, and which class.
ROWS = [
    ("WordPiece", "minilm", -1),
    ("byte-level BPE", "roberta-base", -1),
    ("Unigram", "t5-small", -1),
    ("jieba", "roformer-chinese", 1),
]


def arguments():
    parser = argparse.ArgumentParser(prog="bench/tokenizers", description="MB/s of one thread, positions included.  The "
                                     "repository's own roberta-base, t5-small and roformer-chinese have few tokens; "
                                     "--real names a directory with the whole ones, each a folder of tokenizer.json or vocab.txt.")
    parser.add_argument("--real", type=Path, help="directory of minilm, roberta-base, t5-small, roformer-chinese")
    parser.add_argument("--english", type=Path, default=ROOT / "test/data/sentences.txt", help="texts, one a line")
    parser.add_argument("--chinese", type=Path, help="texts, one a line (default: those of test/reference/jieba.json)")
    parser.add_argument("--megabytes", type=float, default=2, help="of each text, repeated where it is shorter (default 2)")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def lines_of(path, megabytes):
    if path:
        lines = [line for line in path.read_text("utf-8").split("\n") if line.strip()]
    else:
        lines = ["".join(words) for words in json.loads((ROOT / "test/reference/jieba.json").read_text("utf-8"))]
        lines = [line.replace("\r", " ").replace("\n", " ").replace("\0", " ") for line in lines]
    kept, size = [], 0
    while size < megabytes * 1e6:
        for line in lines:
            kept.append(line)
            size += len(line.encode())
            if size >= megabytes * 1e6:
                break
    return kept


def folder_of(name, real):
    if real:
        return real / name
    whole = ROOT / "build/models/minilm"
    return whole if name == "minilm" else REAL / ("real-" + name)


def peer_of(name, folder):
    """What encodes a list of texts, and which library does."""
    if name == "roformer-chinese":
        from transformers import RoFormerTokenizerFast
        own = RoFormerTokenizerFast(str(folder / "vocab.txt"))._tokenizer
        return "transformers", own
    from tokenizers import Tokenizer
    own = Tokenizer.from_file(str(folder / "tokenizer.json"))
    own.no_padding()
    own.no_truncation()
    return "tokenizers", own


def ours(folder, fast, path):
    done = subprocess.run([ROOT / "build/bench-tokenizers", folder, str(fast), path], check=True, capture_output=True,
                          text=True).stdout.split()
    return int(done[0]), int(done[1]), float(done[2])


def theirs(tokenizer, lines):
    begun = time.thread_time()
    n_tokens = sum(len(e.ids) for e in tokenizer.encode_batch(lines, add_special_tokens=False))
    return n_tokens, time.thread_time() - begun


def measure(kind, folder, name, fast, language, lines, rounds):
    library, tokenizer = peer_of(name, folder)
    # Transformers calls Python for every word of jieba's: a part of the text tells as much.
    part = lines[:max(1, len(lines) // 8)] if library == "transformers" else lines
    n_part = sum(len(line.encode()) for line in part)
    own, peer = [], []
    with tempfile.TemporaryDirectory() as directory:
        whole, some = Path(directory) / "whole", Path(directory) / "part"
        whole.write_text("\n".join(lines), "utf-8", newline="\n")
        some.write_text("\n".join(part), "utf-8", newline="\n")
        for _ in range(rounds):
            n_bytes, _, seconds = ours(folder, fast, whole)
            own.append(n_bytes / seconds / 1e6)
            n_tokens, seconds = theirs(tokenizer, part)
            peer.append(n_part / seconds / 1e6)
        same = ours(folder, fast, some)[1] == n_tokens
    mine, other = statistics.median(own), statistics.median(peer)
    print("%-16s %-18s %-8s %8.2f %8.2f  %-13s %6.1fx  %s" % (kind, name, language, mine, other, library, mine / other,
                                                             "" if same else "other tokens"), flush=True)
    return same and mine >= other


def main():
    options = arguments()
    texts = {"English": lines_of(options.english, options.megabytes), "Chinese": lines_of(options.chinese, options.megabytes)}
    print("%-16s %-18s %-8s %8s %8s" % ("MB/s, one thread", "", "text", "pg_infer", "peer"))
    good = True
    for kind, name, fast in ROWS:
        for language, lines in texts.items():
            good &= measure(kind, folder_of(name, options.real), name, fast, language, lines, options.rounds)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
