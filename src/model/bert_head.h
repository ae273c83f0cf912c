/*
 * bert_head.h: the pooler and the heads of BERT's classes, which RoCBert's have too.
 */
#ifndef MODEL_BERT_HEAD_H
#define MODEL_BERT_HEAD_H

#include "model/encoder.h"
#include "model/head.h"

typedef struct BertHead
{
	Matrix		  pooler;	  /* (hidden, hidden); without panels: none */
	TransformHead lm;		  /* of language models */
	Matrix		  classifier; /* (outputs, hidden): of pooled, or of every token */
} BertHead;

typedef struct BertHeadState
{
	Activations first;		 /* (seqs, hidden) */
	Activations pooled;		 /* (seqs, hidden) */
	Activations chosen;		 /* (logit rows, hidden) */
	Activations transformed; /* (logit rows, hidden) */
} BertHeadState;

/* The words, and with them what a language model's head has. */
extern bool bert_head_bind_words(const Model *model, const EncoderConfig *config, BertHead *head,
								 Table *words, Binder *binder);

/* The rest; says in model->has_pooler what it found. */
extern bool bert_head_bind(Model *model, const EncoderConfig *config, BertHead *head,
						   Binder *binder);

extern void bert_head_carve(BertHeadState *state, const Batch *batch, int hidden, Carver *carver);

/* pooled = tanh(Wp · x[first token] + bp) where it is wanted, and the logits that are; fills output. */
extern bool bert_head(Pass *pass, const BertHead *head, const Activations *x, BertHeadState *state,
					  Output *output);

#endif
