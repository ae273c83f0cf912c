
# The directory of images: what failed imports and prepared transactions leave behind, and a directory that can't be
# read; and what verification takes for the same.

use strict;
use warnings;

use FindBin;
use JSON::PP;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TinyModel;

my $node  = new_server('store', 'max_prepared_transactions = 2', 'pg_infer.isa = generic');
my $store = $node->data_dir . '/pg_infer';
my $failing = "SELECT infer.create_model('none', '" . $node->data_dir . "/base')";

sub files
{
	my ($pattern) = @_;
	return scalar grep { /$pattern/ } slurp_dir($store);
}

# Overwrites a norm's weights, which lie in an image as they lie in the checkpoint.
sub damage_weights
{
	my ($path) = @_;
	my $checkpoint = slurp_file("$model_folder/model.safetensors");
	my $size       = unpack 'Q<', $checkpoint;
	my $tensor     = decode_json(substr $checkpoint, 8, $size)->{'embeddings.LayerNorm.weight'};
	my ($begin, $end) = @{ $tensor->{data_offsets} };
	my $at = index slurp_file($path), substr $checkpoint, 8 + $size + $begin, $end - $begin;
	die 'no weights to damage' if $at < 0;
	open my $file, '+<:raw', $path or die "open: $!";
	seek $file, $at, 0 and print $file "\x3f" x 16 and close $file or die "write: $!";
	return;
}

# An import that fails in a subtransaction, and then the transaction is prepared.  What was remembered of it must be
# forgotten: the next transactions of the session are others.
my ($status, $out, $err) = $node->psql(
	'postgres', qq{
BEGIN;
SAVEPOINT before;
$failing;
ROLLBACK TO before;
CREATE TABLE prepared (i int);
PREPARE TRANSACTION 'one';
BEGIN;
} . join('', map { "SAVEPOINT s$_;\nCREATE TEMP TABLE t$_ (i int);\n" } 1 .. 20) . qq{
COMMIT;
BEGIN;
$failing;
ROLLBACK;
COMMIT PREPARED 'one';
SELECT count(*) FROM prepared;
}, on_error_stop => 0);
is($out, '0', 'a session goes on after PREPARE TRANSACTION over a failed import');
unlike($err, qr/server closed|could not remove/, 'and nothing is remembered of it');
is(files(qr/^tmp/), 0, 'no temporary file is left');

# Without a list of the directory nobody knows who refers to an image, so nothing is changed.
$node->safe_psql('postgres', "SELECT infer.create_model('twin', '$model_folder')");
chmod 0300, $store or die "chmod: $!";
SKIP:
{
	skip 'root reads every directory', 2 if $> == 0;
	($status, $out, $err) = $node->psql('postgres', 'DROP SERVER twin');
	like($err, qr/could not read directory "pg_infer"/, 'no model is dropped while its directory can not be read');
	is($node->safe_psql('postgres', "SELECT count(*) FROM infer.models WHERE name = 'twin'"), '1', 'it is still there');
}
chmod 0700, $store or die "chmod: $!";
$node->safe_psql('postgres', 'DROP SERVER twin');
is(files(qr/\.img$/), 1, 'the image stays as long as a model has it');
$node->safe_psql('postgres', "SELECT infer.drop_model('tiny')");
is(files(qr/./) - 2, 0, 'and goes with the last one');

# A damaged image that is imported again is read anew, by the engine too.
$node->safe_psql('postgres', "SELECT infer.create_model('tiny', '$model_folder')");
my $vector = $node->safe_psql('postgres', $embed);
damage_weights(map { "$store/$_" } grep { /\.img$/ } slurp_dir($store));
isnt($node->safe_psql('postgres', $embed), $vector, 'what is mapped shows damage done to the file');
$node->safe_psql('postgres', "SELECT infer.create_model('again', '$model_folder')");
is($node->safe_psql('postgres', $embed), $vector, 'the file that replaces it is what counts then');
$node->safe_psql('postgres', "SELECT infer.drop_model('again'), infer.drop_model('tiny')");

# Verification asks for the same bits, but of kernels that are another library's.
my $verify = "SELECT ok, detail FROM infer.verify_model('tiny') WHERE \"check\" = 'golden'";
$node->safe_psql('postgres', "SELECT infer.create_model('tiny', '$model_folder')");
like($node->safe_psql('postgres', $verify), qr/^t\|.*largest deviation 0, allowed 0$/, 'our own kernels give the same bits');
$node->append_conf('postgresql.conf', 'pg_infer.isa = openblas');
$node->restart;
($status, $out, $err) = $node->psql('postgres', $verify);
SKIP:
{
	skip 'OpenBLAS is not installed', 1 if $err =~ /cannot start/;
	like($out, qr/^t\|.*allowed 0\.0001 with OpenBLAS$/, 'OpenBLAS gives about the same numbers, and is said to');
}

# A damaged tokenizer is refused where it is used: in the session, which asks no engine.
my ($image) = grep { /\.img$/ } slurp_dir($store);
open my $file, '+<:raw', "$store/$image" or die "open: $!";
my $at = index(do { local $/; <$file> }, '##ing');
die 'no token to damage' if $at < 0;
seek $file, $at, 0 and print $file '##ink' and close $file or die "write: $!";
($status, $out, $err) = $node->psql('postgres', "SELECT infer.count_tokens('tiny', 'walking')");
like($err, qr/model "tiny": image ".*\.img" is damaged\nDETAIL:  Reason: the checksum of section .* is wrong/, 'a damaged tokenizer is not used');

$node->stop;
done_testing();
