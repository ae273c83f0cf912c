/*
 * call.h: what a call of a model asks for, once its arguments have been compared with each other and
 * with the model.
 *
 * Private to forward.c.
 */
#ifndef TASK_CALL_H
#define TASK_CALL_H

#include "task/forward.h"
#include "task/past.h"

/* How a sequence classification's labels are meant. */
typedef enum LossKind
{
	LOSS_NONE,
	LOSS_CLASSES,	   /* class indices */
	LOSS_NEXT_TOKENS,  /* class indices, those of the next position */
	LOSS_SQUARES,	   /* numbers */
	LOSS_EACH_LABEL,   /* a number for each label */
	LOSS_SPANS,		   /* start and end positions */
	LOSS_PRE_TRAINING, /* token ids, and next_sentence_label */
	LOSS_TOKENS,	   /* labels_input_ids */
	LOSS_CONTRAST	   /* those, and what attack_input_ids are like */
} LossKind;

typedef struct Call
{
	const Model			*model;
	const ForwardInputs *inputs;
	int					 batch, choices; /* choices of each question; 1 but for multiple choice */
	int					 length;		 /* of every sequence */
	int					 n_seqs, n_tokens;
	int					 mask_rows, encoder_mask_rows;
	int					 source; /* encoder positions; 0: none take part */
	Past				 past;	 /* length 0: none */
	int					 keys;	 /* of every sequence: past.length + length */
	bool				 cached; /* caches take part */
	bool				 returns_past;
	bool				 shared_positions;			/* position_ids are one row for all sequences */
	bool				 hidden_states, attentions; /* are returned */
	LossKind			 loss;
	const IntArray		*pair_labels; /* next_sentence_label, or NULL */
} Call;

/* Fills a call from arguments; false with an error that names what disagrees.  Values of ids are left to
 * model_check(). */
extern bool call_read(Call *call, const Model *model, const ForwardInputs *inputs, Error *error);

/* The texts that RoCBert's contrastive loss compares with the input: labels_* and attack_*. */
typedef enum Contrast
{
	CONTRAST_LABELS,
	CONTRAST_ATTACK,
	CONTRASTS
} Contrast;

/* Their arguments as those of a call; target_ids stand for labels_input_ids without ignored ones. */
extern ForwardInputs contrast_inputs(const ForwardInputs *inputs, Contrast contrast,
									 const int32_t *target_ids);

/* Reads one of them; it must have the batch of the call that it belongs to. */
extern bool contrast_read(Call *contrast, const Call *call, Contrast which,
						  const ForwardInputs *inputs, Error *error);

#endif
