
# Generating: many sessions at once, those that leave early, too little memory for what they keep, engines that end.

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

my $node = new_server('generation', 'restart_after_crash = on', 'pg_infer.threads = 2', "pg_infer.isa = generic",
	'max_connections = 60');
my $folder = File::Spec->rel2abs(PostgreSQL::Test::Utils::tempdir() . '/decoder');
my $most   = 30000;
write_decoder($folder, $most + 100);
$node->safe_psql('postgres', "SELECT infer.create_model('decoder', '$folder')");

# Ends of sequence never come: what these functions are asked for is what they give.
sub generate
{
	my ($ids, $n, $more) = @_;
	return "SELECT infer.generate_ids('decoder', ARRAY[$ids], max_new_tokens => $n, eos_token_id => '{}'"
	  . (defined $more ? ", $more)" : ')');
}

my $long = generate('5,6,7', $most);

sub query
{
	return $node->safe_psql('postgres', $_[0]);
}

# Until a condition about infer.stat_workers holds.
sub workers
{
	my ($condition, $name) = @_;
	ok($node->poll_query_until('postgres', "SELECT $condition FROM infer.stat_workers"), $name);
	return;
}

sub nothing_is_left
{
	my ($name) = @_;
	workers('generating = 0 AND waiting_for_cache = 0 AND cache_used = 0 AND cache_reserved = 0', $name);
	return;
}

# The session's process.
sub pid_of
{
	return query("SELECT pid FROM infer.stat_requests WHERE kind = 'generate'");
}

# Ends a session of TinyModel's and gives what it printed.
sub output_of
{
	my ($session) = @_;
	$session->{harness}->finish;
	chomp $session->{out};
	return $session->{out};
}

# ---- many at once ----

my @queries;
foreach my $i (0 .. 31)
{
	my $ids  = join ',', 2, map { 3 + ($i * $_ * $_ + 7 * $_ + ($_ < 40 ? 0 : $i)) % 57 } 1 .. 3 + 5 * $i;
	my $more = $i % 4 == 1 ? "temperature => 1.2, top_k => 20, seed => $i" : $i % 4 == 2 ? 'num_beams => 3' : undef;
	push @queries, generate($ids, 30 + 3 * $i, $more);
}
my @alone    = map { query($_) } @queries;
my @sessions = map { in_background($node, $_) } @queries;
my @together = map { output_of($_) } @sessions;
is_deeply(\@together, \@alone, '32 sessions get what each gets alone');
is(scalar(grep { tr/,// >= 30 } @alone), 32, 'which is text');
nothing_is_left('and leave nothing behind');

# ---- what begins alike ----

my $instruction = join ',', map { 3 + ($_ * $_ + 3 * $_) % 57 } 1 .. 640;
my $tokens_of   = "SELECT s.tokens FROM infer.stat_models AS s WHERE s.name = 'decoder'";
my $before      = query($tokens_of);
query("SELECT count(infer.generate_ids('decoder', ARRAY[$instruction] || g, max_new_tokens => 1)) FROM generate_series(3, 22) AS g");
my $computed = query($tokens_of) - $before;
ok($computed < 2 * 641, "a beginning that 20 prompts share is computed once: $computed tokens");

# ---- streams ----

# In a select list a function's rows are not collected first.
sub stream
{
	return "SELECT (infer.generate_stream('decoder', 'once', max_new_tokens => $_[0], min_new_tokens => $_[0])).token_id";
}

my $tokens = query(stream(5));
is(query(stream($most) . ' LIMIT 5'), $tokens, 'the first tokens of many');
nothing_is_left('LIMIT ends the computation');
my $seen = query("BEGIN;
	DECLARE tokens CURSOR FOR " . stream($most) . ";
	FETCH 5 FROM tokens;
	SELECT generating, cache_used > 0 FROM infer.stat_workers;
	COMMIT");
is($seen, "$tokens\n1|t", 'a cursor gives tokens while more are computed');
nothing_is_left('closing it ends the computation');
my $session;

# ---- those that leave early ----

$session = in_background($node, $long);
workers('generating = 1 AND cache_used > 0 AND cache_reserved > cache_used', 'a long one keeps its tokens');
my $pid = pid_of();
ok(query("SELECT pg_cancel_backend($pid)"), 'cancelled');
nothing_is_left('its cache is free when it is cancelled');
output_of($session);
like($session->{err}, qr/canceling statement due to user request/, 'it says so');

$session = in_background($node, $long);
workers('generating = 1', 'another one');
$session->{harness}->kill_kill;
nothing_is_left('its cache is free when its client is gone');
ok( $node->poll_query_until('postgres', "SELECT count(*) = 0 FROM infer.stat_requests WHERE kind = 'generate'"),
	'and so is the request');

$session = in_background($node, $long);
workers('generating = 1', 'a third one');
$pid = pid_of();
ok(query("SELECT pg_terminate_backend($pid)"), 'terminated');
nothing_is_left('its cache is free when its session is terminated');
output_of($session);

# ---- beside other work ----

my @long = map { in_background($node, $long) } 1 .. 2;
workers('generating = 2', 'two long ones');
my $embedding = query($embed);
like($embedding, qr/^\{/, 'other models go on');
is(query($queries[3]), $alone[3], 'and so do shorter ones of the same model');
my $done = query("SELECT max(items_done) FROM infer.stat_requests WHERE kind = 'generate'");
query("SELECT count(*) FROM infer.embed_many('tiny', array_fill(repeat('house tree ', 20), ARRAY[512]))");
ok( query("SELECT max(items_done) FROM infer.stat_requests WHERE kind = 'generate'") > $done,
	'they go on while texts are computed');

# ---- too little memory ----

query('SELECT pg_cancel_backend(pid) FROM infer.stat_requests');
output_of($_) foreach @long;
nothing_is_left('nothing is left of these');
# a page of 32 tokens takes 4 kB
my $n = 4000;
$node->safe_psql('postgres', "ALTER SYSTEM SET pg_infer.cache_memory = '1200kB'");
$node->reload;
my ($status, $out, $err) = $node->psql('postgres', generate('5,6', 20000));
is($status, 3, 'what never fits is refused');
like(
	$err,
	qr/a generation of up to 20001 tokens may need \d+ kB of cache, but there are 1200 kB/,
	'with both numbers');
like($err, qr/Raise pg_infer.cache_memory/, 'and a hint');
my @waiting = map { generate("5,6,$_", $n) } 7 .. 11;
@sessions = map { in_background($node, $_) } @waiting;
ok( $node->poll_query_until(
		'postgres',
		"SELECT count(*) = 3 FROM infer.stat_requests WHERE state = 'waiting for cache' AND kind = 'generate'"),
	'what does not fit now waits, and says so');
workers('waiting_for_cache = 3 AND generating = 2', 'as does the engine');
query(
	"SELECT pg_cancel_backend(pid) FROM infer.stat_requests WHERE state = 'waiting for cache' ORDER BY submitted_at LIMIT 1");
@together = map { output_of($_) } @sessions;
is(scalar(grep { $_ eq '' } @together), 1, 'one that is cancelled while it waits is gone');
nothing_is_left('the others have ended');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET pg_infer.cache_memory');
$node->reload;
foreach my $i (grep { $together[$_] ne '' } 0 .. 4)
{
	is($together[$i], query($waiting[$i]), "with the tokens of one that did not wait: $i");
}

# ---- engines that end ----

my $answer = query(generate('5,6,7', $n));
$session = in_background($node, generate('5,6,7', $n));
workers('generating = 1', 'one is under way');
my $engine = query('SELECT pid FROM infer.stat_workers');
kill 'TERM', $engine;
is(output_of($session), $answer, 'the next engine begins again what a terminated one had begun');

$session = in_background($node, $long);
workers('generating = 1', 'another is under way');
$engine = query('SELECT pid FROM infer.stat_workers');
kill 'KILL', $engine;
output_of($session);
like(
	$session->{err},
	qr/terminating connection because of crash|server closed the connection|connection to server was lost/,
	'a killed engine takes the sessions with it');
$node->poll_query_until('postgres', 'SELECT pid IS NOT NULL FROM infer.stat_workers') or die 'no engine';
is(query($queries[5]), $alone[5], 'and after recovery answers are the same');
nothing_is_left('nothing is left of what was under way');

$node->stop;
done_testing();
