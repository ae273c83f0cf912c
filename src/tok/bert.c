/*
 * bert.c: the BERT pre-tokenizer: words are what stands between whitespace, punctuation is a word by itself.
 *
 * Its table gives the class of each character.
 */
#include "tok/component.h"

#define CLASS_WHITESPACE 1
#define CLASS_PUNCTUATION 2

static bool
bert_open(Component *component, const void *data, size_t size)
{
	return char_table_open(&component->chars, data, size);
}

/* Cuts one piece. */
static bool
split_piece(const Component *component, Run *run, const Text *text, const Piece *piece, Pieces *out)
{
	const CharTable *table = &component->chars;
	const char		*bytes = text->bytes;
	const uint32_t	*ascii = table->values + ((size_t) table->index[0] << CHAR_BLOCK_BITS);
	size_t			 word = piece->begin, at = piece->begin;

	while (at < piece->end)
	{
		size_t	begin = at;
		uint8_t byte = (uint8_t) bytes[at];
		uint32_t class;

		if (byte < 0x80)
		{
			class = ascii[byte];
			at++;
		}
		else
			class = char_value(table, text_next(bytes, &at));
		if (class == 0)
			continue;
		if (word < begin && !pieces_add(out, run->arena, word, begin, PIECE_OPEN, run->error))
			return false;
		if (class == CLASS_PUNCTUATION &&
			!pieces_add(out, run->arena, begin, at, PIECE_OPEN, run->error))
			return false;
		word = at;
	}
	return word == at || pieces_add(out, run->arena, word, at, PIECE_OPEN, run->error);
}

static bool
bert_split(const Component *component, Run *run, const Pieces *in, Pieces *out)
{
	return run_split_pieces(component, run, in, out, split_piece);
}

const ComponentType bert_pre_tokenizer_type = {
	.kind = PRE_TOKENIZER_BERT,
	.name = "BertPreTokenizer",
	.open = bert_open,
	.split = bert_split,
};
