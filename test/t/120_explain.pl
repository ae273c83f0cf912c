
# What EXPLAIN ANALYZE says of a node that looks ahead: its engines' time is what they have computed, parallel workers
# count, too, and nested queries leave it alone.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TinyModel;

my $node = new_server('explain', 'max_worker_processes = 16', 'pg_infer.engines = 1', 'pg_infer.threads = 1');
my $decoder = "$FindBin::RealBin/../reference/pipelines/causal-opt";
$node->safe_psql(
	'postgres', qq{
SELECT infer.create_model('decoder', '$decoder');
CREATE TABLE texts AS SELECT g AS id, 'the cat ' || g % 700 || repeat(' house', g % 7) AS body FROM generate_series(1, 3000) AS g;
CREATE TABLE loops AS SELECT g AS n FROM generate_series(1, 4) AS g;
ANALYZE texts, loops;
-- the nodes of a plan that look ahead
CREATE FUNCTION nodes(plan json) RETURNS SETOF json LANGUAGE sql AS \$\$
	WITH RECURSIVE n AS (
		SELECT plan AS node UNION ALL SELECT child FROM n, json_array_elements(node->'Plans') AS child)
	SELECT node FROM n WHERE node->>'Custom Plan Provider' = 'InferLookahead' \$\$;
-- what they say: of all processes, of the workers, and how many of these did something
CREATE FUNCTION explain(query text, OUT items bigint, OUT rest bigint, OUT workers bigint, OUT engine float, OUT wait float,
	OUT worker_items bigint, OUT worker_engine float) LANGUAGE plpgsql AS \$\$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, VERBOSE, FORMAT json) ' || query INTO plan;
	SELECT sum((node->>'Items')::bigint), sum((node->>'Shared Items')::bigint), sum((node->>'Engine Time')::float),
		sum((node->>'Wait Time')::float) INTO items, rest, engine, wait FROM nodes(plan->0->'Plan') AS node;
	SELECT count(*), coalesce(sum((worker->>'Items')::bigint + (worker->>'Shared Items')::bigint), 0),
		coalesce(sum((worker->>'Engine Time')::float), 0) INTO workers, worker_items, worker_engine
	FROM nodes(plan->0->'Plan') AS node, json_array_elements(node->'Lookahead Workers') AS worker;
END \$\$});

my $parallel = q{
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 3; SET enable_material = off;};
my $embed_all = q{SELECT count(infer.embed('tiny', body)) FROM texts};

# The engine's time, as the views have it, is put down to the node, but for what comes behind a request's answer.
sub has_engine_time
{
	my ($settings, $query, $what) = @_;
	is( $node->safe_psql(
			'postgres', qq{
$settings
SELECT FROM infer.stat_reset();
CREATE TEMP TABLE said AS SELECT * FROM explain(\$\$$query\$\$);
-- when this is answered, the time of batches before is in the views
SELECT FROM infer.embed('tiny', clock_timestamp()::text);
SELECT engine BETWEEN run_time / 20 AND run_time FROM said, (SELECT sum(run_time) AS run_time FROM infer.stat_models) AS m}),
		't',
		"Engine Time is what the engine has computed: $what");
	return;
}
has_engine_time('', $embed_all, 'of texts');
has_engine_time("$parallel SET parallel_leader_participation = off;", $embed_all, 'of several processes at once');
has_engine_time('', q{SELECT count(infer.generate('decoder', body, 9, temperature => 1, seed => id)) FROM texts WHERE id < 60},
	'of generations');

# ---- parallel workers ----

sub said
{
	my ($settings, $query, $columns) = @_;
	return $node->safe_psql('postgres', "$parallel $settings SELECT $columns FROM explain(\$\$$query\$\$)");
}

like($node->safe_psql('postgres', "$parallel EXPLAIN (COSTS OFF) $embed_all"),
	qr/Gather.*-> +Parallel Custom Scan \(InferLookahead\)\n +Ahead Of: infer\.embed\n.*-> +Parallel Seq Scan/s,
	'a plan whose workers look ahead');
is(said('', $embed_all, 'items + rest'), '3000', 'leader and workers together have all rows');
is( said('SET parallel_leader_participation = off;', $embed_all,
		'items + rest, worker_items, workers BETWEEN 1 AND 3, abs(engine - worker_engine) < 0.01'),
	'3000|3000|t|t',
	'workers by themselves, too');
is(said('SET max_parallel_workers = 0;', $embed_all, 'items + rest, workers'), '3000|0', 'and a leader without any');
is( said(
		'SET parallel_leader_participation = off;',
		q{SELECT count(*) FROM loops LEFT JOIN (SELECT id FROM texts WHERE infer.embed('tiny', body) IS NOT NULL) AS t ON t.id + 5000 < n},
		'items + rest, worker_items'),
	'12000|12000',
	'workers that are begun again go on counting');
is( said(
		'SET parallel_leader_participation = off; SET enable_hashjoin = off;',
		q{SELECT count(*) FROM loops LEFT JOIN LATERAL (SELECT id FROM texts WHERE infer.embed('tiny', body) IS NOT NULL LIMIT 2999) AS t ON t.id + 5000 < n},
		'items + rest BETWEEN 11996 AND 12000, items + rest = worker_items'),
	't|t',
	'also when their shared memory goes with each scan');
is( said(
		'SET parallel_leader_participation = off;',
		q{SELECT infer.embed('tiny', body) FROM texts LIMIT 20}, 'items + rest BETWEEN 20 AND 240, items + rest = worker_items'),
	't|t',
	'and when a limit ends them');
my $with_subplan = q{SELECT count(*) FROM texts WHERE body NOT IN (SELECT infer.similarity('tiny', w, 'x')::text FROM unnest('{cat,dog,book,house,tree}'::text[]) AS w)};
like($node->safe_psql('postgres', "$parallel EXPLAIN (COSTS OFF) $with_subplan"),
	qr/Gather.*Parallel Seq Scan.*SubPlan 1\n +-> +Parallel Custom Scan/s, 'a plan whose workers run a subplan');
is( said(
		'SET parallel_leader_participation = off;',
		$with_subplan, 'items + rest = worker_items, items BETWEEN 6 AND 30'),
	't|t',
	'and those that run a subplan');
my $bitmap = "$parallel SET enable_seqscan = off; SET enable_indexscan = off; SET parallel_leader_participation = off;";
my $some = q{SELECT count(infer.embed('tiny', body)) FROM texts WHERE id < 100 OR id > 2900};
$node->safe_psql('postgres', 'CREATE INDEX ON texts (id)');
like($node->safe_psql('postgres', "$bitmap EXPLAIN (COSTS OFF) $some"), qr/Gather.*InferLookahead.*-> +BitmapOr/s, 'a plan with several index scans');
is( $node->safe_psql(
		'postgres', qq{
$bitmap
CREATE FUNCTION pg_temp.rows_of(query text) RETURNS float LANGUAGE plpgsql AS \$\$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, FORMAT json) ' || query INTO plan;
	RETURN (SELECT (node->>'Actual Rows')::float * (node->>'Actual Loops')::float FROM nodes(plan->0->'Plan') AS node);
END \$\$;
SELECT round(pg_temp.rows_of(\$\$$some\$\$)::numeric, -1)}),
	'200',
	'whose numbers are their own');
like($node->safe_psql('postgres', "$parallel EXPLAIN (ANALYZE, VERBOSE, COSTS OFF) $embed_all"),
	qr/ Worker \d:  Batches: \d+  Items: \d+  Shared Items: \d+  Tokens: \d+  Engine Time: \d+\.\d{3} ms  Wait Time: \d+\.\d{3} ms\n/,
	'a line for each worker');
unlike($node->safe_psql('postgres', "$parallel EXPLAIN (ANALYZE, COSTS OFF) $embed_all"), qr/Worker \d:/, 'with VERBOSE only');

# ---- queries within a query ----

# A loop in a function runs while the engine is stopped and the outer query has rows under way: it doesn't wait for them.
$node->safe_psql(
	'postgres', q{
CREATE FUNCTION send_engine(signal text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT) TO PROGRAM %L', 'cat; kill -' || signal || (SELECT string_agg(' ' || pid, '') FROM infer.stat_workers));
END $$;
CREATE FUNCTION at_row(n int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	row record;
	rows int := 0;
	waiting int;
BEGIN
	IF n = 7 THEN
		PERFORM send_engine('STOP');
	ELSIF n = 8 THEN
		FOR row IN SELECT generate_series(1, 100) LOOP
			rows := rows + 1;
		END LOOP;
		SELECT count(*) INTO waiting FROM infer.stat_requests WHERE pid = pg_backend_pid();
		PERFORM send_engine('CONT');
		RETURN rows * 10 + waiting;
	END IF;
	RETURN 0;
END $$});
my ($status, $out, $err) = $node->psql(
	'postgres', q{
SET statement_timeout = '20s';
SELECT max(at), count(e) FROM (SELECT at_row(id) AS at, infer.embed('tiny', body) AS e FROM (SELECT * FROM texts ORDER BY id LIMIT 40) AS t) AS r});
is($out, '1002|40', 'a nested loop leaves the requests of the outer query under way');
$node->safe_psql('postgres', "SELECT send_engine('CONT')");

# A cursor of whose rows some have been fetched has nothing under way.
is( $node->safe_psql(
		'postgres', q{
BEGIN;
DECLARE c CURSOR FOR SELECT infer.embed('tiny', body) IS NOT NULL FROM texts;
MOVE 50 IN c;
SELECT count(*) FROM infer.stat_requests WHERE pid = pg_backend_pid()}),
	'0',
	'a cursor at rest has no request');

$node->stop;
done_testing();
