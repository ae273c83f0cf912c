/*
 * vocabulary.c: tokens sorted by their bytes.
 */
#include "task/vocabulary.h"

#include <stdlib.h>
#include <string.h>

#include "task/grammar.h"
#include "tok/spelling.h"

typedef struct Spelling
{
	const uint8_t *bytes;
	int			   length;
	int32_t		   id;
} Spelling;

static int
compare_bytes(const uint8_t *a, int n_a, const uint8_t *b, int n_b)
{
	int order = memcmp(a, b, (size_t) (n_a < n_b ? n_a : n_b));

	return order != 0 ? order : n_a - n_b;
}

static int
compare_spellings(const void *a, const void *b)
{
	const Spelling *left = a, *right = b;
	int				order = compare_bytes(left->bytes, left->length, right->bytes, right->length);

	return order != 0 ? order : (left->id > right->id) - (left->id < right->id);
}

static int
shared_bytes(const Spelling *a, const Spelling *b)
{
	int n = 0;

	while (n < a->length && n < b->length && a->bytes[n] == b->bytes[n])
		n++;
	return n;
}

static size_t
spell_id(const Tokenizer *tokenizer, int32_t id, char *out, size_t room)
{
	if (tokenizer_is_special(tokenizer, id) || room < TOKEN_BYTES)
		return 0;
	token_bytes(id, (uint8_t *) out);
	return TOKEN_BYTES;
}

typedef size_t (*Speller)(const Tokenizer *tokenizer, int32_t id, char *out, size_t room);

/* Spells all tokens one behind the other into bytes; how many have one. */
static int
spell_all(const Tokenizer *tokenizer, Speller spell, int n_vocab, uint8_t *bytes,
		  Spelling *spellings)
{
	int n = 0;

	for (int32_t id = 0; id < n_vocab && id < tokenizer->n_vocab; id++)
	{
		size_t length = spell(tokenizer, id, (char *) bytes, VOCABULARY_MAX_BYTES);

		if (length == 0)
			continue;
		spellings[n++] = (Spelling){.bytes = bytes, .length = (int) length, .id = id};
		bytes += length;
	}
	return n;
}

/* Bytes that spellings can have; none is longer than its token's string, or an id. */
static size_t
most_bytes(const Tokenizer *tokenizer)
{
	size_t bytes = VOCABULARY_MAX_BYTES, length;

	for (int32_t id = 0; id < tokenizer->n_vocab; id++)
		if (tokenizer_token(tokenizer, id, &length) != NULL && length <= VOCABULARY_MAX_BYTES)
			bytes += length > TOKEN_BYTES ? length : TOKEN_BYTES;
	return bytes;
}

static bool
fill(Vocabulary *vocabulary, const Tokenizer *tokenizer, Speller spell, int n_vocab, Error *error)
{
	size_t	  room = (size_t) n_vocab + 1, bytes = most_bytes(tokenizer);
	Spelling *spellings = malloc(room * sizeof *spellings);

	vocabulary->n_vocab = n_vocab;
	vocabulary->ids = malloc(room * sizeof *vocabulary->ids);
	vocabulary->common = malloc(room * sizeof *vocabulary->common);
	vocabulary->lengths = malloc(room * sizeof *vocabulary->lengths);
	vocabulary->begins = malloc(room * sizeof *vocabulary->begins);
	vocabulary->indices = malloc(room * sizeof *vocabulary->indices);
	vocabulary->bytes = malloc(bytes);
	if (spellings == NULL || vocabulary->ids == NULL || vocabulary->common == NULL ||
		vocabulary->lengths == NULL || vocabulary->begins == NULL || vocabulary->indices == NULL ||
		vocabulary->bytes == NULL)
	{
		free(spellings);
		return error_set(error, ERR_MEMORY, "out of memory for a vocabulary of %d tokens", n_vocab);
	}
	vocabulary->n = spell_all(tokenizer, spell, n_vocab, vocabulary->bytes, spellings);
	qsort(spellings, (size_t) vocabulary->n, sizeof *spellings, compare_spellings);
	memset(vocabulary->indices, -1, room * sizeof *vocabulary->indices);
	for (int i = 0; i < vocabulary->n; i++)
	{
		const Spelling *spelling = &spellings[i];

		vocabulary->ids[i] = spelling->id;
		vocabulary->indices[spelling->id] = i;
		vocabulary->lengths[i] = (uint16_t) spelling->length;
		vocabulary->begins[i] = (uint32_t) (spelling->bytes - vocabulary->bytes);
		vocabulary->common[i] = i > 0 ? (uint16_t) shared_bytes(spelling, spelling - 1) : 0;
	}
	free(spellings);
	return true;
}

static Vocabulary *
create(const Tokenizer *tokenizer, Speller spell, int n_vocab, Error *error)
{
	Vocabulary *vocabulary = calloc(1, sizeof *vocabulary);

	if (vocabulary == NULL)
		error_set(error, ERR_MEMORY, "out of memory for a vocabulary");
	else if (!fill(vocabulary, tokenizer, spell, n_vocab, error))
	{
		vocabulary_free(vocabulary);
		vocabulary = NULL;
	}
	return vocabulary;
}

Vocabulary *
vocabulary_create(const Tokenizer *tokenizer, int n_vocab, Error *error)
{
	if (tokenizer_spells(tokenizer))
		return create(tokenizer, tokenizer_spell, n_vocab, error);
	error_set(error, ERR_UNSUPPORTED,
			  "the model's tokenizer does not spell texts byte by byte, as this constraint needs");
	error_detail(error, "What a token adds to the text depends on the tokens beside it.");
	return NULL;
}

Vocabulary *
vocabulary_of_ids(const Tokenizer *tokenizer, int n_vocab, Error *error)
{
	return create(tokenizer, spell_id, n_vocab, error);
}

void
vocabulary_free(Vocabulary *vocabulary)
{
	if (vocabulary == NULL)
		return;
	free(vocabulary->ids);
	free(vocabulary->common);
	free(vocabulary->lengths);
	free(vocabulary->begins);
	free(vocabulary->indices);
	free(vocabulary->bytes);
	free(vocabulary);
}

/* The first token of the order whose bytes are not before these. */
static int
lower_bound(const Vocabulary *vocabulary, const uint8_t *bytes, int length)
{
	int low = 0, high = vocabulary->n;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (compare_bytes(vocabulary->bytes + vocabulary->begins[middle],
						  vocabulary->lengths[middle], bytes, length) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int
vocabulary_longest(const Vocabulary *vocabulary, const uint8_t *text, size_t length)
{
	int most = length < VOCABULARY_MAX_BYTES ? (int) length : VOCABULARY_MAX_BYTES;

	for (int n = most; n > 0; n--)
	{
		int i = lower_bound(vocabulary, text, n);

		if (i < vocabulary->n && vocabulary->lengths[i] == n &&
			memcmp(vocabulary->bytes + vocabulary->begins[i], text, (size_t) n) == 0)
			return i;
	}
	return -1;
}
