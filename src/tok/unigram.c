/*
 * unigram.c: the segmentation of highest score (Kudo 2018), by Viterbi over the bytes of a piece.
 *
 * Tokens are found in "vocab.trie"; a character that no token of one character covers may be unknown, at a score
 * below all others, and neighbouring unknown characters become one token, or bytes.  Sums and their comparisons are
 * made in the order and precision of the library whose tokens are wanted, so ties fall as they do there: doubles of
 * the tokenizers library, or floats of SentencePiece under UNIGRAM_SLOW.
 *
 * Where no token goes across a place, the best way to it is settled and its tokens go out, so the lattice is as long
 * as a word in any ordinary text.  Its scores go on, into the next block too under MODEL_CONTINUES.
 */
#include "tok/unigram.h"

#include "tok/component.h"

#define UNREACHED UINT32_MAX

/* A place in the lattice, by bytes from its beginning; the best way to it. */
typedef struct Node
{
	double	 score;
	int32_t	 id;	/* of the last token */
	uint32_t start; /* where that begins; UNREACHED: there is no way yet */
} Node;

typedef struct Lattice
{
	Node	 *nodes;
	uint32_t *ends; /* of the tokens on the best way, by their starts */
	size_t	  room;
	size_t	  begin;					  /* byte of the text that node 0 is at */
	size_t	  reach;					  /* last node that a token leads to */
	size_t	  unknown_begin, unknown_end; /* unknown characters that may be joined by more */
} Lattice;

static bool
unigram_open(Component *component, const void *data, size_t size)
{
	const UnigramTable *table = data;

	if (size < sizeof *table ||
		size - sizeof *table != (size_t) table->n_scores * sizeof(double) +
									(size_t) table->n_whole_words * sizeof(uint32_t))
		return false;
	component->bytes = data;
	component->length = size;
	return true;
}

static inline const UnigramTable *
table_of(const Component *component)
{
	return (const UnigramTable *) (const void *) component->bytes;
}

static bool
lattice_grow(Lattice *lattice, size_t more, Run *run)
{
	size_t	  room = lattice->room ? lattice->room : 256;
	Node	 *nodes;
	uint32_t *ends;

	while (room < more)
		room *= 2;
	nodes = arena_alloc_raw(run->arena, room, sizeof *nodes);
	ends = arena_alloc_raw(run->arena, room, sizeof *ends);
	if (!nodes || !ends)
		return error_set(run->error, ERR_MEMORY, "out of memory for a lattice of %zu bytes", room);
	if (lattice->room > 0)
		memcpy(nodes, lattice->nodes, (lattice->reach + 1) * sizeof *nodes);
	lattice->nodes = nodes;
	lattice->ends = ends;
	lattice->room = room;
	return true;
}

/* Considers the token at nodes from .. to as the last one before node to. */
static inline bool
lattice_offer(Lattice *lattice, Run *run, size_t from, size_t to, int32_t id, double score,
			  bool single)
{
	Node *node;

	if (to > lattice->reach)
	{
		if (to >= lattice->room && !lattice_grow(lattice, to + 1, run))
			return false;
		while (lattice->reach < to)
			lattice->nodes[++lattice->reach].start = UNREACHED;
	}
	node = &lattice->nodes[to];
	score += lattice->nodes[from].score;
	if (single)
		score = (double) (float) score;
	if (node->start != UNREACHED && !(score > node->score))
		return true;
	if (id < 0)
		return error_set(run->error, ERR_DATA,
						 "text has a character that the vocabulary does not have, and there is no "
						 "unknown token");
	*node = (Node){score, id, (uint32_t) from};
	return true;
}

/* The unknown characters that have gathered, as a token that happens to be written so, as bytes or as unknown. */
static bool
emit_unknown(const Component *component, Run *run, const Text *text, Lattice *lattice)
{
	const UnigramTable *table = table_of(component);
	uint32_t			flags = component->record->flags;
	size_t				begin = lattice->unknown_begin, end = lattice->unknown_end;
	bool				as_bytes = (flags & UNIGRAM_BYTE_FALLBACK) != 0;
	int32_t				id = -1;

	lattice->unknown_begin = lattice->unknown_end = end;
	if (begin == end)
		return true;
	if (!(as_bytes && (flags & UNIGRAM_SLOW)))
		id = trie_find(&run->tokenizer->vocab_trie, text->bytes + begin, end - begin);
	for (size_t i = begin; as_bytes && i < end; i++)
		as_bytes = table->byte_ids[(uint8_t) text->bytes[i]] >= 0;
	if (id < 0 && !as_bytes && !run_show_as(run, text->bytes + begin, end - begin))
		return false;
	if (id >= 0 || !as_bytes)
		return run_emit(run, text, begin, end,
						id >= 0 ? id : component->record->args[UNIGRAM_ARG_UNK]);
	for (size_t i = begin; i < end; i++)
		if (!run_emit(run, text, begin, end, table->byte_ids[(uint8_t) text->bytes[i]]))
			return false;
	return true;
}

/* The tokens of the best way to the last node, which becomes the first of an empty lattice. */
static bool
lattice_settle(const Component *component, Run *run, const Text *text, Lattice *lattice)
{
	uint32_t flags = component->record->flags;
	bool	 fuses = !((flags & UNIGRAM_SLOW) && (flags & UNIGRAM_BYTE_FALLBACK));

	for (size_t end = lattice->reach; end > 0; end = lattice->nodes[end].start)
		lattice->ends[lattice->nodes[end].start] = (uint32_t) end;
	for (size_t at = 0, end; at < lattice->reach; at = end)
	{
		int32_t id;

		end = lattice->ends[at];
		id = lattice->nodes[end].id;
		if (id == component->record->args[UNIGRAM_ARG_UNK])
		{
			if (!fuses && !emit_unknown(component, run, text, lattice))
				return false;
			if (lattice->unknown_begin == lattice->unknown_end)
				lattice->unknown_begin = lattice->begin + at;
			lattice->unknown_end = lattice->begin + end;
		}
		else if (!emit_unknown(component, run, text, lattice) ||
				 !run_emit(run, text, lattice->begin + at, lattice->begin + end, id))
			return false;
	}
	lattice->nodes[0].score = lattice->nodes[lattice->reach].score;
	lattice->begin += lattice->reach;
	lattice->reach = 0;
	return true;
}

/* Offers all tokens that begin at a byte of the text, the last one before end; *next is the next character. */
static bool
lattice_step(const Component *component, Run *run, const Text *text, Lattice *lattice, size_t at,
			 size_t end, size_t *next)
{
	const UnigramTable *table = table_of(component);
	const Trie		   *trie = &run->tokenizer->vocab_trie;
	bool				single = (component->record->flags & UNIGRAM_SLOW) != 0, covered = false;
	uint32_t			state = 0;
	size_t				from = at - lattice->begin;

	*next = at;
	text_next(text->bytes, next);
	for (size_t to = at; to < end && trie_step(trie, &state, (uint8_t) text->bytes[to]);)
	{
		int32_t id = trie_value(trie, state);

		to++;
		if (id < 0)
			continue;
		if ((uint32_t) id >= table->n_scores)
			return error_set(run->error, ERR_CORRUPT, "tokenizer has no score for id %d", id);
		if (table->scores[id] != table->scores[id])
			continue;
		if (!lattice_offer(lattice, run, from, to - lattice->begin, id, table->scores[id], single))
			return false;
		covered |= to == *next;
	}
	return covered ||
		   lattice_offer(lattice, run, from, *next - lattice->begin,
						 component->record->args[UNIGRAM_ARG_UNK], table->unk_score, single);
}

static bool
is_whole(const UnigramTable *table, int32_t id)
{
	const uint32_t *whole = (const uint32_t *) (table->scores + table->n_scores);

	return (uint32_t) id / 32 < table->n_whole_words && (whole[id / 32] >> id % 32 & 1);
}

static double
first_score(const Component *component, const Text *text, size_t begin, size_t end)
{
	static const char mark[] = "\xE2\x96\x81";

	return (component->record->flags & UNIGRAM_MODERN) && end - begin >= sizeof mark - 1 &&
				   memcmp(text->bytes + begin, mark, sizeof mark - 1) == 0
			   ? table_of(component)->first_score
			   : 0;
}

static bool
unigram_tokenize(const Component *component, Run *run, const Text *text, size_t begin, size_t end)
{
	bool continues = (component->record->flags & MODEL_CONTINUES) && run->continues && begin == 0;
	Lattice *lattice = run->scratch[component->index];
	int32_t	 id;

	if (!continues)
	{
		id = trie_find(&run->tokenizer->vocab_trie, text->bytes + begin, end - begin);
		if (id >= 0 && is_whole(table_of(component), id) &&
			!(component->record->flags & (MODEL_CONTINUES | UNIGRAM_MODERN)))
			return run_emit(run, text, begin, end, id);
	}
	if (!lattice)
	{
		lattice = run->scratch[component->index] = arena_alloc(run->arena, 1, sizeof *lattice);
		if (!lattice)
			return error_set(run->error, ERR_MEMORY, "out of memory for a lattice");
		if (!lattice_grow(lattice, 1, run))
			return false;
	}
	if (!continues)
		lattice->nodes[0].score = first_score(component, text, begin, end);
	lattice->begin = begin;
	lattice->reach = 0;
	lattice->unknown_begin = lattice->unknown_end = begin;
	for (size_t at = begin, next; at < end; at = next)
	{
		if (!run_tick(run, 1) || !lattice_step(component, run, text, lattice, at, end, &next))
			return false;
		if (next - lattice->begin == lattice->reach &&
			!lattice_settle(component, run, text, lattice))
			return false;
	}
	return emit_unknown(component, run, text, lattice);
}

const ComponentType unigram_type = {
	.kind = MODEL_UNIGRAM,
	.name = "Unigram",
	.open = unigram_open,
	.tokenize = unigram_tokenize,
};
