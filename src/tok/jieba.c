/*
 * jieba.c: words of Chinese text, as jieba finds them in precise mode without its hidden Markov model.
 *
 * In a run of ideographs, ASCII letters, digits and some signs the cut is taken whose words have the largest
 * product of probabilities (Sun Junyi, jieba; as rjieba 0.2.2 has it, sums of logarithms from the end of the
 * run).  Elsewhere each character is a word.  A word that the vocabulary has is a token; of the others
 * JIEBA_IDEOGRAPHS cuts out ideographs and drops whitespace, as RoFormerTokenizerFast does.
 *
 * The table: a CharTable, at byte args[0] the args[1] weights (double; the last one that of no word), and behind
 * them a Trie of the dictionary: the index of a word's weight.  args[2] is how many characters a token of the
 * vocabulary may have for the model to find it.
 */
#include "tok/jieba.h"
#include "tok/component.h"

#include <math.h>

/* Enough of the last sums: a power of two above JIEBA_WORD_BYTES. */
#define RING 64

typedef struct Jieba
{
	const CharTable *chars;
	const Trie		*trie;
	const double	*weights;
	size_t			 n_weights;
	uint8_t			*steps; /* for each byte of a run where a character begins: the word's bytes */
	size_t			 room;
} Jieba;

static bool
jieba_open(Component *component, const void *data, size_t size)
{
	const ComponentRecord *record = component->record;
	size_t				   weights = (size_t) (uint32_t) record->args[0], n, words;

	if (record->args[1] < 1)
		return false;
	n = (size_t) record->args[1];
	words = weights + n * sizeof(double);
	if (weights > size || weights % sizeof(double) != 0 || n > (size - weights) / sizeof(double) ||
		!char_table_open(&component->chars, data, weights))
		return false;
	component->bytes = (const char *) data + weights;
	component->length = n;
	return trie_open(&component->trie, (const char *) data + words, size - words);
}

static Jieba *
jieba_scratch(const Component *component, Run *run)
{
	Jieba *jieba = run->scratch[component->index];

	if (jieba)
		return jieba;
	jieba = run->scratch[component->index] = arena_alloc(run->arena, 1, sizeof *jieba);
	if (!jieba)
	{
		error_set(run->error, ERR_MEMORY, "out of memory for the words of a text");
		return NULL;
	}
	*jieba = (Jieba){.chars = &component->chars,
					 .trie = &component->trie,
					 .weights = (const double *) component->bytes,
					 .n_weights = component->length};
	return jieba;
}

static bool
reserve_steps(Jieba *jieba, Run *run, size_t length)
{
	size_t room = jieba->room ? jieba->room : 1024;

	if (length <= jieba->room)
		return true;
	while (room < length)
		room *= 2;
	jieba->steps = arena_alloc_raw(run->arena, room, 1);
	jieba->room = jieba->steps ? room : 0;
	return jieba->steps ||
		   error_set(run->error, ERR_MEMORY, "out of memory for the words of a text");
}

/* The beginning of the character that ends before at. */
static inline size_t
character_before(const char *bytes, size_t at)
{
	do
		at--;
	while (((uint8_t) bytes[at] & 0xC0) == 0x80);
	return at;
}

/* Fills steps for a run: the best word from each of its characters on. */
static bool
weigh_run(Jieba *jieba, Run *run, const char *bytes, size_t length)
{
	const double no_word = jieba->weights[jieba->n_weights - 1];
	double		 sums[RING];

	if (!reserve_steps(jieba, run, length))
		return false;
	sums[length % RING] = 0;
	for (size_t end = length, begin; end > 0; end = begin)
	{
		size_t	 at, limit = length, step;
		uint32_t state;
		double	 best;

		begin = character_before(bytes, end);
		if (!run_tick(run, end - begin))
			return false;
		if (limit - begin > JIEBA_WORD_BYTES)
			limit = begin + JIEBA_WORD_BYTES;
		at = begin;
		state = char_value(jieba->chars, text_next(bytes, &at)) >> JIEBA_NODE_SHIFT;
		best = -INFINITY;
		step = 0;
		for (bool on = state > 0 && state < jieba->trie->n; on;
			 on = at < limit && trie_step(jieba->trie, &state, (uint8_t) bytes[at++]))
		{
			int32_t weight = trie_value(jieba->trie, state);
			double	sum;

			/* A damaged dictionary may have words that end within a character. */
			if (weight < 0 || (size_t) weight >= jieba->n_weights ||
				(at < length && ((uint8_t) bytes[at] & 0xC0) == 0x80))
				continue;
			sum = jieba->weights[weight] + sums[at % RING];
			if (sum >= best)
			{
				best = sum;
				step = at - begin;
			}
		}
		if (step == 0)
		{
			step = end - begin;
			best = no_word + sums[end % RING];
		}
		sums[begin % RING] = best;
		jieba->steps[begin] = (uint8_t) step;
	}
	return true;
}

/* What is left of a word that is no token, when ideographs are to stand alone. */
static bool
add_parts(const Jieba *jieba, Run *run, const char *bytes, size_t begin, size_t end, Pieces *out)
{
	size_t part = begin;

	for (size_t at = begin; at < end;)
	{
		size_t character = at;
		uint32_t class = char_value(jieba->chars, text_next(bytes, &at));

		if (!(class & (JIEBA_SPACE | JIEBA_IDEOGRAPH)))
			continue;
		if (part < character &&
			!pieces_add(out, run->arena, part, character, PIECE_OPEN, run->error))
			return false;
		if ((class & JIEBA_IDEOGRAPH) &&
			!pieces_add(out, run->arena, character, at, PIECE_OPEN, run->error))
			return false;
		part = at;
	}
	return part == end || pieces_add(out, run->arena, part, end, PIECE_OPEN, run->error);
}

static bool
add_word(const Component *component, const Jieba *jieba, Run *run, const char *bytes, size_t begin,
		 size_t end, Pieces *out)
{
	const Tokenizer *tokenizer = run->tokenizer;
	size_t			 length = end - begin, limit = (size_t) component->record->args[2];
	int32_t			 id = trie_find(&tokenizer->vocab_trie, bytes + begin, length);

	if (id >= 0 && (length <= limit || text_count(bytes + begin, length) <= limit))
		return pieces_add(out, run->arena, begin, end, id, run->error);
	if (!(component->record->flags & JIEBA_IDEOGRAPHS) || id >= 0 ||
		trie_find(&tokenizer->added_names, bytes + begin, length) >= 0)
		return pieces_add(out, run->arena, begin, end, PIECE_OPEN, run->error);
	return add_parts(jieba, run, bytes, begin, end, out);
}

static inline bool
is_ascii_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* The words of a run; neighbouring letters and digits that are words by themselves are one. */
static bool
split_run(const Component *component, Jieba *jieba, Run *run, const char *bytes, size_t begin,
		  size_t end, Pieces *out)
{
	size_t from = begin, at = begin;

	if (!weigh_run(jieba, run, bytes + begin, end - begin))
		return false;
	while (at < end)
	{
		size_t step = jieba->steps[at - begin];

		if (step == 1 && is_ascii_alnum(bytes[at]))
		{
			at++;
			continue;
		}
		if (from < at && !add_word(component, jieba, run, bytes, from, at, out))
			return false;
		if (!add_word(component, jieba, run, bytes, at, at + step, out))
			return false;
		from = at += step;
	}
	return from == end || add_word(component, jieba, run, bytes, from, end, out);
}

static bool
jieba_split_piece(const Component *component, Run *run, const Text *text, const Piece *piece,
				  Pieces *out)
{
	const char *bytes = text->bytes;
	Jieba	   *jieba = jieba_scratch(component, run);

	if (!jieba)
		return false;
	for (size_t at = piece->begin, next; at < piece->end; at = next)
	{
		next = at;
		if (char_value(jieba->chars, text_next(bytes, &next)) & JIEBA_RUN)
		{
			for (size_t end = next; end < piece->end; next = end)
				if (!(char_value(jieba->chars, text_next(bytes, &end)) & JIEBA_RUN))
					break;
			if (!split_run(component, jieba, run, bytes, at, next, out))
				return false;
			continue;
		}
		if (bytes[at] == '\r' && next < piece->end && bytes[next] == '\n')
			next++;
		if (!add_word(component, jieba, run, bytes, at, next, out))
			return false;
	}
	return true;
}

static bool
jieba_split(const Component *component, Run *run, const Pieces *in, Pieces *out)
{
	return run_split_pieces(component, run, in, out, jieba_split_piece);
}

const ComponentType jieba_type = {
	.kind = PRE_TOKENIZER_JIEBA,
	.name = "jieba",
	.open = jieba_open,
	.split = jieba_split,
};
