/*
 * wordpiece.c: the WordPiece model and its decoder.
 *
 * A word is cut greedily into the longest pieces that the vocabulary has, those after the first with the
 * continuing prefix; one without such a cut, or with too many characters, is one unknown token
 * (Schuster & Nakajima 2012; as in BERT).  The model walks "vocab.trie".  Its table is the prefix,
 * args[0] the unknown token's id or -1, args[1] the most characters a word may have.
 * The decoder's table is the prefix, too; args[0] is 1 when it cleans up each token.
 */
#include "tok/component.h"

static bool
wordpiece_open(Component *component, const void *data, size_t size)
{
	component->bytes = size > 0 ? data : "";
	component->length = size;
	return component->record->args[1] >= 0;
}

/* The pieces of a word into *pieces; none when the vocabulary cannot make it. */
static bool
cut_word(const Component *component, Run *run, const char *bytes, size_t begin, size_t end,
		 Pieces *pieces)
{
	const Trie *trie = &run->tokenizer->vocab_trie;
	uint32_t	start = 0; /* the node that the next piece goes on from */
	size_t		matched;

	pieces->n = 0;
	for (size_t at = begin; at < end; at += matched)
	{
		int32_t id = trie_longest(trie, start, bytes + at, end - at, &matched);

		if (id < 0)
		{
			pieces->n = 0;
			return true;
		}
		if (!pieces_add(pieces, run->arena, at, at + matched, id, run->error))
			return false;
		if (at == begin && !trie_walk(trie, &start, component->bytes, component->length) &&
			at + matched < end)
		{
			pieces->n = 0;
			return true;
		}
	}
	return true;
}

static bool
wordpiece_tokenize(const Component *component, Run *run, const Text *text, size_t begin, size_t end)
{
	size_t	limit = (size_t) component->record->args[1];
	Pieces *pieces = run->scratch[component->index];

	if (!pieces)
	{
		pieces = run->scratch[component->index] = arena_alloc(run->arena, 1, sizeof *pieces);
		if (!pieces)
			return error_set(run->error, ERR_MEMORY, "out of memory for the pieces of a word");
	}
	pieces->n = 0;
	if ((end - begin <= limit || text_count(text->bytes + begin, end - begin) <= limit) &&
		!cut_word(component, run, text->bytes, begin, end, pieces))
		return false;
	if (pieces->n == 0)
	{
		if (component->record->args[0] < 0)
			return error_set(run->error, ERR_DATA,
							 "text has a word that the vocabulary cannot make, and there is no "
							 "unknown token for it");
		return run_emit(run, text, begin, end, component->record->args[0]);
	}
	for (size_t i = 0; i < pieces->n; i++)
		if (!run_emit(run, text, pieces->items[i].begin, pieces->items[i].end, pieces->items[i].id))
			return false;
	return true;
}

/* Spaces before all words but the first, none before continuing pieces. */
static bool
wordpiece_decode(const Component *component, Decoding *decoding)
{
	for (size_t i = 0; i < decoding->n; i++)
	{
		Fragment *fragment = &decoding->fragments[i];

		if (i > 0 && fragment->length >= component->length &&
			memcmp(fragment->bytes, component->bytes, component->length) == 0)
		{
			fragment->bytes += component->length;
			fragment->length -= component->length;
		}
		else if (i > 0 && !fragment_prepend(decoding, fragment, " ", 1))
			return false;
		if (component->record->args[0] && !fragment_clean_up(decoding, fragment, true))
			return false;
	}
	return true;
}

const ComponentType wordpiece_type = {
	.kind = MODEL_WORDPIECE,
	.name = "WordPiece",
	.open = wordpiece_open,
	.tokenize = wordpiece_tokenize,
};

const ComponentType wordpiece_decoder_type = {
	.kind = DECODER_WORDPIECE,
	.name = "WordPiece decoder",
	.open = wordpiece_open,
	.decode = wordpiece_decode,
};
