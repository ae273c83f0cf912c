/*
 * forward.h: one call of a model as Transformers' classes are called: arrays in, arrays and a loss out.
 *
 * All arrays are row-major, batch first, as infer.forward has them; one for a batch of one may come without
 * that dimension.  Checking and sizing need a model that was opened (kernels may be NULL): a backend does
 * both before it sends anything.  Computing runs in the engine.  Losses are those of Transformers' classes,
 * summed in double.
 */
#ifndef TASK_FORWARD_H
#define TASK_FORWARD_H

#include "model/model.h"

#define FORWARD_MAX_RANK 6

/* An array that was given; data NULL: it was not. */
typedef struct IntArray
{
	const int32_t *data;
	int			   rank, dims[FORWARD_MAX_RANK];
} IntArray;

typedef struct FloatArray
{
	const float *data;
	int			 rank, dims[FORWARD_MAX_RANK];
} FloatArray;

typedef struct DoubleArray
{
	const double *data;
	int			  rank, dims[FORWARD_MAX_RANK];
} DoubleArray;

typedef struct ForwardInputs
{
	IntArray	input_ids, token_type_ids;
	IntArray	position_ids;	/* of each sequence, or once for all: (length) or (1, length) */
	FloatArray	attention_mask; /* (batch, keys) or (batch, queries, keys); fractions are allowed */
	FloatArray	head_mask;		/* (heads) or (layers, heads) */
	FloatArray	cross_attn_head_mask; /* likewise; RoFormer's causal LM takes it and ignores it */
	FloatArray	inputs_embeds;		  /* (batch, length, embedding size) */
	FloatArray	encoder_hidden_states, encoder_attention_mask;
	IntArray	input_shape_ids, input_pronunciation_ids; /* RoCBert */
	DoubleArray labels;
	IntArray	start_positions, end_positions, next_sentence_label;
	/* RoCBertForPreTraining */
	IntArray labels_input_ids, labels_token_type_ids, labels_input_shape_ids,
		labels_input_pronunciation_ids;
	FloatArray labels_attention_mask;
	IntArray   attack_input_ids, attack_token_type_ids, attack_input_shape_ids,
		attack_input_pronunciation_ids;
	FloatArray	   attack_attention_mask;
	const uint8_t *past; /* what an earlier call returned, 4-byte aligned; NULL: none */
	size_t		   past_size;
	int			   use_cache;								/* -1: the config's default */
	int			   output_hidden_states, output_attentions; /* likewise */
} ForwardInputs;

/* An array that comes out; rank 0: the class does not return it, or it was not asked for. */
typedef struct OutputArray
{
	int	   rank, dims[FORWARD_MAX_RANK];
	size_t n;	 /* product of dims */
	float *data; /* (n), the caller's */
} OutputArray;

typedef struct ForwardOutputs
{
	bool		has_loss; /* a loss was asked for; NaN when no label counts */
	float		loss;
	OutputArray logits, start_logits, end_logits, last_hidden_state, pooler_output, hidden_states,
		attentions, cross_attentions;
	OutputArray seq_relationship_logits; /* BertForPreTraining */
	size_t		past_size;				 /* bytes; 0: no cache is returned */
	uint8_t	   *past;					 /* (past_size), the caller's, 4-byte aligned */
} ForwardOutputs;

/* Checks rank, batch, lengths, ids, labels, masks, cache against each other and the model, and sizes every output; data
 * pointers are left NULL.  An error names both values that disagree. */
extern bool forward_plan(const Model *model, const ForwardInputs *inputs, ForwardOutputs *outputs,
						 Error *error);

/* Bytes of workspace that forward_run needs for these inputs and so many threads; 0 when that overflows. */
extern size_t forward_workspace(const Model *model, const ForwardInputs *inputs, int threads);

/* Computes into the outputs' data.  False when cancelled (ERR_CANCELLED) or when a check of forward_plan fails. */
extern bool forward_run(const Model *model, const ForwardInputs *inputs, Workspace *workspace,
						const Crew *crew, ForwardOutputs *outputs, Error *error);

#endif
