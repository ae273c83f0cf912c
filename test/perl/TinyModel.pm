# TinyModel.pm: clusters with the model of test/models/tiny-bert, and work that takes a while.

package TinyModel;

use strict;
use warnings;

use Exporter 'import';
use FindBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw($model_folder $embed $long_embed new_server wait_for_work in_background);

our $model_folder = "$FindBin::RealBin/../models/tiny-bert";

# A short query whose answer must always be the same.
our $embed = "SELECT infer.embed('tiny', 'the cat and the dog read a book')";

# A query that computes for long: one thread of plain C, batches of a few milliseconds, and no end in sight.
our $long_embed = q{
SELECT count(*) FROM generate_series(1, 1000000) AS g
CROSS JOIN LATERAL infer.embed_many('tiny', array_fill(repeat('house tree ', 20) || g, ARRAY[256])) AS e};

# A started server with the model "tiny"; the rest are lines for postgresql.conf.
sub new_server
{
	my ($name, @settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(allows_streaming => 1);
	$node->append_conf('postgresql.conf', join "\n", "shared_preload_libraries = 'pg_infer'", @settings);
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_infer');
	$node->safe_psql('postgres', "SELECT infer.create_model('tiny', '$model_folder')");
	return $node;
}

# Starts a query in a session of its own; the harness's out and err are filled when it is finished.
sub in_background
{
	my ($node, $sql) = @_;
	my %session = (out => '', err => '');
	my @command = ('psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $sql);
	$session{harness} =
	  IPC::Run::start(\@command, '<', \undef, '>', \$session{out}, '2>', \$session{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return \%session;
}

# Until an engine has requests under way.
sub wait_for_work
{
	my ($node) = @_;
	$node->poll_query_until('postgres',
		"SELECT EXISTS (SELECT FROM infer.stat_requests WHERE state = 'running')")
	  or die 'no request came to run';
	return;
}

1;
