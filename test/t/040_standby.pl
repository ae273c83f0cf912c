
# A hot standby computes too, with the same bits, before and after its promotion.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TinyModel;

my $primary = new_server('primary');
my $answer  = $primary->safe_psql('postgres', $embed);
$primary->safe_psql('postgres',
	"CREATE TABLE texts AS SELECT g AS id, 'the cat ' || g AS input FROM generate_series(1, 100) g");
$primary->backup('base');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);

is($standby->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'a standby');
is($standby->safe_psql('postgres', $embed), $answer, 'gives the same answer');
my $all = "SELECT md5(string_agg(infer.embed('tiny', input)::text, '' ORDER BY id)) FROM texts";
is($standby->safe_psql('postgres', $all), $primary->safe_psql('postgres', $all), 'for many texts');
is( $standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_infer engine'"),
	'1', 'from an engine of its own');

# A model made later is known there, but its image has to be brought.
$primary->safe_psql('postgres', qq{SELECT infer.create_model('later', '$model_folder', '{"max_length": 44}')});
$primary->wait_for_catchup($standby);
my ($status, $out, $err) = $standby->psql('postgres', $embed =~ s/tiny/later/r);
like($err, qr/model "later".*pg_infer\/[0-9a-f]{64}\.img/, 'an image that is missing is named');
my $image = 'pg_infer/' . $primary->safe_psql('postgres', "SELECT digest FROM infer.models WHERE name = 'later'") . '.img';
append_to_file($standby->data_dir . "/$image", slurp_file($primary->data_dir . "/$image"));
is($standby->safe_psql('postgres', $embed =~ s/tiny/later/r), $answer, 'and served once it is there');

my $engine = "SELECT pid FROM infer.stat_workers";
my $before = $standby->safe_psql('postgres', $engine);
$standby->promote;
is($standby->safe_psql('postgres', $embed), $answer, 'after the promotion too');
is($standby->safe_psql('postgres', $engine), $before, 'by the same process');

$standby->stop;
$primary->stop;
done_testing();
