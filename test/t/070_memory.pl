
# Memory of a session and of the engine stays what it is after many calls, good ones and failing ones.

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds  = 20_000;    # of five calls
my $allowed = 512;       # kB

my $node = PostgreSQL::Test::Cluster->new('memory');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_infer'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_infer');
$node->safe_psql('postgres',
	"SELECT infer.create_model('tiny', '$FindBin::RealBin/../models/tiny-bert')");

# What this session and the engine hold of their own, in kB.
my $memory = q{
SELECT string_agg(substring(pg_read_file(format('/proc/%s/status', pid)) FROM 'RssAnon:\s*(\d+)'), ' '
				  ORDER BY pid <> pg_backend_pid())
FROM pg_stat_activity WHERE pid = pg_backend_pid() OR backend_type = 'pg_infer engine';
};
my $calls = q{
DO $do$
DECLARE
	inputs text[] := ARRAY['one text', 'another, longer text', ''];
BEGIN
	FOR i IN 1 .. %d LOOP
		PERFORM infer.embed('tiny', 'text number ' || i);
		PERFORM * FROM infer.embed_many('tiny', inputs);
		PERFORM * FROM infer.tokenize('tiny', 'text number ' || i);
		PERFORM infer.cosine_similarity(infer.embed('tiny', 'left'), (infer.embed('tiny', 'right'))[1:]);
		BEGIN
			PERFORM infer.embed('tiny', repeat('too long ', 2000));
			RAISE 'a text that is too long was taken';
		EXCEPTION WHEN string_data_right_truncation OR program_limit_exceeded THEN NULL;
		END;
		COMMIT;
	END LOOP;
END $do$;
};

my @out = split /\n/, $node->safe_psql(
	'postgres', join '', sprintf($calls, $rounds / 10), $memory, sprintf($calls, $rounds), $memory);
my ($session_before, $engine_before, $session_after, $engine_after) = map { split / / } @out;
note "session: $session_before kB before, $session_after kB after $rounds rounds";
note "engine: $engine_before kB before, $engine_after kB after";
cmp_ok($session_after, '<=', $session_before + $allowed, 'a session keeps its size');
cmp_ok($engine_after,  '<=', $engine_before + $allowed,  'the engine keeps its size');

# What one large text takes is given back.
my ($small, $large) = split /\n/, $node->safe_psql('postgres', join '',
	"SELECT infer.count_tokens('tiny', 'x') \\gset\n", $memory,
	"SELECT infer.count_tokens('tiny', repeat('the cat ', 200000)) \\gset\n", $memory);
cmp_ok((split / /, $large)[0], '<=', (split / /, $small)[0] + 4096, 'a session shrinks after a large text');

$node->stop;
done_testing();
