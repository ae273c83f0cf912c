/*
 * head.c: from hidden states to logits.
 */
#include "model/head.h"

bool
head_is_language_model(Head head)
{
	return head == HEAD_MASKED_LM || head == HEAD_CAUSAL_LM || head == HEAD_PRE_TRAINING;
}

int
logit_rows(const Batch *batch)
{
	return batch->n_logit_tokens > 0 ? batch->n_logit_tokens : batch->n_tokens;
}

const Activations *
head_rows(const Batch *batch, const Activations *x, Activations *chosen)
{
	if (batch->n_logit_tokens == 0)
		return x;
	gather_rows(x, batch->logit_tokens, batch->n_logit_tokens, chosen);
	return chosen;
}

/* Logits by portions, each to the batch's taker. */
static bool
linear_by_portions(Pass *pass, const Matrix *w, const Activations *x, Activations *out)
{
	LogitsTaker *taker = pass->batch->logits_taker;

	for (int first = 0; first < x->m; first += taker->rows_at_once)
	{
		int			n = x->m - first < taker->rows_at_once ? x->m - first : taker->rows_at_once;
		Activations rows = {.x = x->x + first * x->ld, .ld = x->ld, .m = n, .n = x->n};

		if (!linear(pass, w, &rows, out, ACTIVATION_NONE, NULL))
			return false;
		taker->take(taker, pass->crew, first, n);
	}
	return true;
}

bool
head_linear(Pass *pass, const Matrix *w, const Activations *x, float *logits)
{
	Activations out = {.x = logits, .ld = w->n, .n = w->n};

	if (logits == NULL)
		return true;
	if (logits == pass->batch->logits && pass->batch->logits_taker != NULL)
		return linear_by_portions(pass, w, x, &out);
	return linear(pass, w, x, &out, ACTIVATION_NONE, NULL);
}

bool
head_tokens(Pass *pass, const Matrix *w, const Activations *x, Activations *chosen)
{
	const Batch *batch = pass->batch;

	return batch->logits == NULL ||
		   head_linear(pass, w, head_rows(batch, x, chosen), batch->logits);
}

bool
head_transform(Pass *pass, const TransformHead *head, const Activations *x, Activations *chosen,
			   Activations *transformed)
{
	const Batch *batch = pass->batch;

	if (batch->logits == NULL)
		return true;
	return linear(pass, &head->transform, head_rows(batch, x, chosen), transformed, head->act,
				  NULL) &&
		   layer_norm(pass, transformed, transformed, &head->norm, head->epsilon, &head->decoder) &&
		   head_linear(pass, &head->decoder, transformed, batch->logits);
}

bool
head_two_layers(Pass *pass, const Matrix *dense, Activation act, const Matrix *out,
				const Activations *first, Activations *inner)
{
	if (pass->batch->logits == NULL)
		return true;
	return linear(pass, dense, first, inner, act, NULL) &&
		   head_linear(pass, out, inner, pass->batch->logits);
}
