# TinyDecoder.pm: an OPT model for tests, one small layer with many positions, so that generating takes as long as
# a test wants.

package TinyDecoder;

use strict;
use warnings;

use Exporter 'import';
use File::Copy;

our @EXPORT = qw(write_decoder);

my ($hidden, $inner) = (16, 32);

# A pseudo-random number in [-1, 1), the same everywhere.
my $state = 1;

sub random
{
	$state = ($state * 1103515245 + 12345) % 2147483648;
	return $state / 1073741824 - 1;
}

# Writes config.json, model.safetensors and a tokenizer into a folder: one of single letters and digits, or that of
# another folder, whose vocabulary has so many tokens.
sub write_decoder
{
	my ($folder, $positions, $other, $vocab) = @_;
	my @tokens = ('<s>', '<pad>', '</s>', '<unk>', "\xc4\xa0", 'a' .. 'z', '0' .. '9', 'A' .. 'Z');
	$vocab //= 60;
	my $layer = 'model.decoder.layers.0';
	my %shapes = (
		'model.decoder.embed_tokens.weight'    => [ $vocab,         $hidden ],
		'model.decoder.embed_positions.weight' => [ $positions + 2, $hidden ],
		"$layer.fc1.weight" => [ $inner, $hidden ], "$layer.fc1.bias" => [$inner],
		"$layer.fc2.weight" => [ $hidden, $inner ], "$layer.fc2.bias" => [$hidden]);

	foreach my $name (map { "self_attn.${_}_proj" } qw(q k v out))
	{
		$shapes{"$layer.$name.weight"} = [ $hidden, $hidden ];
		$shapes{"$layer.$name.bias"} = [$hidden];
	}
	foreach my $norm ("$layer.self_attn_layer_norm", "$layer.final_layer_norm", 'model.decoder.final_layer_norm')
	{
		$shapes{"$norm.weight"} = $shapes{"$norm.bias"} = [$hidden];
	}

	my ($at, $data, @header) = (0, '');
	foreach my $name (sort keys %shapes)
	{
		my @shape = @{ $shapes{$name} };
		my $n = $shape[0] * ($shape[1] // 1);
		push @header, sprintf '"%s":{"dtype":"F32","shape":[%s],"data_offsets":[%d,%d]}',
		  $name, join(',', @shape), $at, $at + 4 * $n;
		$data .= pack 'f<*', map { random() } 1 .. $n;
		$at += 4 * $n;
	}
	my $header = '{' . join(',', @header) . '}';
	mkdir $folder or die "$folder: $!";
	write_file("$folder/model.safetensors", pack('Q<', length $header) . $header . $data);
	write_file("$folder/config.json", <<"END");
{"architectures": ["OPTForCausalLM"], "model_type": "opt", "hidden_size": $hidden, "word_embed_proj_dim": $hidden,
 "ffn_dim": $inner, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": $vocab,
 "max_position_embeddings": $positions, "eos_token_id": 2, "pad_token_id": 1, "bos_token_id": 2}
END
	if (defined $other)
	{
		foreach my $file (grep { -e } map { "$other/$_" } qw(tokenizer.json vocab.json merges.txt vocab.txt tokenizer_config.json))
		{
			copy($file, $folder) or die "$file: $!";
		}
		return;
	}
	write_file("$folder/vocab.json", '{' . join(',', map { qq("$tokens[$_]":$_) } 0 .. $vocab - 1) . '}');
	write_file("$folder/merges.txt", "#version: 0.2\n");
	write_file("$folder/tokenizer_config.json", <<'END');
{"tokenizer_class": "GPT2Tokenizer", "add_bos_token": true, "add_prefix_space": false, "bos_token": "</s>",
 "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "</s>", "errors": "replace"}
END
	return;
}

sub write_file
{
	my ($path, $content) = @_;
	open my $file, '>:raw', $path or die "$path: $!";
	print $file $content;
	close $file or die "$path: $!";
	return;
}

1;
