/*
 * bpe.c: byte-pair encoding (Sennrich et al. 2016): the pair of least rank is merged until none is left.
 *
 * Characters are looked up in "vocab.trie"; the component's table (BpeTable) has the merges as a hash table of
 * pairs, and a bit for every token that its own characters merge to: a word that is such a token takes no merges
 * at all.  Long words use a heap, so the time is n log n.
 */
#include "tok/bpe.h"

#include "tok/component.h"

/* Words of at most this many symbols look for the least rank one by one. */
#define SHORT_WORD 24

typedef struct Symbol
{
	int32_t	 id;
	uint32_t length;		 /* bytes */
	int32_t	 previous, next; /* -1: none */
	uint32_t rank;			 /* of the merge with the next, BPE_NO_RANK: none */
	int32_t	 merged;		 /* what it gives */
} Symbol;

typedef struct Candidate
{
	uint32_t rank;
	int32_t	 symbol;
	int32_t	 merged;
} Candidate;

typedef struct Word
{
	Symbol	  *symbols;
	Candidate *heap;
	size_t	   n, n_heap, room;
} Word;

static bool
bpe_open(Component *component, const void *data, size_t size)
{
	const BpeTable *table = data;
	size_t			fixed;

	if (size < sizeof *table || table->n_slots == 0 || (table->n_slots & (table->n_slots - 1)) != 0)
		return false;
	fixed = sizeof *table + (size_t) table->n_slots * sizeof(BpeSlot) + (size_t) table->n_user +
			(size_t) table->n_whole_words * sizeof(uint32_t);
	if (size < fixed || size - fixed != (size_t) table->n_prefix + table->n_suffix ||
		table->n_user % sizeof(TrieNode) != 0 ||
		!trie_open(&component->trie, table->slots + table->n_slots, table->n_user))
		return false;
	component->bytes = data;
	component->length = size;
	return true;
}

static const BpeTable *
table_of(const Component *component)
{
	return (const BpeTable *) (const void *) component->bytes;
}

static const uint32_t *
whole_words(const BpeTable *table)
{
	return (const uint32_t *) (const void *) ((const char *) (table->slots + table->n_slots) +
											  table->n_user);
}

static const char *
prefix_of(const BpeTable *table)
{
	return (const char *) (whole_words(table) + table->n_whole_words);
}

/* The merge of two symbols, or NULL. */
static inline const BpeSlot *
find_merge(const BpeTable *table, int32_t left, int32_t right)
{
	uint32_t mask = table->n_slots - 1;
	uint32_t at = bpe_hash(left, right) & mask;

	for (uint32_t tries = 0; tries <= mask; tries++, at = (at + 1) & mask)
	{
		const BpeSlot *slot = &table->slots[at];

		if (slot->left == left && slot->right == right)
			return slot;
		if (slot->left == BPE_FREE)
			break;
	}
	return NULL;
}

/* Looks up the merge of a symbol with its next one. */
static inline void
rank_symbol(const BpeTable *table, Symbol *symbols, int32_t i)
{
	Symbol		  *symbol = &symbols[i];
	const BpeSlot *slot =
		symbol->next < 0 ? NULL : find_merge(table, symbol->id, symbols[symbol->next].id);

	symbol->rank = slot ? slot->rank : BPE_NO_RANK;
	symbol->merged = slot ? slot->id : -1;
}

static bool
word_reserve(Word *word, size_t more, Run *run)
{
	size_t	   room = word->room ? word->room : 64;
	Symbol	  *symbols;
	Candidate *heap;

	if (more <= word->room - word->n)
		return true;
	while (room - word->n < more)
		room *= 2;
	if (room > INT32_MAX / 4)
		return error_set(run->error, ERR_LIMIT, "a word has more than %d characters",
						 INT32_MAX / 4);
	symbols = arena_alloc_raw(run->arena, room, sizeof *symbols);
	/* Every merge puts two candidates for the one it takes. */
	heap = arena_alloc_raw(run->arena, room, 3 * sizeof *heap);
	if (!symbols || !heap)
		return error_set(run->error, ERR_MEMORY, "out of memory for a word of %zu characters",
						 room);
	if (word->n > 0)
		memcpy(symbols, word->symbols, word->n * sizeof *symbols);
	word->symbols = symbols;
	word->heap = heap;
	word->room = room;
	return true;
}

static inline void
add_symbol(Word *word, int32_t id, size_t length)
{
	int32_t i = (int32_t) word->n++;

	word->symbols[i] =
		(Symbol){.id = id, .length = (uint32_t) length, .previous = i - 1, .next = i + 1};
}

/* The id of one character as it stands in a word, or -1. */
static int32_t
character_id(const Component *component, Run *run, const char *bytes, size_t length, bool first,
			 bool last)
{
	const BpeTable *table = table_of(component);
	const Trie	   *trie = &run->tokenizer->vocab_trie;
	uint32_t		state = 0;

	if (!first && table->n_prefix > 0 &&
		!trie_walk(trie, &state, prefix_of(table), table->n_prefix))
		return -1;
	if (!trie_walk(trie, &state, bytes, length))
		return -1;
	if (last && table->n_suffix > 0 &&
		!trie_walk(trie, &state, prefix_of(table) + table->n_prefix, table->n_suffix))
		return -1;
	return trie_value(trie, state);
}

/* A symbol for each byte, of the prefix and suffix too; false when a byte has no token. */
static bool
add_bytes(const BpeTable *table, const char *bytes, size_t length, bool first, bool last,
		  Word *word)
{
	const char *parts[3] = {prefix_of(table), bytes, prefix_of(table) + table->n_prefix};
	size_t		lengths[3] = {first ? 0 : table->n_prefix, length, last ? table->n_suffix : 0};

	for (int i = 0; i < 3; i++)
		if (!bpe_has_bytes(table, parts[i], lengths[i]))
			return false;
	for (int i = 0; i < 3; i++)
		for (size_t j = 0; j < lengths[i]; j++)
			add_symbol(word, table->byte_ids[(uint8_t) parts[i][j]], 1);
	return true;
}

/* Splits a word into one symbol a character; what the vocabulary has not becomes bytes, unknown, or nothing. */
static bool
split_characters(const Component *component, Run *run, const char *bytes, size_t begin, size_t end,
				 Word *word)
{
	const BpeTable *table = table_of(component);
	uint32_t		flags = component->record->flags;
	int32_t			unk_id = component->record->args[0];
	size_t			unknown = 0; /* bytes that wait to become one unknown token */

	word->n = 0;
	for (size_t at = begin; at < end;)
	{
		size_t	from = at, length;
		int32_t id;

		id = table->n_user > 0 ? trie_longest(&component->trie, 0, bytes + at, end - at, &length)
							   : -1;
		if (id >= 0)
			at += length;
		else
		{
			text_next(bytes, &at);
			length = at - from;
			id = character_id(component, run, bytes + from, length, from == begin, at == end);
		}
		if (!run_tick(run, length) ||
			!word_reserve(word, length + 1 + table->n_prefix + table->n_suffix, run))
			return false;
		if (id >= 0)
		{
			if (unknown > 0)
				add_symbol(word, unk_id, unknown);
			unknown = 0;
			add_symbol(word, id, length);
			continue;
		}
		if ((flags & BPE_BYTE_FALLBACK) &&
			add_bytes(table, bytes + from, length, from == begin, at == end, word))
			continue;
		if (unk_id < 0)
			continue;
		if (unknown > 0 && !(flags & BPE_FUSE_UNK))
		{
			add_symbol(word, unk_id, unknown);
			unknown = 0;
		}
		unknown += length;
	}
	if (!word_reserve(word, 1, run))
		return false;
	if (unknown > 0)
		add_symbol(word, unk_id, unknown);
	if (word->n > 0)
		word->symbols[word->n - 1].next = -1;
	return true;
}

/* Takes the next symbol into this one. */
static void
merge_symbol(const BpeTable *table, Symbol *symbols, int32_t i)
{
	Symbol *left = &symbols[i], *right = &symbols[left->next];

	left->id = left->merged;
	left->length += right->length;
	right->length = 0;
	left->next = right->next;
	if (left->next >= 0)
		symbols[left->next].previous = i;
	rank_symbol(table, symbols, i);
	if (left->previous >= 0)
		rank_symbol(table, symbols, left->previous);
}

static void
merge_short(const BpeTable *table, Word *word)
{
	for (;;)
	{
		int32_t	 best = -1;
		uint32_t rank = BPE_NO_RANK;

		for (int32_t i = 0; i >= 0; i = word->symbols[i].next)
			if (word->symbols[i].rank < rank)
			{
				rank = word->symbols[i].rank;
				best = i;
			}
		if (best < 0)
			return;
		merge_symbol(table, word->symbols, best);
	}
}

static inline bool
precedes(const Candidate *a, const Candidate *b)
{
	return a->rank < b->rank || (a->rank == b->rank && a->symbol < b->symbol);
}

static void
heap_push(Word *word, int32_t symbol)
{
	Candidate candidate = {word->symbols[symbol].rank, symbol, word->symbols[symbol].merged};
	size_t	  at = word->n_heap;

	if (candidate.rank == BPE_NO_RANK)
		return;
	word->n_heap++;
	for (; at > 0 && precedes(&candidate, &word->heap[(at - 1) / 2]); at = (at - 1) / 2)
		word->heap[at] = word->heap[(at - 1) / 2];
	word->heap[at] = candidate;
}

static Candidate
heap_pop(Word *word)
{
	Candidate top = word->heap[0], last = word->heap[--word->n_heap];
	size_t	  at = 0, child;

	while ((child = 2 * at + 1) < word->n_heap)
	{
		if (child + 1 < word->n_heap && precedes(&word->heap[child + 1], &word->heap[child]))
			child++;
		if (!precedes(&word->heap[child], &last))
			break;
		word->heap[at] = word->heap[child];
		at = child;
	}
	word->heap[at] = last;
	return top;
}

static bool
merge_long(const BpeTable *table, Word *word, Run *run)
{
	word->n_heap = 0;
	for (size_t i = 0; i < word->n; i++)
		heap_push(word, (int32_t) i);
	while (word->n_heap > 0)
	{
		Candidate candidate = heap_pop(word);
		Symbol	 *symbol = &word->symbols[candidate.symbol];

		if (!run_tick(run, 1))
			return false;
		/* Merged away, or not with what it was then. */
		if (symbol->length == 0 || symbol->rank != candidate.rank ||
			symbol->merged != candidate.merged)
			continue;
		merge_symbol(table, word->symbols, candidate.symbol);
		heap_push(word, candidate.symbol);
		if (symbol->previous >= 0)
			heap_push(word, symbol->previous);
	}
	return true;
}

/* SentencePiece looks unknown text up again, when its characters have been joined. */
static int32_t
unknown_id(const Component *component, Run *run, const char *bytes, size_t length)
{
	int32_t id = -1;

	if (component->record->flags & BPE_SLOW)
		id = trie_find(&run->tokenizer->vocab_trie, bytes, length);
	return id >= 0 ? id : component->record->args[0];
}

static bool
emit_word(const Component *component, Run *run, const Text *text, size_t begin, size_t end,
		  const Word *word)
{
	for (int32_t i = 0; i >= 0; i = word->symbols[i].next)
	{
		const Symbol *symbol = &word->symbols[i];
		int32_t		  id = symbol->id;
		/* Lengths add up as in the tokenizers library, also where characters were left out; the bytes of a prefix or
		 * suffix can lead out of the word. */
		size_t next = end - begin > symbol->length ? begin + symbol->length : end;
		size_t first = begin < next ? begin : end - 1;

		if (id == component->record->args[0])
			id = unknown_id(component, run, text->bytes + first, next - first);
		if (!run_emit(run, text, first, next, id))
			return false;
		begin = next;
	}
	return true;
}

static bool
tokenize_word(const Component *component, Run *run, const Text *text, size_t begin, size_t end)
{
	const BpeTable *table = table_of(component);
	Word		   *word = run->scratch[component->index];

	if (table->n_prefix == 0 && table->n_suffix == 0)
	{
		int32_t id = trie_find(&run->tokenizer->vocab_trie, text->bytes + begin, end - begin);

		if (id >= 0 && (uint32_t) id / 32 < table->n_whole_words &&
			(whole_words(table)[id / 32] >> id % 32 & 1))
			return run_emit(run, text, begin, end, id);
	}
	if (!word)
	{
		word = run->scratch[component->index] = arena_alloc(run->arena, 1, sizeof *word);
		if (!word)
			return error_set(run->error, ERR_MEMORY, "out of memory for the symbols of a word");
	}
	if (!split_characters(component, run, text->bytes, begin, end, word))
		return false;
	if (word->n == 0)
		return true;
	for (size_t i = 0; i < word->n; i++)
		rank_symbol(table, word->symbols, (int32_t) i);
	if (word->n <= SHORT_WORD)
		merge_short(table, word);
	else if (!merge_long(table, word, run))
		return false;
	return emit_word(component, run, text, begin, end, word);
}

/* Behind the marks at a byte and what follows them, up to the next mark. */
static size_t
word_end(const char *bytes, size_t at, size_t end, const char *mark, size_t n_mark)
{
	while (end - at >= n_mark && memcmp(bytes + at, mark, n_mark) == 0)
		at += n_mark;
	while (at < end)
	{
		const char *next = memchr(bytes + at, mark[0], end - at);

		at = next ? (size_t) (next - bytes) : end;
		if (end - at < n_mark)
			return end;
		if (memcmp(bytes + at, mark, n_mark) == 0)
			return at;
		at++;
	}
	return end;
}

/* A piece; where no token goes across the place before a mark, word by word. */
static bool
bpe_tokenize(const Component *component, Run *run, const Text *text, size_t begin, size_t end)
{
	char   mark[4];
	size_t n_mark, next;

	if (!(component->record->flags & MODEL_CONTINUES))
		return tokenize_word(component, run, text, begin, end);
	n_mark = (size_t) utf8_put((uint32_t) component->record->args[MODEL_ARG_MARK], mark);
	for (; begin < end; begin = next)
	{
		next = word_end(text->bytes, begin, end, mark, n_mark);
		if (!run_tick(run, next - begin) || !tokenize_word(component, run, text, begin, next))
			return false;
	}
	return true;
}

const ComponentType bpe_type = {
	.kind = MODEL_BPE,
	.name = "BPE",
	.open = bpe_open,
	.tokenize = bpe_tokenize,
};
