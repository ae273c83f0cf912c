
# Requests that are given up leave nothing behind, and more sessions than fit wait for their turn.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TinyModel;

# Slow on purpose, so that a request runs for a while: plain C, one thread, one batch for all.
my $node = new_server(
	'queue',
	'max_connections = 100',
	'pg_infer.queue_memory = 1MB',
	'pg_infer.threads = 1',
	'pg_infer.isa = generic',
	'pg_infer.batch_tokens = 1000000');
my $answer = $node->safe_psql('postgres', $embed);

sub no_request_left
{
	my ($after) = @_;
	$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM infer.stat_requests')
	  or die "requests stay $after";
	is($node->safe_psql('postgres', $embed), $answer, "the same answer $after");
	return;
}

# ---- cancel ----

my ($status, $out, $err) = $node->psql('postgres', "SET statement_timeout = '200ms'; $long_embed");
like($err, qr/canceling statement due to statement timeout/, 'statement_timeout ends a statement that waits');
no_request_left('after a timeout');

my $work = in_background($node, "SET application_name = 'victim'; $long_embed");
wait_for_work($node);
is($node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'"),
	't', 'a waiting session can be cancelled');
$work->{harness}->finish;
like($work->{err}, qr/canceling statement due to user request/, 'and says so');
no_request_left('after a cancel');

# hundreds of them, from several sessions at once, some waiting for room and some for the engine
my $script = $node->basedir . '/cancel.sql';
append_to_file($script,
	join '', "SET statement_timeout = '3ms';\n",
	map { "SELECT count(*) FROM infer.embed_many('tiny', array_fill(repeat('house tree ', $_ % 20), ARRAY[$_ % 200 + 1]));\n" } 1 .. 100);
my @sessions = map {
	my %session = (out => '', err => '');
	$session{harness} = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', $script ],
		'<', \undef, '>', \$session{out}, '2>', \$session{err});
	\%session
} 1 .. 8;
my $cancels = 0;
for my $session (@sessions)
{
	$session->{harness}->finish;
	$cancels++ while $session->{err} =~ /canceling statement due to statement timeout/g;
	unlike($session->{err}, qr/ERROR:  (?!canceling statement)/, 'no error but the timeout');
}
cmp_ok($cancels, '>', 100, "$cancels statements timed out");
no_request_left('after many timeouts');
is($node->safe_psql('postgres', "SELECT cancels > 0, errors FROM infer.stat_models WHERE name = 'tiny'"),
	't|0', 'they are counted as cancels, not as errors');

# ---- errors, subtransactions, cursors ----

$node->safe_psql(
	'postgres', q{
DO $$
BEGIN
	FOR i IN 1 .. 50 LOOP
		BEGIN
			PERFORM infer.embed('tiny', 'a cat'), 1 / (i - i);
		EXCEPTION WHEN division_by_zero THEN NULL;
		END;
	END LOOP;
END $$});
no_request_left('after errors in subtransactions');

is( $node->safe_psql(
		'postgres', q{
BEGIN;
DECLARE c CURSOR FOR SELECT ord FROM infer.embed_many('tiny', array_fill('a house'::text, ARRAY[2000]));
FETCH 2 FROM c;
CLOSE c;
SELECT infer.embed('tiny', 'a cat') IS NOT NULL;
COMMIT}),
	"1\n2\nt", 'a cursor that is closed early');
no_request_left('after a cursor');

# ---- back-pressure ----

# More sessions than slots and memory; each compares with what a session alone gets.
$node->safe_psql(
	'postgres', q{
CREATE TABLE texts AS
SELECT g AS id, repeat('house tree ', g % 15) || 'cat ' || g AS input FROM generate_series(0, 63) g;
CREATE TABLE alone AS SELECT id, infer.embed('tiny', input) AS embedding FROM texts;
CREATE FUNCTION compare(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM texts JOIN alone USING (id) WHERE id = n AND infer.embed('tiny', input) <> embedding) THEN
		RAISE EXCEPTION 'text % has another vector', n;
	END IF;
	IF EXISTS (
		SELECT FROM infer.embed_many('tiny', (SELECT array_agg(input ORDER BY id) FROM texts)) e
		JOIN alone a ON a.id = e.ord - 1 WHERE a.embedding <> e.embedding) THEN
		RAISE EXCEPTION 'a text has another vector in an array';
	END IF;
END $$});
$node->pgbench(
	'--no-vacuum --client=64 --jobs=1 --transactions=5',
	0,
	[qr{processed: 320/320}],
	[qr{^$}],
	'64 sessions over 1 MB wait for each other',
	{ '020_compare' => "\\set n random(0, 63)\nSELECT compare(:n);\n" });
no_request_left('after back-pressure');
is($node->safe_psql('postgres', "SELECT requests > 640, errors FROM infer.stat_models WHERE name = 'tiny'"),
	't|0', 'they are counted, and none failed');
is($node->safe_psql('postgres', "SELECT batches < requests FROM infer.stat_models WHERE name = 'tiny'"),
	't', 'and shared batches');

# Parallel workers ask for themselves.
my $parallel = q{
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 3; };
my $differing = q{SELECT count(*) FROM texts JOIN alone USING (id) WHERE infer.embed('tiny', input) <> embedding};
like($node->safe_psql('postgres', "$parallel EXPLAIN $differing"), qr/Gather/, 'a plan with workers');
is($node->safe_psql('postgres', "$parallel $differing"), '0', 'gives the same vectors');

# A session waiting behind a long one is served in between.
$work = in_background($node, "SET application_name = 'victim'; $long_embed");
wait_for_work($node);
is($node->safe_psql('postgres', $embed), $answer, 'a short request is served while a long statement runs');
is( $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'victim'"),
	'1', 'which still runs');

# It doesn't even wait for the batch: the long one's request still runs when it is answered.
$node->safe_psql(
	'postgres', q{
CREATE FUNCTION large_request() RETURNS timestamptz LANGUAGE sql
AS $$ SELECT submitted_at FROM infer.stat_requests WHERE state = 'running' AND items > 100 $$;
CREATE FUNCTION answered_inside() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	before timestamptz;
BEGIN
	FOR i IN 1 .. 20 LOOP
		LOOP
			before := large_request();
			EXIT WHEN before IS NOT NULL;
			PERFORM pg_sleep(0.001);
		END LOOP;
		PERFORM infer.embed('tiny', 'a cat ' || i);
		IF large_request() = before THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END $$});
is($node->safe_psql('postgres', 'SELECT answered_inside()'), 't', 'a short request is answered inside a batch');

# ---- who sees what ----

$node->safe_psql('postgres', 'CREATE ROLE reader LOGIN; CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher');
my $counts = 'SELECT count(*) > 0, count(model) = count(*), count(model) > 0 FROM infer.stat_requests';
ok($node->poll_query_until('postgres', "SET ROLE reader; $counts", "SET\nt|f|f"), "others' requests are there, without details");
ok($node->poll_query_until('postgres', "SET ROLE watcher; $counts", "SET\nt|t|t"), 'pg_monitor sees them');
($status, $out, $err) = $node->psql('postgres', 'SELECT infer.stat_reset()', extra_params => [ '-U', 'reader' ]);
like($err, qr/permission denied for function stat_reset/, 'not everybody resets the counters');
$node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'");
$work->{harness}->finish;
no_request_left('at the end');

$node->safe_psql('postgres', 'SELECT infer.stat_reset()');
is($node->safe_psql('postgres', 'SELECT sum(requests), sum(tokens) FROM infer.stat_models'), '0|0', 'stat_reset');
is($node->safe_psql('postgres', 'SELECT requests, tokens FROM infer.stat_workers'), '0|0', 'also of the engine');

$node->stop;
done_testing();
