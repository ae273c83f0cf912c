
# Errors of rows that are looked ahead over: thrown for their rows only, with nothing left behind, and at once where they
# concern more than a row.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TinyModel;

my $node = new_server('errors', 'max_prepared_transactions = 2', 'max_standby_streaming_delay = 100ms');
$node->safe_psql(
	'postgres', q{
CREATE TABLE texts AS SELECT g AS id, 'the cat ' || g % 40 AS body FROM generate_series(1, 200) AS g;
CREATE TABLE others AS SELECT g AS id FROM generate_series(1, 200) AS g;
CREATE INDEX ON texts (id);
CREATE FUNCTION in_plpgsql(wanted int) RETURNS int STABLE COST 1 LANGUAGE plpgsql AS $$
DECLARE
	found record;
	seen refcursor;
BEGIN
	OPEN seen FOR SELECT body FROM texts WHERE id = wanted;
	FOR found IN SELECT id FROM texts WHERE id >= wanted ORDER BY id LOOP
		RETURN 10 / (found.id - 7);
	END LOOP;
END $$;
CREATE FUNCTION in_sql(wanted int) RETURNS bigint STABLE COST 1 SECURITY DEFINER SET work_mem = '64kB' LANGUAGE sql AS $$
	SELECT sum(10 / (t.id - 7)) FROM texts t JOIN others USING (id) WHERE t.id = wanted GROUP BY body $$;
CREATE FUNCTION rows_of(wanted int) RETURNS SETOF int STABLE COST 1 LANGUAGE plpgsql ROWS 2 AS $$
BEGIN
	RETURN QUERY SELECT 10 / (id - 70) FROM others WHERE id BETWEEN wanted AND wanted + 1;
END $$;
CREATE FUNCTION custom(wanted int) RETURNS bool IMMUTABLE COST 1 LANGUAGE plpgsql AS $$
BEGIN
	IF wanted = 7 THEN RAISE EXCEPTION 'seven' USING ERRCODE = 'UX007'; END IF;
	RETURN true;
END $$;
CREATE FUNCTION slow(body text) RETURNS text STABLE COST 1 LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(0.3);
	RETURN body;
END $$;
CREATE FUNCTION fatal(wanted int) RETURNS bool STABLE COST 1 LANGUAGE plpgsql AS $$
BEGIN
	IF wanted = 7 THEN RAISE EXCEPTION 'give way' USING ERRCODE = 'serialization_failure'; END IF;
	RETURN true;
END $$;
ANALYZE});

# ---- the same as without looking ahead ----

my $near = "infer.similarity('tiny', body, 'x') < 2";
my @queries = (
	"SELECT id FROM texts WHERE 10 / (id - 7) > -100 AND $near",
	"SELECT id FROM texts WHERE in_plpgsql(id) > -100 AND $near",
	"SELECT id FROM texts WHERE in_sql(id) > -100 AND $near",
	"SELECT id FROM texts WHERE custom(id) AND $near",
	"SELECT id, r FROM texts, rows_of(id) AS r WHERE $near",
	"SELECT id, rows_of(id) FROM texts WHERE $near",
	"SELECT t.id FROM texts t JOIN others o ON t.id = o.id AND 10 / (t.id - 7) + 10 / (o.id - 7) > -100 WHERE $near",
	"SELECT * FROM (SELECT id, body, sum(10 / (id - 7)) OVER (ORDER BY id) FROM texts) AS s WHERE $near",
	"SELECT id FROM texts WHERE 10 / (id - (SELECT min(id) + 6 FROM others)) > -100 AND $near",
	"SELECT id FROM texts t WHERE (SELECT sum(10 / (o.id - 7)) FROM others o WHERE o.id = t.id) > -100 AND $near",
	"WITH w AS MATERIALIZED (SELECT id, body, 10 / (id - 7) AS part FROM texts) SELECT id, part FROM w WHERE $near",
	"WITH RECURSIVE w AS (SELECT 1 AS id, 'a cat' AS body, 1 AS part UNION ALL SELECT id + 1, body || 'x', 10 / (6 - id) FROM w) SELECT id, part FROM w WHERE $near",
	"SELECT id, infer.similarity('tiny', infer.similarity('tiny', repeat(body, CASE WHEN id = 7 THEN 600 ELSE 1 END), 'x')::text, 'y') < 2 FROM texts");
# Of these an error may be thrown at once.
my @given_up = (
	"WITH w AS MATERIALIZED (SELECT id, body, in_plpgsql(id) AS part FROM texts) SELECT id, part FROM w WHERE $near",
	"WITH w AS MATERIALIZED (SELECT id, body, 10 / (id - 7) AS part FROM texts) SELECT id, (SELECT count(*) FROM w b WHERE b.id < w.id AND b.id < 6) FROM w WHERE $near",
	"SELECT id FROM texts t WHERE (SELECT sum(in_plpgsql(o.id)) FROM others o WHERE o.id = t.id) > -100 AND $near");
my $begin = -s $node->logfile;
for my $query (@queries)
{
	my %result;
	for my $setting (qw(off on))
	{
		my $sql = "SET pg_infer.prefetch = $setting;\n";
		$sql .= "$query LIMIT $_;\n" for 1, 3, 6, 7;
		$sql .= "BEGIN; DECLARE c CURSOR FOR $query; FETCH 4 FROM c; FETCH 2 FROM c; SAVEPOINT s; FETCH 1 FROM c; ROLLBACK TO s; FETCH 1 FROM c; COMMIT;\n";
		$sql .= "BEGIN; DECLARE h SCROLL CURSOR WITH HOLD FOR $query LIMIT 6; FETCH 2 FROM h; FETCH BACKWARD 1 FROM h; COMMIT; FETCH ALL FROM h;\n";
		$sql .= "BEGIN; DECLARE c CURSOR FOR $query; FETCH 4 FROM c; CLOSE c; PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p';\n";
		my ($status, $out, $err) = $node->psql('postgres', $sql, on_error_stop => 0);
		$result{$setting} = "$out\n$err";
	}
	is($result{on}, $result{off}, $query);
	like($node->safe_psql('postgres', "EXPLAIN (ANALYZE, COSTS OFF) $query LIMIT 3"),
		qr/InferLookahead/, 'is looked ahead for, and its clocks are stopped');
}
for my $query (@given_up)
{
	my ($status, $out, $err) = $node->psql('postgres', "$query LIMIT 4");
	ok($out eq "1\n2\n3\n4" || $out =~ /^1\|.*^4\|/ms || $err =~ /division by zero/, $query);
}
my $log = slurp_file($node->logfile, $begin);
unlike($log, qr/WARNING|leak|not closed|PANIC|terminated by signal|TRAP/, 'nothing is left behind');
like($log, qr/division by zero/, 'though rows failed');

# ---- what concerns more than a row ----

my ($status, $out, $err) = $node->psql('postgres', "SELECT id FROM texts WHERE fatal(id) AND $near LIMIT 6");
like($err, qr/give way/, 'a serialization failure is thrown at once');
($status, $out, $err) = $node->psql('postgres', "SELECT count(infer.similarity('tiny', CASE WHEN fatal(id) THEN body END, 'x')) FROM (SELECT * FROM texts LIMIT 8) AS t WHERE $near");
like($err, qr/give way/, 'of an argument, too');
for my $sql ("SELECT id FROM texts WHERE slow(body) <> 'x' AND $near", "SELECT infer.similarity('tiny', slow(body), 'x') FROM texts")
{
	($status, $out, $err) = $node->psql('postgres', "SET statement_timeout = '700ms'; $sql");
	like($err, qr/canceling statement due to statement timeout/, 'a cancel among rows that are tried');
}

# ---- other servers ----

SKIP:
{
	my ($libdir) = run_command([ 'pg_config', '--pkglibdir' ]);
	skip 'no postgres_fdw here', 2 unless -e "$libdir/postgres_fdw.so";
	my ($host, $port) = ($node->host, $node->port);
	$node->safe_psql(
		'postgres', qq{
CREATE EXTENSION postgres_fdw;
CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'postgres', fetch_size '2');
CREATE USER MAPPING FOR CURRENT_USER SERVER loop;
CREATE TABLE written (id int);
CREATE FOREIGN TABLE far_texts (id int, body text) SERVER loop OPTIONS (table_name 'texts');
CREATE FOREIGN TABLE far_written (id int) SERVER loop OPTIONS (table_name 'written')});
	my $far = "BEGIN; INSERT INTO far_written VALUES (1); SELECT id FROM far_texts WHERE 10 / (id - 7) > -100 AND $near LIMIT 3; COMMIT";
	($status, $out, $err) = $node->psql('postgres', $far, on_error_stop => 0);
	is($status == 0 && $err eq '' ? 1 : 0, $node->safe_psql('postgres', 'SELECT count(*) FROM written'),
		'what another server has been told is kept, or the statement fails');
	is( $node->safe_psql('postgres', "SELECT count(*) FROM far_texts WHERE id > 7 AND $near"),
		'193', 'rows of another server');
}

# ---- a hot standby ----

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('errors_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', "$queries[0] LIMIT 6"), join("\n", 1 .. 6), 'rows before one that fails, on a standby');
$begin = -s $standby->logfile;
for my $sql ("SELECT id FROM texts WHERE slow(body) <> 'x' AND $near", "SELECT infer.similarity('tiny', slow(body), 'x') FROM texts")
{
	my $reader = in_background($standby, $sql);
	$standby->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%slow(%' AND wait_event = 'PgSleep')")
	  or die 'the query does not run';
	$node->safe_psql('postgres', 'DELETE FROM others; VACUUM others; INSERT INTO others SELECT generate_series(1, 200)');
	$reader->{harness}->finish;
	like($reader->{err}, qr/conflict with recovery/, 'a conflict with recovery ends what is tried');
	unlike($reader->{out}, qr/\d/, 'and gives no rows');
}
unlike(slurp_file($standby->logfile, $begin), qr/WARNING|leak|PANIC|terminated by signal|TRAP/, 'nothing is left behind there');
$standby->stop;

$node->stop;
done_testing();
