
# The examples of README.md and doc/: every sql block runs, in order, one database a page; a text block right
# behind one is what psql shows for its last statement.
#
# PG_INFER_MINILM names the Hugging Face directory of the model "minilm"; the other models that the pages name are
# small ones of test/reference.

use strict;
use warnings;

use File::Basename;
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root  = "$FindBin::RealBin/../..";
my $model = $ENV{PG_INFER_MINILM} // "$root/build/models/minilm";
-e "$model/model.safetensors" or die "no model in $model: run tools/fetch-minilm";

my %small = (
	sentiment => 'pipelines/classify-bert',
	topics    => 'pipelines/classify-bert-multi',
	nli       => 'pipelines/zero-bert',
	reranker  => 'pipelines/score-bert',
	chooser   => 'pipelines/choose-roberta',
	writer    => 'pipelines/causal-opt',
	filler    => 'pipelines/mask-bert',
	tagger    => 'pipelines/tag-bert',
	reader    => 'pipelines/answer-bert',
	chinese   => 'tokenizers/real-roformer-chinese',
	opt       => 'generation/opt-text');

my $models = PostgreSQL::Test::Utils::tempdir;
system_or_bail('cp', '-rL', $model, "$models/minilm");
system_or_bail('cp', '-rL', "$root/test/reference/$small{$_}", "$models/$_") for sort keys %small;

my $node = PostgreSQL::Test::Cluster->new('examples');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_infer'");
$node->append_conf('postgresql.conf', "pg_infer.model_directory = '$models'");
$node->start;

# Without spaces at the ends of lines, and without empty lines at the end.
sub trimmed
{
	my ($shown) = @_;
	return $shown =~ s/[ \t]+$//gmr =~ s/\n+\z//r;
}

# A plan without what versions after 15, which the pages show, add to it.
sub plain_plan
{
	my ($shown) = @_;
	return $shown unless $shown =~ /^ *QUERY PLAN$/m and $node->pg_version > 15;
	$shown =~ s/^(?: *QUERY PLAN|-+|\(\d+ rows?\)| *Buffers: .*| *Planning:| *Window: .*| *Index Searches: .*)\n?//gm;
	$shown =~ s/(rows=\d+)\.\d\d/$1/g;
	return $shown;
}

my $number = 0;
for my $page ("$root/README.md", glob("$root/doc/*.md"))
{
	my $text = slurp_file($page);
	next unless $text =~ /^```sql$/m;
	my $database = 'page' . ++$number;
	$node->safe_psql('postgres', "CREATE DATABASE $database");

	# The first line of a block says where to look.
	while ($text =~ /^```sql\n(.*?)^```\n(?:```text\n(.*?)^```\n)?/gms)
	{
		my ($statements, $shown) = ($1, $2);
		my ($out, $err);
		my $name = basename($page) . ': ' . (split /\n/, $statements)[0];
		IPC::Run::run(
			[
				'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-P', 'pager=off', '-d',
				$node->connstr($database)
			],
			'<', \$statements, '>', \$out, '2>', \$err);
		is($err, '', $name);
		next unless defined $shown;
		$shown = trimmed($shown);
		($out, $shown) = map { plain_plan($_) } trimmed($out), $shown;
		is(substr($out, -length $shown), $shown, "$name: shows");
	}
}

$node->stop;
done_testing();
