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
	const Kernels *kernels;
	const Batch	  *batch;
	const Crew	  *crew;
	uint8_t		  *quantised;	   /* (rows, k): the left side of an int8 product */
	float		  *row_scale;	   /* (rows) */
	int32_t		  *row_zero;	   /* (rows) */
	const float	  *quantised_from; /* the activations that are in there, or NULL */
	float		  *scratch;		   /* (threads, scratch_stride) for attention */
	size_t		   scratch_stride;
} Pass;

/* Lays out what products and attention of a pass need: at most max_rows rows, at most max_k columns
 * on the left of a product, scratch floats for each of the threads. */
extern void carve_pass(Carver *carver, Pass *pass, int max_rows, int max_k, size_t scratch,
					   int threads);

/* ---- blocks ---- */

typedef struct Norm
{
	const float *weight, *bias; /* (n); bias may be NULL */
} Norm;

/* One table of an embedding layer and the row that each token takes. */
typedef struct EmbeddingPart
{
	const Table	  *table;
	const int32_t *index; /* (n_tokens) or NULL: row 0 for all */
} EmbeddingPart;

/* positions[i] = the index of token i in its sequence. */
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

typedef enum RelativePositions
{
	RELATIVE_NONE,
	RELATIVE_KEY,	   /* Shaw et al. 2018: q · E[i - j] */
	RELATIVE_KEY_QUERY /* Huang et al. 2020, method 4: q · E[i - j] + k · E[i - j] */
} RelativePositions;

/* The numbers of a self-attention. */
typedef struct AttentionConfig
{
	int				  heads, head_dim;
	bool			  causal;
	RelativePositions relative;
	int				  max_distance; /* of the distance table: 2 max_distance - 1 rows */
} AttentionConfig;

/* context (m, heads head_dim) = softmax(q kᵀ / √head_dim) v, head by head, each sequence for itself
 * (Vaswani et al. 2017).  qkv (m, 3 heads head_dim): query, key and value side by side.  distance
 * (2 max_distance - 1, head_dim) with relative positions; not looked at otherwise. */
extern bool attention(Pass *pass, const AttentionConfig *config, const Activations *qkv,
					  const Table *distance, Activations *context);

/* Floats of scratch that attention() needs in each thread, for sequences of up to max_length. */
extern size_t attention_floats(const AttentionConfig *config, int max_length);

/* pooled (n_seqs, hidden) = tanh(x[first token of each sequence] Wᵀ + b); first (n_seqs, hidden) is
 * scratch. */
extern bool pooler(Pass *pass, const Matrix *w, const Activations *x, Activations *first,
				   Activations *pooled);

#endif
