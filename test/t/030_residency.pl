
# Which models are in memory: the cap, what is evicted, what is kept, what is loaded at the start, and images that
# are damaged or gone.

use strict;
use warnings;

use File::Basename;
use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TinyModel;

my $node   = new_server('residency');
my $answer = $node->safe_psql('postgres', $embed);

# the same weights with another limit are another image
my %limit = (a => 40, b => 41, c => 42, kept => 43);
for my $name (sort keys %limit)
{
	my $preload = $name eq 'kept' ? ', "preload": true' : '';
	$node->safe_psql('postgres',
		qq{SELECT infer.create_model('$name', '$model_folder', '{"max_length": $limit{$name}$preload}')});
}
my $size = $node->safe_psql('postgres', "SELECT max(size) FROM infer.models");

sub query
{
	return $node->safe_psql('postgres', $_[0]);
}

sub embed_with
{
	my ($name) = @_;
	return query($embed =~ s/tiny/$name/r);
}

sub error_of
{
	my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$_[0]");
	return $err;
}

sub resident
{
	return query("SELECT string_agg(name, ' ' ORDER BY name) FROM infer.stat_models WHERE state = 'resident'");
}

# Sets the cap to so many images; none at all is no cap.
sub cap
{
	my ($images) = @_;
	my $kb = int($images * $size / 1024);
	query("ALTER SYSTEM SET pg_infer.memory = '${kb}kB'");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT setting = '$kb' FROM pg_settings WHERE name = 'pg_infer.memory'");

	# the engine reads it before its next request
	query("SELECT infer.unload_model('$_')") for 'tiny', 'a', 'b', 'c', 'kept';
	return;
}

# ---- load and unload ----

is(resident(), 'tiny', 'a model is loaded by the first request');
query("SELECT infer.unload_model('tiny')");
is(resident(), '', 'and unloaded');
query("SELECT infer.unload_model('tiny')");
pass('unloading what is not loaded');
is(embed_with('tiny'), $answer, 'the next request loads it again');
query("SELECT infer.load_model('a')");
is(query("SELECT state, pinned FROM infer.stat_models WHERE name = 'a'"), 'resident|t', 'load_model keeps it');
is(query("SELECT state FROM infer.models WHERE name = 'a'"), 'resident', 'infer.models knows');

# ---- the cap ----

cap(2.5);
embed_with($_) for 'a', 'b', 'c';
is(resident(), 'b c', 'the model used longest ago makes room');
embed_with('b');
embed_with('a');
is(resident(), 'a b', 'use counts, not age');
is(query("SELECT sum(size) <= 2.5 * $size FROM infer.stat_models WHERE state = 'resident'"), 't', 'under the cap');

query("SELECT infer.load_model('a'), infer.load_model('b')");
my $err = error_of($embed =~ s/tiny/c/r);
like($err, qr/ERROR:  53200: model "c": its \d+ kB do not fit into pg_infer\.memory of \d+ kB/, 'what is kept is not evicted');
like($err, qr/DETAIL:  Models that are kept loaded take \d+ kB of it/, 'the error says what is in the way');
like($err, qr/HINT:  .*infer\.unload_model/, 'and what to do');
is(query("SELECT state, error IS NOT NULL FROM infer.stat_models WHERE name = 'c'"), 'failed|t', 'the failure shows');
is(embed_with('a'), $answer, 'the others go on');
query("SELECT infer.unload_model('a')");
is(embed_with('c'), $answer, 'after an unload there is room');

cap(0.5);
like(error_of($embed), qr/do not fit into pg_infer\.memory/, 'a model larger than the cap is refused');

# models that push each other out: everybody gets an answer
cap(1.5);
$node->pgbench(
	'--no-vacuum --client=9 --jobs=1 --transactions=20',
	0,
	[qr{processed: 180/180}],
	[qr{^$}],
	'three models share the place of one',
	{
		map {
			("030_$_" =>
				  "SELECT 1 / (infer.embed('$_', 'the cat and the dog read a book') = '$answer'::real[])::int;\n")
		} 'a', 'b', 'c'
	});
cap(0);
embed_with($_) for 'a', 'b', 'c', 'tiny';
is(resident(), 'a b c tiny', 'without a cap all stay');

query("ALTER SYSTEM SET pg_infer.memory = '" . int(1.5 * $size / 1024) . "kB'");
$node->reload;
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 AND bool_and(name = 'tiny') FROM infer.stat_models WHERE state = 'resident'"),
	'a lower cap takes effect at once');
cap(0);

# ---- preload ----

my ($digest) = query("SELECT digest FROM infer.models WHERE name = 'c'");
my $short = substr query("SELECT digest FROM infer.models WHERE name = 'b'"), 0, 16;

sub restart_preloading
{
	my ($list) = @_;
	query("ALTER SYSTEM SET pg_infer.preload_models = $list");
	$node->restart;
	return;
}

sub wait_resident
{
	my ($names, $test) = @_;
	$node->poll_query_until('postgres',
		"SELECT string_agg(name, ' ' ORDER BY name) = '$names' FROM infer.stat_models WHERE state = 'resident'")
	  or die "not resident: $names";
	is(query("SELECT sum(requests), bool_and(pinned) FROM infer.stat_models"), '0|t', $test);
	return;
}

restart_preloading("''");
wait_resident('kept', "the option preload loads a model at the start, before anybody asks");
restart_preloading("'a', 'b\@$short', '$digest', 'nobody'");
wait_resident('a b c kept', 'preload_models too: by name, name and digest, digest');
ok($node->log_contains('no model "nobody" of pg_infer.preload_models is known'), 'an unknown one is a warning');

query("ALTER SYSTEM SET pg_infer.preload_models = 'tiny'");
$node->reload;
wait_resident('a b c kept tiny', 'a reload loads what is new');

# ---- drop ----

query("SELECT infer.load_model('a')");
my $digest_of_a = query("SELECT digest FROM infer.models WHERE name = 'a'");
query("SELECT infer.drop_model('a')");
ok($node->poll_query_until('postgres', "SELECT state = 'absent' AND NOT pinned FROM infer.residency() WHERE digest = '$digest_of_a'"),
	'a model that is dropped leaves memory');
is(query(qq{SELECT infer.create_model('a', '$model_folder', '{"max_length": $limit{a}}')::text LIKE 'a@%'}), 't', 'and can come back');
is(embed_with('a'), $answer, 'with the same answer');

# ---- two engines ----

$node->append_conf('postgresql.conf', "pg_infer.engines = 2\npg_infer.threads = 1");
restart_preloading("''");
is(query('SELECT count(*) FROM infer.stat_workers'), '2', 'two engines');
$node->pgbench(
	'--no-vacuum --client=8 --jobs=1 --transactions=50',
	0,
	[qr{processed: 400/400}],
	[qr{^$}],
	'serve together',
	{
		'030_engines' =>
		  "SELECT 1 / (infer.embed('a', 'the cat and the dog read a book') = '$answer'::real[])::int;\n"
	});
query("SELECT infer.unload_model('a')");
is(query("SELECT state FROM infer.stat_models WHERE name = 'a'"), 'absent', 'both let go');
is(query("SELECT sum(requests) >= 400 FROM infer.stat_workers"), 't', 'and count what they did');
$node->append_conf('postgresql.conf', 'pg_infer.engines = 1');

# ---- damage ----

sub image_of
{
	my ($name) = @_;
	return $node->data_dir . '/pg_infer/' . query("SELECT digest FROM infer.models WHERE name = '$name'") . '.img';
}

my %image = map { $_ => image_of($_) } 'a', 'b', 'kept';

# What is mapped stays valid.
$node->restart;
my $query = $embed =~ s/tiny/b/r;
is(query("$query;\n\\! mv '$image{b}' '$image{b}.away'\n$query;"),
	"$answer\n$answer", 'a model is in use when its file goes, and still is');

$node->stop;
for my $name ('a', 'kept')
{
	my $data = slurp_file($image{$name});
	substr($data, length($data) / 2, 1) ^= "\x01";
	open my $file, '>:raw', $image{$name} or die;
	print $file $data;
	close $file;
}
$node->start;
$err = error_of($embed =~ s/tiny/a/r);
like($err, qr/ERROR:  XX001: /, 'a damaged image is refused');
my $file_of_a = basename($image{a});
like($err, qr/model "a": .*\Q$file_of_a\E/, 'by its name');
$node->wait_for_log('could not preload model \w+: ');
pass('a preload that fails is a warning');
$err = error_of($embed =~ s/tiny/b/r);
like($err, qr/ERROR:  58P01: /, 'a missing image is refused');
is(embed_with('c'), $answer, 'the others are served');
rename "$image{b}.away", $image{b} or die;
is(embed_with('b'), $answer, 'and this one when it is back');
is(query("SELECT bool_and(ok) FROM infer.verify_model('b')"), 't', 'verified');

$node->stop;
done_testing();
