
# A text of 100 MB: counted and encoded in little more memory than its own, and everything about it can be cancelled.

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $length = 100_000_000;
my $piece  = 'The cat was reading a book about the green house. ';

my $node = PostgreSQL::Test::Cluster->new('long_texts');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_infer'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_infer');
$node->safe_psql('postgres',
	"SELECT infer.create_model('tiny', '$FindBin::RealBin/../models/tiny-bert')");

my $text = sprintf "repeat('%s', %d)", $piece, $length / length $piece;

# The most that a new session has held, in kB, and what its statement gave.
sub peak
{
	my ($statement) = @_;
	my $out = $node->safe_psql('postgres', qq{$statement;
		SELECT substring(pg_read_file(format('/proc/%s/status', pg_backend_pid())) FROM 'VmHWM:\\s*(\\d+)');});
	return reverse split /\n/, $out;
}

my ($plain) = peak("SELECT length($text)");
my $one = $node->safe_psql('postgres', "SELECT infer.count_tokens('tiny', '$piece', NULL, false)");
my ($peak, $count) = peak("SELECT infer.count_tokens('tiny', $text, NULL, false)");
is($count, $one * ($length / length $piece), 'all tokens are counted');
cmp_ok($peak, '<', $plain + 16 * 1024, 'counting them takes little memory');
($peak, $count) = peak(
	"SELECT cardinality((infer.encode('tiny', $text, truncate => 'end', max_length => 40)).input_ids)");
is($count, 40, 'encode truncates');
cmp_ok($peak, '<', $plain + 16 * 1024, 'and takes little memory');

# Cancelled: the statement ends, and the session goes on.
for my $call (
	"count(*) FROM infer.tokenize('tiny', $text)",
	"infer.count_tokens('tiny', $text)",
	"infer.encode('tiny', $text, truncate => 'start')",
	"count(*) FROM infer.chunks('tiny', $text)",
	"length(infer.decode('tiny', array_fill(10, ARRAY[10000000])))")
{
	my ($status, $out, $err) = $node->psql(
		'postgres',
		"SET statement_timeout = '300ms'; SELECT $call; SET statement_timeout = 0; SELECT infer.count_tokens('tiny', 'x');",
		on_error_stop => 0);
	like($err, qr/canceling statement due to statement timeout/, "cancelled: $call");
	is($out, 3, 'the session goes on');
}

$node->stop;
done_testing();
