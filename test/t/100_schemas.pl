
# Texts made within JSON schemas: whatever random schema and prompt, however they are chosen, they validate; and
# schemas that can't be kept to are refused, with the place.  The cases are test/reference/schemas.jsonl.

use strict;
use warnings;

use File::Spec;
use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TinyDecoder;
use TinyModel;

my $reference = "$FindBin::RealBin/../reference";
my $node      = new_server('schemas');
my $folder    = File::Spec->rel2abs(PostgreSQL::Test::Utils::tempdir() . '/writer');
write_decoder($folder, 1000, "$reference/pipelines/causal-opt", 500);
write_decoder("$folder-of-pieces", 1000, "$reference/tokenizers/model-bpe-byte-fallback", 900);
$node->safe_psql('postgres', "SELECT infer.create_model('writer', '$folder'), infer.create_model('pieces', '$folder-of-pieces')");

my $lines = slurp_file("$reference/schemas.jsonl");
$lines =~ s/\\/\\\\/g;
my $psql = '\set ON_ERROR_STOP on
CREATE TABLE cases (id int GENERATED ALWAYS AS IDENTITY, line jsonb NOT NULL);
CREATE TABLE results (id int, mode text, output text);
CREATE FUNCTION message_of(schema jsonb, tokens int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN \'got \' || infer.generate(\'writer\', \'x\', tokens, json_schema => schema);
EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN
    RETURN sqlerrm;
END $$;
COPY cases (line) FROM STDIN;
';
$node->safe_psql('postgres', $psql . $lines . "\\.\n");

sub query
{
	return $node->safe_psql('postgres', $_[0]);
}

# ---- what must be refused ----

is(query("SELECT count(*) FROM cases WHERE line ? 'refused'"), 100, '100 schemas are to be refused');
is(query(q{
SELECT concat_ws(' | ', id, message, line ->> 'place', line ->> 'refused')
FROM (SELECT id, line, message_of(line -> 'schema', 300) AS message FROM cases WHERE line ? 'refused') AS s
WHERE message !~ (line ->> 'refused') OR NOT starts_with(message, format('JSON schema at "%s": ', line ->> 'place'))
ORDER BY id}), '', 'and are, with the place');

# ---- what must be followed ----

my %modes = (
	greedy  => '',
	drawn   => ', temperature => 1, seed => id',
	wild    => ', temperature => 5, top_p => 0.95, seed => -id',
	beams   => ', num_beams => 3');
foreach my $mode (sort keys %modes)
{
	query("INSERT INTO results SELECT id, '$mode', infer.generate('writer', line ->> 'prompt', (line ->> 'tokens')::int,
	           json_schema => line -> 'schema' $modes{$mode}) FROM cases WHERE line ? 'tokens'");
}
is(query("SELECT count(*), count(DISTINCT id) FROM results"), 500 * keys(%modes) . '|500', '500 schemas are followed');

# Tokens with marks for spaces, and bytes for characters that have no token.
query("INSERT INTO results SELECT id, 'pieces', infer.generate('pieces', line ->> 'prompt', (line ->> 'tokens')::int,
           json_schema => line -> 'schema', temperature => 1, seed => id) FROM cases WHERE line ? 'tokens' AND id % 5 = 0");
is(query("SELECT count(*) FROM results WHERE output::jsonb IS NULL"), 0, 'to texts that are jsonb');
cmp_ok(query("SELECT count(DISTINCT output) FROM results"), '>', 1000, 'of which many differ');

# Hardly any tokens: a text that is whole, or an error that says so.
is(query(q{
SELECT concat_ws(' | ', id, message)
FROM (SELECT id, message_of(line -> 'schema', 1 + id % 17) AS message FROM cases WHERE line ? 'tokens') AS s
WHERE message !~ '^(got |model "writer": max_new_tokens of .* too few )' ORDER BY id}), '', 'or it is said that there are too few tokens');
query(q{
INSERT INTO results SELECT id, 'short', substr(message, 5)
FROM (SELECT id, message_of(line -> 'schema', 1 + id % 17) AS message FROM cases WHERE line ? 'tokens') AS s
WHERE starts_with(message, 'got ')});

# ---- the same, beside others and on other threads ----

my $drawn = "SELECT id, infer.generate('writer', line ->> 'prompt', (line ->> 'tokens')::int,
        json_schema => line -> 'schema' $modes{drawn}) AS output FROM cases WHERE line ? 'tokens'";
my $same  = "SELECT bool_and(again.output = results.output) AND count(*) > 60
        FROM ($drawn AND mod(id, 8) = %d) AS again JOIN results USING (id) WHERE mode = 'drawn'";
my @together = map { in_background($node, sprintf $same, $_) } 0 .. 3;
$_->{harness}->finish foreach @together;
is(join('', map { $_->{out} . $_->{err} } @together), "t\n" x 4, 'four sessions at once draw the same');
$node->append_conf('postgresql.conf', "pg_infer.threads = 3\npg_infer.isa = generic");
$node->restart;
is(query(sprintf $same, 4), 't', 'and so do more threads, without vector instructions');

# ---- a validator's judgement ----

my $outputs = query(q{
SELECT json_build_object('id', id || ' ' || mode, 'schema', line -> 'schema', 'output', output)::text COLLATE "C"
FROM results JOIN cases USING (id) ORDER BY id, mode});
my ($verdict, $errors);
my $run = IPC::Run::run([ 'python3', "$reference/check_schemas.py" ], '<', \$outputs, '>', \$verdict, '2>', \$errors);
ok($run, 'a validator runs') or diag $errors;
is($verdict, query('SELECT count(*) FROM results') . " valid\n", 'and accepts every text');

$node->stop;
done_testing();
