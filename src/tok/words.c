/*
 * words.c: the words of the slow tokenizers: what stands between whitespace; and their decoder.
 *
 * A word of never_split goes past the other pre-tokenizers, as a token or to the model.  The table is a
 * CharTable, 1 for whitespace, and behind it, at byte args[0], a Trie of those words: the token's id, or
 * WORDS_MODEL.  The decoder's table is the prefix of continuing pieces.
 */
#include "tok/component.h"

static bool
words_open(Component *component, const void *data, size_t size)
{
	size_t begin = (size_t) (uint32_t) component->record->args[0];

	return begin <= size && begin % sizeof(uint32_t) == 0 &&
		   char_table_open(&component->chars, data, begin) &&
		   trie_open(&component->trie, (const char *) data + begin, size - begin);
}

static bool
add_word(const Component *component, Run *run, const char *bytes, size_t begin, size_t end,
		 Pieces *out)
{
	int32_t id;

	if (begin == end)
		return true;
	id = trie_find(&component->trie, bytes + begin, end - begin);
	if (id == WORDS_MODEL)
		id = PIECE_MODEL;
	else if (id < 0)
		id = PIECE_OPEN;
	return pieces_add(out, run->arena, begin, end, id, run->error);
}

static bool
split_piece(const Component *component, Run *run, const Text *text, const Piece *piece, Pieces *out)
{
	size_t word = piece->begin;

	for (size_t at = word; at < piece->end;)
	{
		size_t begin = at;

		if (char_value(&component->chars, text_next(text->bytes, &at)) == 0)
			continue;
		if (!add_word(component, run, text->bytes, word, begin, out))
			return false;
		word = at;
	}
	return add_word(component, run, text->bytes, word, piece->end, out);
}

static bool
words_split(const Component *component, Run *run, const Pieces *in, Pieces *out)
{
	return run_split_pieces(component, run, in, out, split_piece);
}

const ComponentType words_type = {
	.kind = PRE_TOKENIZER_WORDS,
	.name = "words",
	.open = words_open,
	.split = words_split,
};

static bool
words_decoder_open(Component *component, const void *data, size_t size)
{
	component->bytes = size > 0 ? data : "";
	component->length = size;
	return true;
}

/* Joins words by spaces and continuing pieces to them; added tokens stand apart. */
static bool
words_decode(const Component *component, Decoding *decoding)
{
	bool first = true, apart = true;

	for (size_t i = 0; i < decoding->n; i++)
	{
		Fragment *fragment = &decoding->fragments[i];
		bool	  after_apart = apart;

		apart = fragment_is_apart(decoding, fragment);
		if (!first && !apart && !after_apart && fragment->length >= component->length &&
			memcmp(fragment->bytes, component->bytes, component->length) == 0)
		{
			fragment->bytes += component->length;
			fragment->length -= component->length;
		}
		else if (!first && !fragment_prepend(decoding, fragment, " ", 1))
			return false;
		first = false;
	}
	return true;
}

const ComponentType words_decoder_type = {
	.kind = DECODER_WORDS,
	.name = "words decoder",
	.open = words_decoder_open,
	.decode = words_decode,
};
