/*
 * bert_head.c: BERT's pooler and heads.
 */
#include "model/bert_head.h"

/* ---- weights ---- */

/* Whether a class needs the pooler. */
static bool
takes_pooled(Head head)
{
	return head == HEAD_SEQUENCE_CLASSIFICATION || head == HEAD_MULTIPLE_CHOICE ||
		   head == HEAD_NEXT_SENTENCE || head == HEAD_PRE_TRAINING;
}

bool
bert_head_bind_words(const Model *model, const EncoderConfig *config, BertHead *head, Table *words,
					 Binder *binder)
{
	TransformHead *lm = &head->lm;
	int			   hidden = config->hidden_size, vocab = config->vocab_size;

	if (!head_is_language_model(model->head))
		return bind_table(binder, words, vocab, hidden, "embeddings.word_embeddings");
	lm->act = config->hidden_act;
	lm->epsilon = config->layer_norm_eps;
	return bind_words_and_output(binder, words, &lm->decoder, vocab, hidden,
								 model->tie_word_embeddings, "embeddings.word_embeddings",
								 "cls.predictions.decoder", "cls.predictions.bias",
								 "cls.predictions.decoder.bias") &&
		   bind_matrix(binder, &lm->transform, hidden, hidden, true,
					   "cls.predictions.transform.dense") &&
		   bind_norm(binder, &lm->norm.weight, &lm->norm.bias, hidden,
					 "cls.predictions.transform.LayerNorm");
}

static bool
bind_pooler(const Model *model, BertHead *head, int hidden, Binder *binder)
{
	if (takes_pooled(model->head))
		return bind_matrix(binder, &head->pooler, hidden, hidden, true, "pooler.dense");
	return model->head != HEAD_BASE ||
		   bind_optional_matrix(binder, &head->pooler, hidden, hidden, true, "pooler.dense");
}

/* The last layer of a head but a language model's. */
static bool
bind_classifier(const Model *model, BertHead *head, int hidden, Binder *binder)
{
	switch (model->head)
	{
		case HEAD_BASE:
		case HEAD_MASKED_LM:
		case HEAD_CAUSAL_LM:
			return true;
		case HEAD_QUESTION_ANSWERING:
			return bind_matrix(binder, &head->classifier, 2, hidden, true, "qa_outputs");
		case HEAD_NEXT_SENTENCE:
		case HEAD_PRE_TRAINING:
			return (model->head == HEAD_PRE_TRAINING && !model->has_pair_logits) ||
				   bind_matrix(binder, &head->classifier, 2, hidden, true, "cls.seq_relationship");
		default:
			return bind_matrix(binder, &head->classifier, head_outputs(model), hidden, true,
							   "classifier");
	}
}

bool
bert_head_bind(Model *model, const EncoderConfig *config, BertHead *head, Binder *binder)
{
	if (!bind_pooler(model, head, config->hidden_size, binder) ||
		!bind_classifier(model, head, config->hidden_size, binder))
		return false;
	model->has_pooler = head->pooler.panels != NULL;
	return true;
}

/* ---- computing ---- */

void
bert_head_carve(BertHeadState *state, const Batch *batch, int hidden, Carver *carver)
{
	state->first = carve_activations(carver, batch->n_seqs, hidden);
	state->pooled = carve_activations(carver, batch->n_seqs, hidden);
	if (batch->logits == NULL)
		return;
	state->chosen = carve_activations(carver, logit_rows(batch), hidden);
	state->transformed = carve_activations(carver, logit_rows(batch), hidden);
}

/* Logits, as far as the batch wants them. */
static bool
logits(Pass *pass, const BertHead *head, const Activations *x, BertHeadState *state)
{
	const Batch *batch = pass->batch;

	switch (pass->model->head)
	{
		case HEAD_BASE:
			return true;
		case HEAD_MASKED_LM:
		case HEAD_CAUSAL_LM:
			return head_transform(pass, &head->lm, x, &state->chosen, &state->transformed);
		case HEAD_PRE_TRAINING:
			return head_transform(pass, &head->lm, x, &state->chosen, &state->transformed) &&
				   head_linear(pass, &head->classifier, &state->pooled, batch->pair_logits);
		case HEAD_TOKEN_CLASSIFICATION:
		case HEAD_QUESTION_ANSWERING:
			return head_tokens(pass, &head->classifier, x, &state->chosen);
		case HEAD_SEQUENCE_CLASSIFICATION:
		case HEAD_MULTIPLE_CHOICE:
		case HEAD_NEXT_SENTENCE:
			return head_linear(pass, &head->classifier, &state->pooled, batch->logits);
	}
	return true;
}

bool
bert_head(Pass *pass, const BertHead *head, const Activations *x, BertHeadState *state,
		  Output *output)
{
	const Batch *batch = pass->batch;
	bool		 pooled = pass->model->has_pooler &&
				  (batch->pooler || (batch->logits != NULL && takes_pooled(pass->model->head)));

	if (pooled && !pooler(pass, &head->pooler, x, &state->first, &state->pooled))
		return false;
	*output =
		(Output){.hidden_states = x->x, .ld = x->ld, .pooled = pooled ? state->pooled.x : NULL};
	return logits(pass, head, x, state);
}
