# Looking ahead below joins and scans that hints force, with pg_hint_plan loaded before and after us.
#
# Where pg_hint_plan is not installed (Debian 12 has no package of it), build/test_hints.so stands in: test/hints, a
# module with the same hooks that understands most hints of this test.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TinyModel;

my ($libdir) = run_command([ 'pg_config', '--pkglibdir' ]);
my $hints = -e "$libdir/pg_hint_plan.so" ? 'pg_hint_plan' : "$FindBin::RealBin/../../build/test_hints.so";
note "hints by $hints";

my $node = new_server('hints');
$node->safe_psql(
	'postgres', q{
CREATE TABLE texts AS SELECT g AS id, 'the cat ' || g % 40 AS body FROM generate_series(1, 300) AS g;
CREATE TABLE notes AS SELECT g AS id, g % 300 + 1 AS text_id, 'a dog ' || g % 30 AS body FROM generate_series(1, 200) AS g;
CREATE INDEX texts_id ON texts (id);
CREATE INDEX notes_text_id ON notes (text_id);
VACUUM ANALYZE texts, notes});

# What is asked, and after it the hints with what they force.
my $join = q{SELECT t.id, n.id, infer.similarity('tiny', t.body, n.body), infer.embed('tiny', n.body)::text
FROM texts AS t JOIN notes AS n ON n.text_id = t.id AND infer.similarity('tiny', t.body, n.body) < 2
WHERE infer.similarity('tiny', t.body, 'x') < 2 AND t.id < 250 ORDER BY n.id, 3};
my $key = q{SELECT count(*), sum(a.id) FROM texts AS a JOIN texts AS b
ON infer.similarity('tiny', a.body, 'x') = infer.similarity('tiny', b.body, 'x')};
my $scan = q{SELECT t.id, infer.similarity('tiny', t.body, 'x') FROM texts AS t WHERE t.id BETWEEN 20 AND 60 ORDER BY t.id};
my $lateral = q{SELECT t.id, count(*) FROM texts AS t, notes AS n, LATERAL infer.similarity('tiny', t.body, n.body) AS s
WHERE t.id = n.text_id AND s < 2 GROUP BY t.id ORDER BY t.id};
my @cases = (
	[ $join, 'NestLoop(t n)' => qr/Nested Loop/ ],
	[ $join, 'MergeJoin(t n)' => qr/Merge Join/ ],
	[ $join, 'HashJoin(t n)' => qr/Hash Join/ ],
	[ $join, 'NestLoop(t n) IndexScan(t)' => qr/Nested Loop.*Index Scan using texts_id/s ],
	[ $join, 'HashJoin(t n) SeqScan(t) SeqScan(n)' => qr/Hash Join.*Seq Scan/s ],
	[ $key, 'HashJoin(a b)' => qr/Hash Join/ ],
	[ $key, 'MergeJoin(a b)' => qr/Merge Join/ ],
	[ $scan, 'SeqScan(t)' => qr/Seq Scan on texts/ ],
	[ $scan, 'IndexScan(t)' => qr/Index Scan using texts_id/ ],
	[ $scan, 'BitmapScan(t)' => qr/Bitmap Heap Scan on texts/ ],
	[ $lateral, 'NestLoop(t n)' => qr/Nested Loop/ ],
	[ $lateral, 'HashJoin(t n)' => qr/Hash Join/ ]);
push @cases, [ $scan, 'Parallel(t 2 hard) Set(min_parallel_table_scan_size 0) Set(parallel_setup_cost 0) Set(parallel_tuple_cost 0)' => qr/Gather.*Parallel/s ] if $hints eq 'pg_hint_plan';

my %plain = map { $_ => $node->safe_psql('postgres', "SET pg_infer.prefetch = off; $_") } $join, $key, $scan, $lateral;

for my $order ([ $hints, 'pg_infer' ], [ 'pg_infer', $hints ])
{
	my $list = join ', ', @$order;
	my $title = join ', ', map { $_ =~ s/.*\///r } @$order;
	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$list'");
	$node->restart;
	for my $case (@cases)
	{
		my ($query, $hint, $shape) = @$case;
		my $plan = $node->safe_psql('postgres', "/*+ $hint */ EXPLAIN (COSTS OFF) $query");
		like($plan, $shape, "$title: $hint is followed");
		like($plan, qr/Custom Scan \(InferLookahead\)/, "$title: $hint is looked ahead below");
		is($node->safe_psql('postgres', "/*+ $hint */ $query"), $plain{$query}, "$title: $hint gives the same rows");
	}

	# a plan that is kept, statements within a function, and a cursor
	is( $node->safe_psql(
			'postgres', "SET plan_cache_mode = force_generic_plan; /*+ MergeJoin(t n) */ PREPARE p AS $join; EXECUTE p"),
		$plain{$join}, "$title: a prepared statement");
	is( $node->safe_psql(
			'postgres', qq{
CREATE FUNCTION pg_temp.f() RETURNS TABLE (a int, b int, c real, d text) LANGUAGE plpgsql AS \$f\$
BEGIN
	RETURN QUERY /*+ NestLoop(t n) */ $join;
END \$f\$;
SELECT * FROM pg_temp.f()}),
		$plain{$join}, "$title: a query in a function");
	is( $node->safe_psql(
			'postgres', "BEGIN; DECLARE c CURSOR FOR /*+ HashJoin(t n) */ $join; FETCH ALL FROM c; COMMIT"),
		$plain{$join}, "$title: a cursor");
	my $copy = $node->safe_psql('postgres', "COPY (/*+ MergeJoin(a b) */ $key) TO STDOUT WITH (DELIMITER '|')");
	is($copy, $plain{$key}, "$title: COPY");
}
unlike(slurp_file($node->logfile), qr/leak|PANIC|terminated by signal|TRAP/, 'and the log has no word of leaks or crashes');

$node->stop;
done_testing();
