
# Looking ahead beside other modules with hooks, in whatever order they are loaded, and on a hot standby; and what
# happens when the ground moves under it, or a schema takes long.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TinyModel;

my $node = new_server('hooks', 'max_prepared_transactions = 2');
$node->safe_psql(
	'postgres', q{
CREATE TABLE texts AS SELECT g AS id, 'the cat ' || g % 40 AS body FROM generate_series(1, 200) AS g;
ANALYZE texts});
my $sums = "SELECT md5(string_agg(infer.embed('tiny', body)::text, '' ORDER BY id)) FROM texts WHERE infer.similarity('tiny', body, 'x') < 2";
my $plain = $node->safe_psql('postgres', "SET pg_infer.prefetch = off; $sums");
my $analyze = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) $sums";

# ---- other hooks ----

SKIP:
{
	my ($libdir) = run_command([ 'pg_config', '--pkglibdir' ]);
	skip 'no contrib modules here', 20 unless -e "$libdir/pg_stat_statements.so" && -e "$libdir/auto_explain.so";
	my @modules = qw(pg_stat_statements auto_explain pg_infer);
	$node->append_conf(
		'postgresql.conf', q{
auto_explain.log_min_duration = 0
auto_explain.log_analyze = on
auto_explain.log_verbose = on
auto_explain.log_nested_statements = on
pg_stat_statements.track = all
pg_stat_statements.track_planning = on
});
	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$modules[0], $modules[1], $modules[2]'");
	$node->restart;
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_stat_statements');
	for my $order ([ 0, 1, 2 ], [ 2, 1, 0 ], [ 1, 2, 0 ], [ 0, 2, 1 ])
	{
		my $list = join ', ', map { $modules[$_] } @$order;
		$node->append_conf('postgresql.conf', "shared_preload_libraries = '$list'");
		$node->restart;
		$node->safe_psql('postgres', 'SELECT pg_stat_statements_reset()');
		my $begin = -s $node->logfile;
		is($node->safe_psql('postgres', $sums), $plain, "the same rows with $list");
		is( $node->safe_psql(
				'postgres',
				"SELECT calls, plans, rows FROM pg_stat_statements WHERE query LIKE 'SELECT md5(string_agg(infer.embed(%'"),
			'1|1|1',
			'the statement is counted');
		my $log = slurp_file($node->logfile, $begin);
		like($log, qr/Custom Scan \(InferLookahead\).*Output: .*Ahead Of: infer\.embed/s, 'auto_explain shows the node');
		like($log, qr/Ahead Of: infer\.similarity\s+Batches: \d+\s+Items: \d\d\s+Shared Items: 3\d\d\s/, 'and what it did');
		is( $node->safe_psql('postgres', "DO \$\$ BEGIN PERFORM infer.embed('tiny', body) FROM texts; END \$\$; SELECT 1"),
			'1', 'a nested statement is looked ahead for, too');
	}
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_infer'");
	$node->restart;
}

# ---- a hot standby ----

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $sums), $plain, 'the same rows on a standby');
like($standby->safe_psql('postgres', $analyze), qr/InferLookahead.*Shared Items: 3\d\d\n/s, 'looked ahead for');
is( $standby->safe_psql(
		'postgres', "SELECT count(infer.similarity('tiny', substr(body, 1, id % 9 + 1), 'x')) FROM texts WHERE id < 150"),
	'149', 'with arguments that are tried in subtransactions');
$standby->stop;

# ---- what changes meanwhile ----

# An engine that dies fails what it had, and only that.
my $many = q{SELECT count(infer.embed('tiny', repeat('house tree ', 10) || g)) FROM generate_series(1, 400000) AS g};
my $work = in_background($node, $many);
wait_for_work($node);
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(pid) FROM infer.stat_workers');
$node->poll_query_until('postgres', $sums, $plain) or die 'no engine came back';
pass('sessions go on after an engine was ended');
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%400000%' AND pid <> pg_backend_pid()");
$work->{harness}->finish;

# A cancel while rows are taken, and while results are awaited.
my ($status, $out, $err) = $node->psql('postgres', "SET statement_timeout = '300ms'; $many");
like($err, qr/canceling statement due to statement timeout/, 'statement_timeout ends a query that looks ahead');
$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM infer.stat_requests') or die 'requests stay';
pass('and nothing stays behind');

# A schema that takes long to compile.
my $decoder = "$FindBin::RealBin/../reference/pipelines/causal-opt";
($status, $out, $err) = $node->psql(
	'postgres', qq{
SELECT infer.create_model('decoder', '$decoder');
SET statement_timeout = '300ms';
SELECT infer.generate('decoder', 'x', 9, json_schema => jsonb_build_object('allOf', jsonb_build_array(
	jsonb_build_object('enum', jsonb_agg('a' || g)), jsonb_build_object('enum', jsonb_agg('b' || g)))))
FROM generate_series(1, 60000) AS g});
like($err, qr/canceling statement due to statement timeout/, 'statement_timeout ends the compilation of a schema');

# In one session: errors in subtransactions, a model that is replaced under a cursor, an extension that is made anew.
($status, $out, $err) = $node->psql(
	'postgres', q{
PREPARE p AS SELECT count(infer.similarity('tiny', body, 'x')) FROM texts;
EXECUTE p; EXECUTE p; EXECUTE p; EXECUTE p; EXECUTE p; EXECUTE p;
DO $$
BEGIN
	FOR i IN 1 .. 30 LOOP
		BEGIN
			PERFORM infer.similarity('tiny', body, 'x'), 1 / (id - i * 5) FROM texts;
		EXCEPTION WHEN division_by_zero THEN NULL;
		END;
	END LOOP;
END $$;
BEGIN;
DECLARE c CURSOR FOR SELECT infer.similarity('tiny', body, body) FROM texts;
MOVE 10 IN c;
SELECT infer.drop_model('tiny');
MOVE 100 IN c;
ROLLBACK;
DROP EXTENSION pg_infer CASCADE;
CREATE EXTENSION pg_infer;
SELECT infer.create_model('tiny', '} . $model_folder . q{') IS NOT NULL;
EXECUTE p;
SELECT 'temporary', count(*) FROM pg_ls_tmpdir()}, on_error_stop => 0);
unlike($err, qr/leak|server closed/, 'nothing leaks');
like($out, qr/\n200\ntemporary\|0$/, 'a prepared statement finds the functions of an extension that was made anew');
unlike(slurp_file($node->logfile), qr/leak|PANIC|terminated by signal|TRAP/, 'and the log has no word of leaks or crashes');

$node->stop;
done_testing();
