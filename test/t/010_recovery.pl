
# Engines, backends and the server end in every way there is; afterwards the same query gives the same answer.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TinyModel;

my $node   = new_server('recovery', "restart_after_crash = on", "pg_infer.threads = 2");
my $answer = $node->safe_psql('postgres', $embed);
like($answer, qr/^\{(-?[0-9.e-]+,){31}-?[0-9.e-]+\}$/, 'a vector of 32 numbers');

sub engine_pid
{
	return $node->safe_psql('postgres', 'SELECT pid FROM infer.stat_workers');
}

# The server takes connections again and gives the same answer.
sub same_answer_again
{
	my ($after) = @_;
	$node->poll_query_until('postgres', "SELECT pid IS NOT NULL FROM infer.stat_workers")
	  or die "no engine $after";
	is($node->safe_psql('postgres', $embed), $answer, "the same answer $after");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM infer.stat_requests'), '0', "no request is left $after");
	return;
}

is( $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_infer engine'"),
	'1', 'the engine is in pg_stat_activity');

# kill -9 of the engine: the cluster restarts by itself
my $work = in_background($node, $long_embed);
wait_for_work($node);
my $pid = engine_pid();
kill KILL => $pid;
$work->{harness}->finish;
like($work->{err}, qr/crash of another server process|server closed the connection/, 'a crash ends the sessions');
same_answer_again('after kill -9 of the engine');
isnt(engine_pid(), $pid, 'from another engine');

# kill -9 of a backend whose request runs
$work = in_background($node, "SET application_name = 'victim'; $long_embed");
wait_for_work($node);
kill KILL => $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE application_name = 'victim'");
$work->{harness}->finish;
same_answer_again('after kill -9 of a backend');

# An engine that is asked to go leaves its work to the next one.
$work = in_background($node, "SELECT count(*) FROM infer.embed_many('tiny', array_fill('house tree'::text, ARRAY[400000]))");
wait_for_work($node);
$pid = engine_pid();
is($node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)"), 't', 'the engine can be terminated');
$work->{harness}->finish;
is($work->{out}, "400000\n", 'what it was serving is finished by the next engine');
is($work->{err}, '', 'without an error');
isnt(engine_pid(), $pid, 'which is another one');
same_answer_again('after pg_terminate_backend of the engine');

# pg_cancel_backend means nothing to it
$pid = engine_pid();
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
is(engine_pid(), $pid, 'an engine is not cancelled');

# Terminating a session frees its request.
$work = in_background($node, "SET application_name = 'victim'; $long_embed");
wait_for_work($node);
$node->safe_psql('postgres',
	"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'");
$work->{harness}->finish;
like($work->{err}, qr/terminating connection due to administrator command/, 'a session can be terminated while it waits');
$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM infer.stat_requests')
  or die 'its request stays';
same_answer_again('after pg_terminate_backend of a session');

# Shutdown during work
for my $mode ('immediate', 'fast')
{
	$work = in_background($node, $long_embed);
	wait_for_work($node);
	$node->stop($mode);
	$work->{harness}->finish;
	like($work->{err}, qr/FATAL|WARNING|server closed the connection/, "$mode shutdown ends the session");
	$node->start;
	same_answer_again("after $mode shutdown");
}

# Dropping a database needs every process to take part: the engine does.
$node->safe_psql('postgres', 'CREATE DATABASE other');
$work = in_background($node, $long_embed);
wait_for_work($node);
$node->safe_psql('postgres', 'DROP DATABASE other');
pass('DROP DATABASE while the engine computes');
$node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query ~ 'embed_many' AND pid <> pg_backend_pid()");
$work->{harness}->finish;

# What can't be
$node->append_conf('postgresql.conf', 'max_worker_processes = 0');
$node->restart;
my ($status, $out, $err) = $node->psql('postgres', $embed);
like($err, qr/the inference engine cannot start: max_worker_processes of 0 may leave no room/, 'no worker to be had');
$node->append_conf('postgresql.conf', 'max_worker_processes = 8');

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
($status, $out, $err) = $node->psql('postgres', $embed);
isnt($status, 0, 'nothing is computed without shared_preload_libraries');
like($err, qr/pg_infer must be loaded via shared_preload_libraries/, 'and the error says so');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_infer'");
$node->restart;
same_answer_again('once it is loaded again');

$node->stop;
done_testing();
