/*
 * attention.h: attention of many heads, with all that a model's call may add to it.
 *
 * Masks, head_mask, caches and the weights that are wanted come from the pass's batch, and which
 * layer they belong to from pass->layer.
 */
#ifndef MODEL_ATTENTION_H
#define MODEL_ATTENTION_H

#include "model/block.h"

typedef enum RelativePositions
{
	RELATIVE_NONE,
	RELATIVE_KEY,		/* Shaw et al. 2018: q · E[i - j] */
	RELATIVE_KEY_QUERY, /* Huang et al. 2020, method 4: q · E[i - j] + k · E[i - j] */
	RELATIVE_ROTARY		/* Su et al. 2021: q and k are turned by their positions' angles */
} RelativePositions;

/* The numbers of a self-attention. */
typedef struct AttentionConfig
{
	int				  heads, head_dim;
	bool			  causal;
	RelativePositions relative;
	int				  max_distance; /* of the distance table: 2 max_distance - 1 rows */
	bool			  rotary_value; /* RELATIVE_ROTARY turns v, too */
} AttentionConfig;

/* Whether a table of distances belongs to it. */
extern bool attention_has_distances(const AttentionConfig *config);

/* context (m, heads head_dim) = softmax(q kᵀ / √head_dim + mask) head_mask v, head by head, each
 * sequence for itself (Vaswani et al. 2017).  qkv (m, 3 heads head_dim): query, key and value side by
 * side.  positions: E (2 max_distance - 1, head_dim) with RELATIVE_KEY and RELATIVE_KEY_QUERY, fp32
 * (positions, head_dim) with RELATIVE_ROTARY, each position's sines and then its cosines; not looked at
 * otherwise.  RELATIVE_ROTARY turns the rows of qkv.
 *
 * With caches, keys and values are added there and taken from there.  A mask takes the place of the
 * causal one.  Relative positions follow Transformers: behind cached tokens the
 * distance of each query is that of the last key. */
extern bool attention(Pass *pass, const AttentionConfig *config, const Activations *qkv,
					  const Table *positions, Activations *context);

/* context (m, heads head_dim) = softmax(q kᵀ / √head_dim + encoder_mask) head_mask v, with keys and
 * values of the batch's encoder_states: key_value (2 heads head_dim, encoder width) gives both, side by
 * side, in kv (n_seqs source, 2 heads head_dim).  A cache that has them is taken instead, one that has
 * not gets them.  Neither causal nor relative. */
extern bool cross_attention(Pass *pass, const AttentionConfig *config, const Activations *q,
							const Matrix *key_value, Activations *kv, Activations *context);

/* Floats of scratch that attention() needs in each thread, for sequences of up to max_length. */
extern size_t attention_floats(const AttentionConfig *config, int max_length);

#endif
