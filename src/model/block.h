/*
 * block.h: what the layers of a transformer are made of.
 *
 * A block is one step of a forward pass, written for a crew: every thread calls it with the same arguments and
 * does its share.  Activations know how the crew divided them when they were written, and a block meets the
 * crew before it reads what others wrote: so a forward pass is a list of blocks, without meetings of its own.
 * A block returns false when the work was cancelled, and then the whole crew's does.
 *
 * Shares never change a number: one output of a product, one row of a norm and one head of one sequence are
 * always computed by one thread, in one order.
 */
#ifndef MODEL_BLOCK_H
#define MODEL_BLOCK_H

#include "model/model.h"

/* ---- memory ---- */

/* Hands out a workspace from its front, 64-byte aligned.  Over a NULL base it only counts: the same code
 * lays out a forward pass and tells how much it needs. */
typedef struct Carver
{
	char  *base;
	size_t used;
} Carver;

extern void *carve(Carver *carver, size_t count, size_t size);

/* ---- activations ---- */

typedef enum Division
{
	BY_ROWS,	/* each rank wrote its share of rows */
	BY_HEADS,	/* each rank wrote its share of heads, in every part of a stacked product */
	BY_COLUMNS, /* any other way */
} Division;

/* A matrix that the crew computes, one row a token or sequence. */
typedef struct Activations
{
	float	*x; /* (m, n), stride ld */
	long	 ld;
	int		 m, n;
	Division written;
} Activations;

/* Room for max_rows rows of n columns.  The stride is an odd number of cache lines, so that rows a power of two
 * long do not all fall into the same few sets. */
extern Activations carve_activations(Carver *carver, int max_rows, int n);

/* One thread's view of a forward pass.  quantised is the crew's: the left side of the int8 product under way. */
typedef struct Pass
{
	const Kernels *kernels;
	const Batch	  *batch;
	Crew		  *crew;
	uint8_t		  *quantised;	   /* (rows, ldq of the product under way) */
	float		  *row_scale;	   /* (rows) */
	int32_t		  *row_zero;	   /* (rows) */
	float		  *scratch;		   /* this rank's, attention_floats() of it */
	bool		   quantised_read; /* since the last meeting: others may be at it still */
} Pass;

/* Lays out what products and attention of a pass need: rows of at most max_rows, products of at most max_k
 * columns on the left, attention_floats for each rank.  Then this rank's share of it is pass's. */
extern void carve_pass(Carver *carver, Pass *pass, int max_rows, int max_k,
					   size_t attention_floats);

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

/* x = the sum of the parts' rows, in their order. */
extern void embeddings(Pass *pass, const EmbeddingPart *parts, int n_parts, Activations *x);

/* positions[i] = the index of token i in its sequence, for the tokens of this rank's rows. */
extern void sequence_positions(Pass *pass, int32_t *positions);

/* x = LayerNorm(x), in place (Ba et al. 2016). */
extern bool layer_norm(Pass *pass, Activations *x, const Norm *norm, float epsilon);

/* out = activation(x Wᵀ + b) + residual.  residual may be NULL or out itself. */
extern bool linear(Pass *pass, const Matrix *w, Activations *x, Activations *out,
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

/* qkv (m, 3 heads head_dim) = x Wᵀ + b, query, key and value side by side.  Where the heads divide evenly, each rank
 * computes its own heads of all three, and attention() follows without a meeting. */
extern bool query_key_value(Pass *pass, const AttentionConfig *config, const Matrix *w,
							Activations *x, Activations *qkv);

/* context (m, heads head_dim) = softmax(q kᵀ / √head_dim) v, head by head, each sequence for itself (Vaswani et al.
 * 2017).  distance (2 max_distance - 1, head_dim): with relative positions; NULL otherwise. */
extern bool attention(Pass *pass, const AttentionConfig *config, Activations *qkv,
					  const Table *distance, Activations *context);

/* Floats of scratch that attention() needs in each rank for sequences of up to max_length tokens. */
extern size_t attention_floats(const AttentionConfig *config, int max_length);

/* pooled (n_seqs, hidden) = tanh(x[first token of each sequence] Wᵀ + b); first (n_seqs, hidden) is scratch. */
extern bool pooler(Pass *pass, const Matrix *w, Activations *x, Activations *first,
				   Activations *pooled);

#endif
