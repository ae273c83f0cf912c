"""Measures pg_infer and its peers, interleaved, and prints a table.  Started by bench/run, inside its cluster."""
import argparse
import datetime
import json
import math
import os
import re
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import decoding
import families

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OUT = ROOT / "build/bench"

TEXT_ROWS = ("short", "128", "single", "sessions", "load")
ROWS = TEXT_ROWS + tuple(families.ROWS) + tuple(decoding.ROWS)
TEXT_PEERS = ("torch", "onnxruntime", "onnxruntime-int8", "ctranslate2", "ctranslate2-int8")
PEERS = TEXT_PEERS + tuple(name for name in decoding.PEERS if name not in TEXT_PEERS)
OURS = ("embed_many", "embed", "embed_many-int8", "embed-int8", "forward", "forward-int8") + tuple(
    who for who, _, _ in decoding.OURS)
IN_SERVER = OURS + ("plpython",)

SETUP = """
CREATE EXTENSION pg_infer;
SELECT infer.create_model('minilm', 'minilm', '{"preload": true}');
CREATE TABLE texts (kind text, id int, input text, PRIMARY KEY (kind, id));

-- Seconds of one statement, inside the server.
CREATE FUNCTION seconds(statement text) RETURNS double precision LANGUAGE plpgsql AS $$
DECLARE
    begun timestamptz := clock_timestamp();
BEGIN
    EXECUTE statement;
    RETURN extract(epoch FROM clock_timestamp() - begun);
END $$;

-- Seconds of each call for one text, the planning of the statement not counted.
CREATE FUNCTION latencies(model infer.model, calls int) RETURNS SETOF double precision LANGUAGE plpgsql AS $$
DECLARE
    text_in text;
    begun timestamptz;
    vector real[];
BEGIN
    FOR text_in IN SELECT input FROM texts WHERE kind = 'single' ORDER BY id LIMIT calls LOOP
        begun := clock_timestamp();
        vector := infer.embed(model, text_in);
        RETURN NEXT extract(epoch FROM clock_timestamp() - begun);
    END LOOP;
END $$;
"""

FAMILIES = """
CREATE TABLE calls (row text PRIMARY KEY, ids int[], length int);

-- Seconds of a call of infer.forward, or of one call a token for those behind the first `length`.
CREATE FUNCTION forward_seconds(model infer.model, call calls) RETURNS double precision LANGUAGE plpgsql AS $$
DECLARE
    begun timestamptz := clock_timestamp();
    past bytea;
BEGIN
    IF call.length = array_length(call.ids, 2) THEN
        PERFORM (infer.forward(model, call.ids, use_cache => false)).loss;
        RETURN extract(epoch FROM clock_timestamp() - begun);
    END IF;
    past := (infer.forward(model, call.ids[:][:call.length], use_cache => true)).past;
    begun := clock_timestamp();
    FOR i IN call.length + 1 .. array_length(call.ids, 2) LOOP
        past := (infer.forward(model, call.ids[:][i:i], past => past, use_cache => true)).past;
    END LOOP;
    RETURN extract(epoch FROM clock_timestamp() - begun);
END $$;
"""

INT8 = """SELECT infer.create_model('minilm_int8', 'minilm', '{"precision": "int8", "preload": true}')"""

PLPYTHON = """
CREATE EXTENSION plpython3u;
CREATE FUNCTION embed_in_python(input text) RETURNS real[] LANGUAGE plpython3u AS $$
if "model" not in GD:
    import torch
    from sentence_transformers import SentenceTransformer
    torch.set_num_threads({threads})
    GD["model"] = SentenceTransformer("{model}", device="cpu")
return GD["model"].encode([input], show_progress_bar=False)[0].tolist()
$$;
SELECT embed_in_python('warm');
"""

MANY = """SELECT count(m.embedding)
    FROM (SELECT array_agg(input ORDER BY id) AS inputs FROM texts
          WHERE kind = '{kind}' AND id < {n} GROUP BY id / 1000) b,
         infer.embed_many('%s', b.inputs) m"""
EACH = "SELECT count(infer.embed('%s', input)) FROM texts WHERE kind = '{kind}' AND id < {n}"
STATEMENTS = {
    "embed_many": MANY % "minilm",
    "embed_many-int8": MANY % "minilm_int8",
    "embed": EACH % "minilm",
    "embed-int8": EACH % "minilm_int8",
    "plpython": "SELECT count(embed_in_python(input)) FROM texts WHERE kind = '{kind}' AND id < {n}",
}


# who, the suffix of its models' names, their precision
FORWARDS = (("forward", "", "fp32"), ("forward-int8", "_int8", "int8"))
BRACES = str.maketrans("[]", "{}")


def psql(statement, check=True):
    """What psql prints for a statement; None when it fails and check is off."""
    run = subprocess.run(
        ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1"], input=statement, capture_output=True, text=True
    )
    if run.returncode and check:
        sys.exit(f"psql: {run.stderr}")
    return run.stdout.strip() if run.returncode == 0 else None


class Session:
    """A psql that stays connected, for statements with one line of an answer."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, statement):
        self.process.stdin.write(f"{statement};\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip() or sys.exit(f"psql: {statement} gave no answer")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Peer:
    """A process of its own, peer.py unless another program is given; absent says why it is not there."""

    def __init__(self, name, python, threads, program=None):
        self.name = name
        self.process = subprocess.Popen(
            [python, *(program or [str(HERE / "peer.py"), name]), str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(OUT / f"{name}.log", "w"), text=True,
        )
        line = self.process.stdout.readline()
        hello = json.loads(line) if line else {"absent": f"it ended, see build/bench/{name}.log"}
        self.absent, self.version = hello.get("absent"), hello.get("version")

    def ask(self, what, texts):
        return self.request(what=what, texts=texts)

    def request(self, **fields):
        self.process.stdin.write(json.dumps(fields) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def busy_share(seconds):
    """The share of all processors that was used meanwhile."""

    def sample():
        fields = [int(x) for x in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
        return sum(fields), fields[3] + fields[4]

    total, idle = sample()
    time.sleep(seconds)
    total_after, idle_after = sample()
    return 1 - (idle_after - idle) / max(1, total_after - total)


class Quiet:
    """Waits for idle processors before a measurement, and remembers when they were not."""

    def __init__(self, patience):
        self.patience, self.disturbed, self.measurements = patience, 0, 0

    def __call__(self):
        self.measurements += 1
        until = time.monotonic() + self.patience
        while busy_share(0.3) > 0.1:
            if time.monotonic() > until:
                self.disturbed += 1
                return


def limits():
    """What one core of this machine can do: name -> (value, unit)."""
    run = subprocess.run([str(ROOT / "build/bench-kernels"), "limits"], capture_output=True, text=True, check=True)
    return {name: (float(value), unit) for name, value, unit in map(str.split, run.stdout.strip().split("\n"))}


def machine():
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    commit = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True, text=True)
    return {
        "processor": cpu[1] if cpu else "unknown",
        "cores": len(os.sched_getaffinity(0)),
        "commit": commit.stdout.strip() or "unknown",
        "postgresql": psql("SHOW server_version"),
        "pg_infer": psql("SELECT extversion FROM pg_extension WHERE extname = 'pg_infer'"),
        "date": datetime.date.today().isoformat(),
    }


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


class Bench:
    def __init__(self, options):
        from texts import long_texts, repeated, sentences, tokenizer

        self.options = options
        self.quiet = Quiet(options.patience)
        source = sentences(options.sentences)
        encodings = tokenizer().encode_batch
        self.texts = {
            "short": repeated(source, options.short),
            "128": long_texts(source, options.long, 128) if "128" in options.rows else [],
            "single": [text for text in source if len(encodings([text])[0].ids) == 14][: options.calls],
        }
        self.lengths = {kind: [len(e.ids) for e in encodings(texts)] for kind, texts in self.texts.items()}
        self.results = {}  # (row, who) -> measurements
        self.peers = []
        self.configs = {}  # model -> config.json, of the families' rows

    def note(self, row, who, value):
        self.results.setdefault((row, who), []).append(value)

    def prepare_server(self):
        psql(SETUP)
        for kind, texts in self.texts.items():
            rows = "".join(f"{kind}\t{i}\t{text}\n" for i, text in enumerate(texts)).replace("\\", "\\\\")
            psql(f"COPY texts FROM STDIN;\n{rows}\\.\n")
        psql("VACUUM ANALYZE texts")
        self.ours = [name for name in IN_SERVER if name in self.options.peers]
        if any(name.endswith("-int8") for name in self.ours):
            psql(INT8)
        if "plpython" in self.ours:
            created = psql(PLPYTHON.format(threads=self.options.threads, model=self.model_on_server()), check=False)
            if created is None:
                self.ours.remove("plpython")
                print("absent: plpython: PL/Python or its packages can't be used in the server")

    @staticmethod
    def model_on_server():
        return psql("SHOW pg_infer.model_directory") + "/minilm"

    def prepare_peers(self):
        peers = [Peer(name, self.options.python, self.options.threads) for name in self.options.peers if name in TEXT_PEERS]
        for peer in peers:
            print(f"absent: {peer.name}: {peer.absent}" if peer.absent else f"peer: {peer.name}: {peer.version}")
        self.peers = [peer for peer in peers if not peer.absent]

    def bulk(self, row):
        texts = self.texts[row]
        ours = [name for name in self.ours if name in STATEMENTS]
        tokens = sum(self.lengths[row])
        for peer in self.peers:
            peer.ask("settle", texts[: max(64, len(texts) // 10)])
        for name in ours:
            self.statement(name, row, min(64, len(texts)))
        for _ in range(self.options.rounds):
            for name in ours:
                # Row by row in Python is far slower: a tenth of the texts tells.
                n = len(texts) // 10 if name == "plpython" else len(texts)
                self.quiet()
                seconds = self.statement(name, row, n)
                self.note(row, name, sum(self.lengths[row][:n]) / seconds)
            for peer in self.peers:
                self.quiet()
                self.note(row, peer.name, tokens / peer.ask("seconds", texts)["seconds"])

    @staticmethod
    def statement(name, kind, n):
        statement = STATEMENTS[name].format(kind=kind, n=n)
        return float(psql(f"SELECT seconds($s${statement}$s$)"))

    def families(self):
        """Calls with token ids of models that are made here."""
        rows = [row for row in self.options.rows if row in families.ROWS]
        folder = Path(psql("SHOW pg_infer.model_directory"))
        program = str(HERE / "families.py")
        subprocess.run([self.options.python, program, "make", str(folder)], check=True)
        subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
        psql(FAMILIES)
        ours = [forward for forward in FORWARDS if forward[0] in self.ours]
        for model in {families.ROWS[row].model for row in rows}:
            self.configs[model] = json.loads((folder / model / "config.json").read_text())
            for _, suffix, precision in ours:
                options = json.dumps({"precision": precision, "preload": True})
                psql(f"SELECT infer.create_model('{model}{suffix}', '{model}', '{options}')")
        peer = None
        if "torch" in self.options.peers:
            peer = Peer("torch", self.options.python, self.options.threads, [program, "serve", str(folder)])
            print(f"absent: torch: {peer.absent}" if peer.absent else f"peer: torch: {peer.version}")
        session = Session()
        for row in rows:
            print(f"measuring {row} ...", flush=True)
            self.family(row, ours, session, None if peer is None or peer.absent else peer)
        session.close()
        if peer:
            peer.close()
            self.peers += [] if peer.absent else [peer]

    def family(self, name, ours, session, peer):
        """One call, or the steps behind it, in turns."""
        row = families.ROWS[name]
        ids = row.ids()
        psql(f"INSERT INTO calls VALUES ('{name}', $s${json.dumps(ids).translate(BRACES)}$s$, {row.length})")
        for round_number in range(self.options.rounds + 1):
            for who, suffix, _ in ours:
                self.quiet()
                statement = f"SELECT forward_seconds('{row.model}{suffix}', calls) FROM calls WHERE row = '{name}'"
                seconds = float(session.ask(statement))
                if round_number > 0:  # the first warms up
                    self.note(name, who, row.tokens() / seconds)
            if peer:
                self.quiet()
                seconds = peer.request(row=name, ids=ids)["seconds"]
                if round_number > 0:
                    self.note(name, "torch", row.tokens() / seconds)

    def decoding(self):
        """Generating: as many sessions as there are sequences; what the first token takes is not counted."""
        rows = [row for row in self.options.rows if row in decoding.ROWS]
        folder = Path(psql("SHOW pg_infer.model_directory"))
        program = str(HERE / "decoding.py")
        if not (folder / decoding.MODEL).exists():
            subprocess.run([self.options.python, program, "make", str(folder)], check=True)
            subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
        self.configs[decoding.MODEL] = json.loads((folder / decoding.MODEL / "config.json").read_text())
        ours = [kind for kind in decoding.OURS if kind[0] in self.ours]
        for _, suffix, precision in ours:
            options = json.dumps({"precision": precision, "preload": True})
            psql(f"SELECT infer.create_model('decode{suffix}', '{decoding.MODEL}', '{options}')")
        peers = [Peer(f"generating-{name}", self.options.python, self.options.threads,
                      [program, "serve", name, str(folder)])
                 for name in decoding.PEERS if name in self.options.peers]
        for peer in peers:
            peer.name = peer.name.removeprefix("generating-")
            print(f"absent: {peer.name}: {peer.absent}" if peer.absent else f"peer: {peer.name}: {peer.version}")
        peers = [peer for peer in peers if not peer.absent]
        sessions = [Session() for _ in range(max(decoding.ROWS[row] for row in rows))]
        for row in rows:
            print(f"measuring {row} ...", flush=True)
            batch = decoding.ROWS[row]
            for round_number in range(self.options.rounds + 1):
                for who, seconds in self.decode_once(batch, ours, peers, sessions[:batch]):
                    if round_number > 0:  # the first warms up
                        self.note(row, who, batch * decoding.TOKENS / seconds)
        for each in sessions + peers:
            each.close()
        self.peers += peers

    def decode_once(self, batch, ours, peers, sessions):
        """Seconds of the tokens behind the first, for everybody in turn."""

        def mine(suffix, tokens):
            statements = [
                f"SELECT infer.generate_ids('decode{suffix}', ARRAY{ids}, max_new_tokens => {tokens}, "
                "eos_token_id => '{}')" for ids in decoding.prompts(batch)
            ]
            begin = time.perf_counter()
            with ThreadPoolExecutor(batch) as pool:
                list(pool.map(lambda session, statement: session.ask(statement), sessions, statements))
            return time.perf_counter() - begin

        for who, suffix, _ in ours:
            self.quiet()
            yield who, mine(suffix, decoding.TOKENS + 1) - mine(suffix, 1)
        for peer in peers:
            self.quiet()
            seconds = [peer.request(batch=batch, tokens=n)["seconds"] for n in (decoding.TOKENS + 1, 1)]
            yield peer.name, seconds[0] - seconds[1]

    def single(self):
        texts = self.texts["single"]
        for peer in self.peers:
            peer.ask("latency", texts[:20])
        for _ in range(self.options.rounds):
            for name, model in (("embed", "minilm"), ("embed-int8", "minilm_int8")):
                if name in self.ours:
                    self.quiet()
                    times = psql(f"SELECT latencies('{model}', {len(texts)})").split()
                    self.note("single", name, statistics.median(map(float, times)) * 1000)
            for peer in self.peers:
                self.quiet()
                self.note("single", peer.name, statistics.median(peer.ask("latency", texts)["times"]) * 1000)

    def sessions(self):
        """64 sessions with one text each, as pgbench drives them."""
        script = OUT / "sessions.sql"
        script.write_text(
            f"\\set id random(0, {len(self.texts['short']) - 1})\n"
            "SELECT cardinality(infer.embed('minilm', input)) FROM texts WHERE kind = 'short' AND id = :id;\n"
        )
        mean_tokens = statistics.mean(self.lengths["short"])
        for _ in range(self.options.rounds):
            self.quiet()
            run = subprocess.run(
                ["pgbench", "-n", "-M", "prepared", "-c", "64", "-j", "2", "-T", str(self.options.seconds),
                 "-f", str(script)],
                capture_output=True, text=True, check=True,
            )
            self.note("sessions", "embed", float(re.search(r"tps = ([\d.]+)", run.stdout)[1]) * mean_tokens)

    def load(self):
        """Importing, and the first call of a new session."""
        for round_number in range(self.options.rounds):
            self.quiet()
            begin = time.perf_counter()
            psql(f"SELECT infer.create_model('import_{round_number}', 'minilm')")
            self.note("load: create_model, s", "pg_infer", time.perf_counter() - begin)
            self.note(
                "load: first call of a session, ms", "pg_infer",
                1000 * float(psql("SELECT seconds($s$SELECT infer.embed('minilm', 'a first text')$s$)")),
            )

    def quality(self):
        """Cosine of each peer's vectors to torch's."""
        texts = self.texts["short"][:300]
        torch = next((peer for peer in self.peers if peer.name == "torch"), None)
        if torch is None:
            return {}
        theirs = torch.ask("vectors", texts)["vectors"]
        vectors = {}
        for name, model in (("embed_many", "minilm"), ("embed_many-int8", "minilm_int8")):
            if name in self.ours:
                rows = psql(
                    f"SELECT infer.embed('{model}', input) FROM texts "
                    f"WHERE kind = 'short' AND id < {len(texts)} ORDER BY id"
                )
                vectors[f"pg_infer {name}"] = [[float(x) for x in row[1:-1].split(",")] for row in rows.split("\n")]
        for peer in self.peers:
            if peer is not torch:
                vectors[peer.name] = peer.ask("vectors", texts)["vectors"]
        found = {}
        for name, mine in vectors.items():
            cosines = [cosine(a, b) for a, b in zip(mine, theirs)]
            found[name] = (statistics.mean(cosines), min(cosines))
        return found

    def run(self):
        self.prepare_server()
        quality = {}
        texts = [row for row in self.options.rows if row in TEXT_ROWS]
        if texts:
            self.prepare_peers()
        for row in texts:
            print(f"measuring {row} ...", flush=True)
            self.bulk(row) if row in ("short", "128") else getattr(self, row)()
        if "short" in texts:
            quality = self.quality()
        for peer in self.peers:
            peer.close()
        if set(self.options.rows) & set(families.ROWS):
            self.families()
        if set(self.options.rows) & set(decoding.ROWS):
            self.decoding()
        return quality


def report(bench, quality, limits_found):
    from texts import flops

    options = bench.options
    about = machine() | {"threads": options.threads, "rounds": options.rounds}
    lines = ["", ", ".join(f"{key} {value}" for key, value in about.items())]
    if bench.quiet.disturbed:
        lines.append(
            f"disturbed: other work ran before {bench.quiet.disturbed} of {bench.quiet.measurements} measurements"
        )
    medians = {key: statistics.median(values) for key, values in bench.results.items()}
    titles = {name: f"{row.title}, tokens/s" for name, row in families.ROWS.items()} | {
        "short": f"{len(bench.texts['short'])} short texts, tokens/s",
        "128": f"{len(bench.texts['128'])} texts of 128 tokens, tokens/s",
        "single": "one text of 14 tokens, ms (median)",
        "sessions": "64 sessions, a short text each, tokens/s",
    } | {name: f"OPT-125m, {batch} generated at once, tokens/s" for name, batch in decoding.ROWS.items()}
    lines += ["", "| work | who | median | least .. most | pg_infer : it | share of peak |",
              "|---|---|--:|--:|--:|--:|"]
    for (row, who), values in bench.results.items():
        median = medians[row, who]
        lower_is_better = row in ("single",) or row.startswith("load")
        kind = "-int8" if who.endswith("-int8") else ""
        mine = [medians.get((row, name + kind)) for name in ("embed_many", "embed", "forward", "generate")]
        ours = next((median for median in mine if median), None)
        ratio = "" if ours is None or who in OURS else f"{(median / ours if lower_is_better else ours / median):.2f}"
        share = ""
        peak = limits_found["int8" if who.endswith("int8") else "fp32"][0] * options.threads
        per_token = 0
        if row in ("short", "128"):
            per_token = flops(bench.lengths[row]) / sum(bench.lengths[row])
        elif row in families.ROWS:
            call = families.ROWS[row]
            per_token = families.row_flops(call, bench.configs[call.model]) / call.tokens()
        if peak and per_token:
            share = f"{100 * median * per_token / (peak * 1e9):.0f} %"
        if row in decoding.ROWS:
            precision = next((kind for kind in decoding.BYTES if who.endswith(f"-{kind}")), "fp32")
            steps = median / decoding.ROWS[row]
            read = steps * decoding.step_bytes(bench.configs[decoding.MODEL], precision, decoding.ROWS[row])
            share = f"{100 * read / (limits_found['memory'][0] * options.threads * 1e9):.0f} % of memory"
        form = "{:,.0f}" if median >= 1000 else "{:.3g}"
        lines.append(
            f"| {titles.get(row, row)} | {'pg_infer ' if who in OURS else ''}{who} | {form.format(median)} | "
            f"{form.format(min(values))} .. {form.format(max(values))} | {ratio} | {share} |"
        )
    if quality:
        lines += ["", "| cosine to torch | mean | least |", "|---|--:|--:|"]
        lines += [f"| {name} | {mean:.6f} | {least:.6f} |" for name, (mean, least) in quality.items()]
    can = ", ".join(f"{name} {value:g} {unit}" for name, (value, unit) in limits_found.items())
    lines += ["", f"One core can do: {can}"]
    text = "\n".join(lines)
    print(text)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "result.md").write_text(text + "\n")
    (OUT / "result.json").write_text(json.dumps({
        "machine": about,
        "disturbed": bench.quiet.disturbed,
        "versions": {peer.name: peer.version for peer in bench.peers},
        "limits": limits_found,
        "measurements": [{"row": row, "who": who, "values": values} for (row, who), values in bench.results.items()],
        "quality": quality,
    }, indent=1))
    print(f"\nwritten to {OUT.relative_to(ROOT)}/result.md and result.json")


def main():
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("--rows", default=",".join(ROWS), help="comma-separated, of: %(default)s")
    parser.add_argument("--peers", default=",".join(IN_SERVER + PEERS), help="comma-separated, of: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many (default %(default)s)")
    parser.add_argument("--threads", type=int, default=0, help="for everybody (default: all processors)")
    parser.add_argument("--short", type=int, default=10000, help="short texts (default %(default)s)")
    parser.add_argument("--long", type=int, default=2000, help="texts of 128 tokens (default %(default)s)")
    parser.add_argument("--calls", type=int, default=100, help="single texts a round (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=10, help="of the sessions row, a round (default %(default)s)")
    parser.add_argument("--sentences", default=str(ROOT / "test/data/sentences.txt"),
                        help="a file of short texts, one a line, or tab-separated with a last column named sentence")
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for idle processors")
    parser.add_argument("--quick", action="store_true", help="a small run: 500 and 60 texts, 2 rounds")
    parser.add_argument("--python", default=sys.executable, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.short, options.long, options.calls, options.rounds, options.seconds = 500, 60, 20, 2, 2
        options.patience = min(options.patience, 5)
    options.threads = options.threads or len(os.sched_getaffinity(0))
    options.rows = [row for row in ROWS if row in options.rows.split(",")]
    options.peers = options.peers.split(",")
    unknown = set(options.peers) - set(IN_SERVER + PEERS)
    if unknown or not options.rows:
        parser.error(f"unknown peers or rows: {', '.join(unknown) or 'no row left'}")

    print("measuring the machine ...", flush=True)
    found = limits()
    bench = Bench(options)
    report(bench, bench.run(), found)


if __name__ == "__main__":
    main()
