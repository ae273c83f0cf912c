/*
 * block.h: what the layers of a transformer are made of.
 *
 * A block is one step of a forward pass: the leader of a crew runs the pass, block after block, and
 * each block hands its items to the crew.  Once the work is cancelled a block does nothing and
 * returns false.
 *
 * How a block is cut into items never changes a number: one output of a product, one row of a norm
 * and one head of one sequence are always computed by one thread, in one order.
 */
#ifndef MODEL_BLOCK_H
#define MODEL_BLOCK_H

#include "model/model.h"

/* ---- memory ---- */

/* Hands out a workspace from its front, 64-byte aligned.  Over a NULL base it only counts: the same
 * code lays out a forward pass and tells how much it needs. */
typedef struct Carver
{
	char  *base;
	size_t used;
} Carver;

extern void *carve(Carver *carver, size_t count, size_t size);

/* Bytes of memory that three carvers share. */
extern size_t most_used(const Carver *a, const Carver *b, const Carver *c);

/* A matrix of activations, one row a token or sequence. */
typedef struct Activations
{
	float *x; /* (m, n), stride ld */
	long   ld;
	int	   m, n;
} Activations;

/* Room for max_rows rows of n columns.  The stride is an odd number of cache lines, so that rows a
 * power of two long do not all fall into the same few sets. */
extern Activations carve_activations(Carver *carver, int max_rows, int n);

/* A forward pass under way. */
typedef struct Pass
{
	const Model	  *model;
	const Kernels *kernels;
	const Batch	  *batch;
	const Crew	  *crew;
	int			   layer;		   /* the one that is computed: the family counts */
	float		  *mask;		   /* (n_seqs, mask_rows, max_keys) added to scores, or NULL */
	int			   mask_rows;	   /* 1, or one for each query: always so in a decoder */
	float		  *encoder_mask;   /* (n_seqs, encoder_mask_rows, source) likewise */
	uint8_t		  *quantised;	   /* (rows, k): the left side of an int8 product */
	float		  *row_scale;	   /* (rows) */
	int32_t		  *row_zero;	   /* (rows) */
	const float	  *quantised_from; /* the activations that are in there, or NULL */
	float		  *scratch;		   /* (threads, scratch_stride) for attention */
	size_t		   scratch_stride;
} Pass;

/* A pass over a batch, or over sizes only (kernels and crew NULL then). */
extern Pass pass_begin(const Model *model, const Batch *batch, const Crew *crew);

/* Rows of the largest product of a pass: tokens, sequences or encoder positions. */
extern int pass_rows(const Pass *pass);

/* Most keys that a query has, cached ones included, as far as the pass's batch says; at most limit. */
extern int pass_keys(const Pass *pass, int limit);

/* Lays out what products and attention of a pass need: products of pass_rows() rows, at most max_k
 * columns on the left of one, scratch floats for each of the threads, the masks. */
extern void carve_pass(Carver *carver, Pass *pass, int max_k, size_t scratch, int threads);

/* Fills the masks that carve_pass laid out: (1 - mask) times the lowest float, as Transformers has it;
 * binary: any other value than 1 counts as 0.  In a decoder, a mask for all queries becomes one with
 * the causal one. */
extern void pass_masks(Pass *pass, bool binary);

/* ---- items, for those who write blocks ---- */

extern size_t round_up(size_t n, size_t step);
extern int	  divide_up(int n, int by);

/* How many of n things make an item: all for a thread alone, for a crew so few that each thread
 * finds at least some items, but not fewer than are worth the trouble. */
extern int item_size(const Crew *crew, int n, int least);

/* The things of an item, [*begin, *end). */
extern void item_range(int item, int size, int n, int *begin, int *end);

/* Hands items to the crew, unless the work is cancelled. */
extern bool each(const Pass *pass, int n, void (*function)(void *argument, int item, int rank),
				 void *argument);

/* ---- blocks ---- */

typedef struct Norm
{
	const float *weight, *bias; /* (n); bias may be NULL */
} Norm;

/* One table of an embedding layer and the row that each token takes; or the rows themselves. */
typedef struct EmbeddingPart
{
	const Table	  *table;
	const int32_t *index; /* (n_tokens) or NULL: row 0 for all */
	const float	  *rows;  /* (n_tokens, n) instead, or NULL */
} EmbeddingPart;

/* The words' part: the batch's inputs_embeds where it has them. */
extern EmbeddingPart word_part(const Batch *batch, const Table *words);

/* positions[i] = the index of token i in its sequence, behind what is cached. */
extern void sequence_positions(const Batch *batch, int32_t *positions);

/* x (n_tokens, n) = the sum of the parts' rows, in their order. */
extern bool embeddings(Pass *pass, const EmbeddingPart *parts, int n_parts, Activations *x);

/* out = LayerNorm(x) (Ba et al. 2016); out may be x.  next, which may be NULL, is the matrix that is
 * multiplied with out first: its rows are quantised on the way when it wants that. */
extern bool layer_norm(Pass *pass, const Activations *x, Activations *out, const Norm *norm,
					   float epsilon, const Matrix *next);

/* out = activation(x Wᵀ + b) + residual.  residual may be NULL, or out itself. */
extern bool linear(Pass *pass, const Matrix *w, const Activations *x, Activations *out,
				   Activation activation, const Activations *residual);

/* Writes x as the batch's hidden_states[index], if it wants them. */
extern bool capture_hidden_states(Pass *pass, const Activations *x, int index);

/* out (n, x->n) = rows tokens[0 .. n - 1] of x. */
extern void gather_rows(const Activations *x, const int32_t *tokens, int n, Activations *out);

/* out (n_seqs, x->n) = the first, or last, token's row of each sequence. */
extern void gather_first(const Pass *pass, const Activations *x, Activations *out);
extern void gather_last(const Pass *pass, const Activations *x, Activations *out);

/* The mean of all tokens' rows of each sequence. */
extern void gather_mean(const Pass *pass, const Activations *x, Activations *out);

/* pooled (n_seqs, hidden) = tanh(x[first token of each sequence] Wᵀ + b); first (n_seqs, hidden) is
 * scratch. */
extern bool pooler(Pass *pass, const Matrix *w, const Activations *x, Activations *first,
				   Activations *pooled);

#endif
