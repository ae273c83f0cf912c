/*
 * logits.c: processors, warpers, and the pick of a token.
 *
 * Order and formulas are those of Transformers 4.37's generation/logits_process.py.  Where that leaves
 * ties to a sorting routine, the lower id comes first here.
 */
#include "task/logits.h"

#include <math.h>
#include <string.h>

#include "math/precise.h"

#define LANES 16

/* ---- sums ---- */

/* The greatest of n numbers, -INFINITY of none. */
static float
greatest(const float *x, int n)
{
	float lanes[LANES], top = -INFINITY;
	int	  i = 0;

	for (int j = 0; j < LANES; j++)
		lanes[j] = -INFINITY;
	for (; i + LANES <= n; i += LANES)
		for (int j = 0; j < LANES; j++)
			lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
	for (; i < n; i++)
		top = x[i] > top ? x[i] : top;
	for (int j = 0; j < LANES; j++)
		top = lanes[j] > top ? lanes[j] : top;
	return top;
}

int32_t
logits_best(const float *scores, int n_vocab)
{
	float best = greatest(scores, n_vocab);

	if (best > -INFINITY)
		for (int i = 0; i < n_vocab; i++)
			if (scores[i] == best)
				return i;
	return -1;
}

double
logits_softmax(const Kernels *kernels, const float *scores, int n_vocab, float *probabilities)
{
	int32_t best = logits_best(scores, n_vocab);

	if (best < 0)
	{
		memset(probabilities, 0, (size_t) n_vocab * sizeof(float));
		return -INFINITY;
	}
	memcpy(probabilities, scores, (size_t) n_vocab * sizeof(float));
	kernels->softmax(probabilities, n_vocab, 1, n_vocab);
	return (double) scores[best] - precise_log((double) probabilities[best]);
}

double
weights_sum(const float *weights, int n)
{
	double sum = 0.0;

	for (int i = 0; i < n; i++)
		sum += (double) weights[i];
	return sum;
}

int
weights_pick(const float *weights, int n, double sum, double u)
{
	double at = 0.0, wanted = u * sum;
	int	   last = -1;

	for (int i = 0; i < n; i++)
		if (weights[i] > 0.0f)
		{
			at += (double) weights[i];
			last = i;
			if (at > wanted)
				break;
		}
	return last;
}

/* ---- processors ---- */

static void
forbid(float *scores, const int32_t *ids, int n)
{
	for (int i = 0; i < n; i++)
		scores[ids[i]] = -INFINITY;
}

/* Each token that is there, once: a positive score is divided, a negative one multiplied. */
static void
penalize_repetition(float penalty, const int32_t *ids, int n_ids, int n_vocab, uint32_t *seen,
					float *scores)
{
	memset(seen, 0, ((size_t) n_vocab + 31) / 32 * sizeof(uint32_t));
	for (int i = 0; i < n_ids; i++)
	{
		uint32_t bit = (uint32_t) 1 << (ids[i] & 31);
		float	*score = scores + ids[i];

		if (seen[ids[i] >> 5] & bit)
			continue;
		seen[ids[i] >> 5] |= bit;
		*score = *score < 0.0f ? *score * penalty : *score / penalty;
	}
}

/* Tokens that would complete an n-gram which is there already. */
static void
forbid_ngrams(int size, const int32_t *ids, int n_ids, float *scores)
{
	const int32_t *tail = ids + n_ids - (size - 1);
	size_t		   bytes = (size_t) (size - 1) * sizeof(int32_t);

	for (int i = 0; i + size <= n_ids; i++)
		if (memcmp(ids + i, tail, bytes) == 0)
			scores[ids[i + size - 1]] = -INFINITY;
}

static bool
has_id(const int32_t *ids, int n, int32_t id)
{
	for (int i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

/* The last token of a bad word whose others have just come; an end of sequence is not a bad word.  One
 * that is longer than the sequence does not count, not even when only its last token is missing. */
static void
forbid_bad_words(const GenerationOptions *options, const int32_t *ids, int n_ids, float *scores)
{
	for (int i = 0; i < options->n_bad_words; i++)
	{
		const int32_t *word = options->bad_words_ids + options->bad_words_offsets[i];
		int			   n = options->bad_words_offsets[i + 1] - options->bad_words_offsets[i];
		size_t		   bytes = (size_t) (n - 1) * sizeof(int32_t);

		if (n == 1 ? has_id(options->eos_token_ids, options->n_eos, word[0]) : n > n_ids)
			continue;
		if (memcmp(ids + n_ids - (n - 1), word, bytes) == 0)
			scores[word[n - 1]] = -INFINITY;
	}
}

static void
allow_only(const uint32_t *allowed, int n_vocab, float *scores)
{
	for (int i = 0; i < n_vocab; i++)
		if (!(allowed[i >> 5] >> (i & 31) & 1))
			scores[i] = -INFINITY;
}

void
logits_process(const GenerationOptions *options, const int32_t *ids, int n_ids, int n_new,
			   const uint32_t *allowed, int n_vocab, uint32_t *bits, float *scores)
{
	if (options->repetition_penalty != 1.0f)
		penalize_repetition(options->repetition_penalty, ids, n_ids, n_vocab, bits, scores);
	if (options->no_repeat_ngram_size > 0 && n_ids + 1 >= options->no_repeat_ngram_size)
		forbid_ngrams(options->no_repeat_ngram_size, ids, n_ids, scores);
	forbid_bad_words(options, ids, n_ids, scores);
	if (n_new < options->min_new_tokens)
		forbid(scores, options->eos_token_ids, options->n_eos);
	if (allowed != NULL)
		allow_only(allowed, n_vocab, scores);
	if (options->forced_eos_token_id >= 0 && n_new == options->max_new_tokens - 1)
	{
		for (int i = 0; i < n_vocab; i++)
			scores[i] = -INFINITY;
		scores[options->forced_eos_token_id] = 0.0f;
	}
	forbid(scores, options->suppress_tokens, options->n_suppress);
}

/* ---- warpers ---- */

/* A heap of indices, the one with the greatest key on top; of equal keys the lower index. */
typedef struct Heap
{
	const float *keys;
	int32_t		*items;
	int			 n;
} Heap;

static bool
heap_above(const Heap *heap, int32_t a, int32_t b)
{
	return heap->keys[a] > heap->keys[b] || (heap->keys[a] == heap->keys[b] && a < b);
}

static void
heap_sink(Heap *heap, int at)
{
	int32_t item = heap->items[at];

	for (int child = 2 * at + 1; child < heap->n; child = 2 * at + 1)
	{
		if (child + 1 < heap->n && heap_above(heap, heap->items[child + 1], heap->items[child]))
			child++;
		if (!heap_above(heap, heap->items[child], item))
			break;
		heap->items[at] = heap->items[child];
		at = child;
	}
	heap->items[at] = item;
}

/* Of all tokens that may come and have at least this probability. */
static Heap
heap_build(const float *keys, const float *scores, const float *probabilities, float least,
		   int n_vocab, int32_t *items)
{
	Heap heap = {.keys = keys, .items = items};

	for (int i = 0; i < n_vocab; i++)
		if (scores[i] > -INFINITY && probabilities[i] >= least)
			items[heap.n++] = i;
	for (int i = heap.n / 2 - 1; i >= 0; i--)
		heap_sink(&heap, i);
	return heap;
}

/* Takes the top away; it comes to lie behind the items that are left. */
static int32_t
heap_pop(Heap *heap)
{
	int32_t top = heap->items[0];

	heap->items[0] = heap->items[--heap->n];
	heap->items[heap->n] = top;
	heap_sink(heap, 0);
	return top;
}

/* What is left in the heap can't come. */
static void
heap_forbid(const Heap *heap, float *scores)
{
	forbid(scores, heap->items, heap->n);
}

/* Puts a number into a heap of n with the least on top: at a place, or where what is less than it was. */
static void
sink_least(float *least, int n, int at, float number)
{
	for (int child = 2 * at + 1; child < n; child = 2 * at + 1)
	{
		if (child + 1 < n && least[child + 1] < least[child])
			child++;
		if (!(least[child] < number))
			break;
		least[at] = least[child];
		at = child;
	}
	least[at] = number;
}

/* Whatever is worse than the k-th goes; those equal to it stay. */
static void
keep_best(int k, int n_vocab, LogitsScratch *scratch, float *scores)
{
	float *least = scratch->keys; /* the k best so far */

	if (k >= n_vocab)
		return;
	memcpy(least, scores, (size_t) k * sizeof(float));
	for (int i = k / 2 - 1; i >= 0; i--)
		sink_least(least, k, i, least[i]);
	for (int i = k; i < n_vocab; i++)
		if (scores[i] > least[0])
			sink_least(least, k, 0, scores[i]);
	for (int i = 0; i < n_vocab; i++)
		if (scores[i] < least[0])
			scores[i] = -INFINITY;
}

/* The smallest set of best tokens whose probabilities sum up to top_p or more.  It has none of those
 * that are so improbable that all of them together would not make up the rest. */
static void
keep_nucleus(float top_p, const Kernels *kernels, int keep, int n_vocab, LogitsScratch *scratch,
			 float *scores)
{
	float *probabilities = scratch->probabilities;
	double mass = 0.0, sum;
	float  least;
	Heap   heap;

	logits_softmax(kernels, scores, n_vocab, probabilities);
	sum = weights_sum(probabilities, n_vocab);
	least = (float) ((1.0 - (double) top_p) * sum / n_vocab / 2.0);
	heap = heap_build(scores, scores, probabilities, least, n_vocab, scratch->order);
	if (heap.n < keep)
	{
		least = 0.0f;
		heap = heap_build(scores, scores, probabilities, least, n_vocab, scratch->order);
	}
	for (int kept = 0; heap.n > 0 && (kept < keep || mass < (double) top_p * sum); kept++)
		mass += (double) probabilities[heap_pop(&heap)];
	heap_forbid(&heap, scores);
	for (int i = 0; i < n_vocab; i++)
		if (probabilities[i] < least)
			scores[i] = -INFINITY;
}

/* The tokens whose surprise is nearest to the entropy, until their probabilities sum up to typical_p
 * (Meister et al. 2022, Locally typical sampling). */
static void
keep_typical(float typical_p, const Kernels *kernels, int keep, int n_vocab, LogitsScratch *scratch,
			 float *scores)
{
	float *probabilities = scratch->probabilities, *keys = scratch->keys;
	double lse = logits_softmax(kernels, scores, n_vocab, probabilities);
	double sum = weights_sum(probabilities, n_vocab), entropy = 0.0, mass = 0.0;
	float  last = -INFINITY;
	Heap   heap;

	for (int i = 0; i < n_vocab; i++)
		if (scores[i] > -INFINITY)
			entropy -= ((double) scores[i] - lse) * (double) probabilities[i];
	for (int i = 0; i < n_vocab; i++)
		keys[i] = -(float) fabs(lse - (double) scores[i] - entropy);
	heap = heap_build(keys, scores, probabilities, 0.0f, n_vocab, scratch->order);
	for (int kept = 0; heap.n > 0; kept++)
	{
		if (kept >= keep && mass >= (double) typical_p * sum && keys[heap.items[0]] != last)
			break;
		if (mass < (double) typical_p * sum)
			last = keys[heap.items[0]];
		mass += (double) probabilities[heap_pop(&heap)];
	}
	heap_forbid(&heap, scores);
}

void
logits_warp(const GenerationOptions *options, const Kernels *kernels, int keep, int n_vocab,
			LogitsScratch *scratch, float *scores)
{
	if (options->temperature != 1.0f)
		for (int i = 0; i < n_vocab; i++)
			scores[i] /= options->temperature;
	if (options->top_k > 0)
		keep_best(options->top_k > keep ? options->top_k : keep, n_vocab, scratch, scores);
	if (options->top_p < 1.0f)
		keep_nucleus(options->top_p, kernels, keep, n_vocab, scratch, scores);
	if (options->typical_p < 1.0f)
		keep_typical(options->typical_p, kernels, keep, n_vocab, scratch, scores);
}
