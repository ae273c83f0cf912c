
# The real all-MiniLM-L6-v2 against sentence-transformers (test/reference/make_minilm.py), and the promise
# that a vector's bits depend on the model and the text alone.
#
# PG_INFER_MINILM names the Hugging Face directory; tools/fetch-minilm gets it.

use strict;
use warnings;

use FindBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dimensions = 384;
my $tolerance  = 1e-5;
my $reference  = "$FindBin::RealBin/../reference/minilm";
my $sentences  = "$FindBin::RealBin/../data/sentences.txt";
my $model      = $ENV{PG_INFER_MINILM} // "$FindBin::RealBin/../../build/models/minilm";
-e "$model/model.safetensors" or die "no model in $model: run tools/fetch-minilm";

my $node = PostgreSQL::Test::Cluster->new('minilm');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_infer'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_infer');
$node->safe_psql('postgres', "SELECT infer.create_model('minilm', '$model')");

is( $node->safe_psql('postgres', "SELECT infer.create_model('again', '$model')") =~ s/^again//r,
	$node->safe_psql('postgres', "SELECT 'minilm'::infer.model") =~ s/^minilm//r,
	'importing the same directory again gives the same digest');

$node->safe_psql(
	'postgres', qq{
CREATE TABLE texts AS
	SELECT ord::int AS id, line::json #>> '{}' AS input
	FROM string_to_table(pg_read_file('$reference/texts.jsonl'), E'\\n') WITH ORDINALITY AS l(line, ord)
	WHERE line <> '';
CREATE TABLE sentences AS
	SELECT ord::int AS id, line AS input
	FROM string_to_table(pg_read_file('$sentences'), E'\\n') WITH ORDINALITY AS l(line, ord)
	WHERE line <> ''});

# Rows of $dimensions floats from a file of little-endian ones.
sub expected
{
	my ($file) = @_;
	my @floats = unpack 'f<*', slurp_file("$reference/$file");
	my @rows;
	push @rows, [ splice @floats, 0, $dimensions ] while @floats;
	return @rows;
}

# Each text of a table against its expected vector.
sub compare
{
	my ($table, $file) = @_;
	my @expected = expected($file);
	my $n        = @expected;
	my @rows     = split /\n/,
	  $node->safe_psql(
		'postgres', qq{
SELECT id || ' ' || encode(array_send(infer.embed('minilm', input, truncate => 'end')), 'hex')
FROM $table WHERE id <= $n ORDER BY id});

	is(scalar @rows, $n, "$table: a vector for each text");
	my $largest = 0;
	for my $row (@rows)
	{
		my ($id, $hex) = split / /, $row;

		# array_send: a header of five int4, then each float4 with its length before it
		my @got   = unpack 'x[20](x[4]f>)*', pack('H*', $hex);
		my @want  = @{ $expected[ $id - 1 ] };
		my $worst = @got == $dimensions ? 0 : 'inf';
		for my $i (0 .. $#want)
		{
			my $difference = abs(($got[$i] // 'inf') - $want[$i]);
			$worst = $difference unless $difference <= $worst;
		}
		cmp_ok($worst, '<=', $tolerance, "$table: text $id");
		$largest = $worst if $worst > $largest;
	}
	note "$table: largest difference $largest";
	return;
}

compare('texts',     'vectors.bin');
compare('sentences', 'sentences.bin');

my ($status, $out, $err) = $node->psql('postgres',
	"SELECT infer.embed('minilm', repeat('word ', 300))");
isnt($status, 0, 'a text that is too long is refused');
like($err, qr/302.*256/, 'with both numbers');
is($node->safe_psql('postgres', "SELECT infer.embed('minilm', NULL) IS NULL"),
	't', 'NULL gives NULL');

# What each text gives alone, in one session, is what it gives anywhere.
$node->safe_psql(
	'postgres', q{
CREATE TABLE alone AS
	SELECT id, input, array_send(infer.embed('minilm', input, truncate => 'end')) AS bits FROM texts});

# How many of the texts that a condition picks have other bits in batches of this size and order, and how many
# were compared.
sub differing
{
	my ($size, $order, $condition) = @_;
	return qq{
SELECT count(*) FILTER (WHERE array_send(m.embedding) IS DISTINCT FROM alone.bits) || ' of ' || count(*)
FROM (SELECT array_agg(id ORDER BY place) AS ids, array_agg(input ORDER BY place) AS inputs
	  FROM (SELECT id, input, row_number() OVER (ORDER BY $order) - 1 AS place
			FROM alone WHERE $condition) s
	  GROUP BY place / $size) b
CROSS JOIN LATERAL infer.embed_many('minilm', b.inputs, truncate => 'end') m
JOIN alone ON alone.id = b.ids[m.ord]};
}

my $all  = $node->safe_psql('postgres', 'SELECT count(*) FROM alone');
my $same = "0 of $all";

for my $size (1, 2, 7, 64, $all)
{
	for my $order ('id', 'id DESC', 'md5(id::text)')
	{
		is($node->safe_psql('postgres', differing($size, $order, 'true')),
			$same, "same bits in batches of $size by $order");
	}
}

# Neighbours from other sessions.
my @sessions = map {
	my %session = (out => '');
	my @command = (
		'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c',
		differing($_ + 2, "md5(id::text || '$_')", 'true'));
	$session{harness} = IPC::Run::start(\@command, '>', \$session{out});
	\%session
} 1 .. 6;
for my $session (@sessions)
{
	$session->{harness}->finish;
	chomp $session->{out};
	is($session->{out}, $same, 'same bits beside other sessions');
}

# Other servers: threads and instruction sets.
sub restart_with
{
	my ($setting) = @_;
	$node->append_conf('postgresql.conf', $setting);
	$node->restart;
	return;
}

for my $threads (1, 2, 3)
{
	restart_with("pg_infer.threads = $threads");
	is($node->safe_psql('postgres', differing(16, 'id', 'true')),
		$same, "same bits with $threads threads");
}

my ($flags) = slurp_file('/proc/cpuinfo') =~ /^flags\s*:(.*)$/m;
my %needs = (
	avx512  => [qw(avx512f avx512bw avx512dq avx512vl)],
	avx2    => [qw(avx2 fma)],
	generic => []);

# Plain C is slow: it gets some texts of every kind that are not long.
my %texts = (generic => 'id % 9 = 0 AND length(input) < 60');

for my $isa (sort keys %needs)
{
  SKIP:
	{
		my @missing = grep { ($flags // '') !~ /\b$_\b/ } @{ $needs{$isa} };
		skip "the processor has no @missing", 1 if @missing;
		restart_with("pg_infer.isa = $isa");
		my $condition = $texts{$isa} // 'true';
		my $n = $node->safe_psql('postgres', "SELECT count(*) FROM alone WHERE $condition");
		is($node->safe_psql('postgres', differing(16, 'id', $condition)),
			"0 of $n", "same bits from $isa");
	}
}

$node->stop;
done_testing();
