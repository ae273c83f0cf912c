/*
 * likelihood.c: how likely a language model finds a text: log_likelihood, perplexity, token_logprobs.
 *
 * A causal model gives each token's probability behind those before it; the first token has none, so that the mean is
 * that of the loss with labels = input_ids.  A masked model gives each token's probability in the place of a
 * mask among all others (pseudo-log-likelihood, Salazar et al. 2020); special tokens have none.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"

#include "math/precise.h"
#include "pg/task.h"

static const WorkKind targets_wanted = {.result = RUN_TARGETS};

typedef struct LikelihoodCall
{
	TaskCall base;
	int		 n;			/* tokens */
	int32	*ids;		/* (n) */
	bool	*has_value; /* (n): the token counts */
} LikelihoodCall;

/* Encodes a text that can't be cut: the model must take all of it. */
static void
encode_whole(ModelHandle *handle, const text *input, Encoding *encoding)
{
	EncodeOptions options = {.add_special_tokens = true};
	size_t		  length;
	const char	 *utf8 = text_to_utf8(input, &length);

	arena_reset(backend_arena());
	handle_encode(handle, utf8, length, NULL, 0, &options, encoding);
	if (encoding->n > handle->max_length)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("model \"%s\": text has %d tokens, but at most %d are allowed",
							   handle->name, encoding->n, handle->max_length),
						errhint("Split the text with infer.chunks.")));
}

/* One item: every token's probability is read off the row before it. */
static void
add_causal(LikelihoodCall *call, const Encoding *encoding)
{
	int32 *rows = palloc(sizeof(int32) * call->n), *targets = palloc(sizeof(int32) * call->n);
	int	   n = 0;

	for (int i = 0; i < call->n; i++)
		if (call->has_value[i])
		{
			rows[n] = i - 1;
			targets[n++] = call->ids[i];
		}
	if (n > 0)
		work_add(&call->base.work, &(WorkItem){.n_tokens = call->n,
											   .ids = encoding->ids,
											   .type_ids = encoding->type_ids,
											   .shape_ids = encoding->shape_ids,
											   .pronunciation_ids = encoding->pronunciation_ids,
											   .n_rows = n,
											   .rows = rows,
											   .n_targets = n,
											   .targets = targets});
}

/* An item for each token that counts, with a mask in its place. */
static void
add_masked(LikelihoodCall *call, Encoding *encoding)
{
	const Tokenizer *tokenizer = &call->base.work.handle->tokenizer;
	int32			 mask = tokenizer->mask_id;

	if (mask < 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("the tokenizer of model \"%s\" has no mask token",
							   call->base.work.handle->name)));
	for (int i = 0; i < call->n; i++)
	{
		int32 id = call->ids[i], shape = 0, pronunciation = 0;

		CHECK_FOR_INTERRUPTS();
		if (!call->has_value[i])
			continue;
		encoding->ids[i] = mask;
		if (encoding->shape_ids != NULL)
		{
			shape = encoding->shape_ids[i];
			pronunciation = encoding->pronunciation_ids[i];
			encoding->shape_ids[i] = tokenizer->shapes[mask];
			encoding->pronunciation_ids[i] = tokenizer->pronunciations[mask];
		}
		work_add(&call->base.work, &(WorkItem){.n_tokens = call->n,
											   .ids = encoding->ids,
											   .type_ids = encoding->type_ids,
											   .shape_ids = encoding->shape_ids,
											   .pronunciation_ids = encoding->pronunciation_ids,
											   .n_rows = 1,
											   .rows = &i,
											   .n_targets = 1,
											   .targets = &id});
		encoding->ids[i] = id;
		if (encoding->shape_ids != NULL)
		{
			encoding->shape_ids[i] = shape;
			encoding->pronunciation_ids[i] = pronunciation;
		}
	}
}

/* Items for the tokens that end behind the first so many characters. */
static TaskCall *
prepare(ModelHandle *handle, const text *input, int32 context)
{
	LikelihoodCall *call = palloc0(sizeof(LikelihoodCall));
	bool			causal = handle->model->head == HEAD_CAUSAL_LM;
	bool			begun = false;
	Encoding		encoding;

	work_init(&call->base.work, handle, &targets_wanted);
	encode_whole(handle, input, &encoding);
	call->n = encoding.n;
	call->ids = palloc(sizeof(int32) * Max(call->n, 1));
	memcpy(call->ids, encoding.ids, sizeof(int32) * call->n);
	call->has_value = palloc0(sizeof(bool) * Max(call->n, 1));
	for (int i = 0; i < call->n; i++)
	{
		bool special = encoding.sequence[i] == 0;

		if (context == 0 || (!special && encoding.pos[i] + encoding.len[i] > context))
			begun = true;
		call->has_value[i] = begun && (causal ? i > 0 : !special);
	}
	if (causal)
		add_causal(call, &encoding);
	else
		add_masked(call, &encoding);
	return &call->base;
}

/* The log-probabilities of the tokens that count, in their order: item by item, or all of one item. */
static const float4 *
logprobs(const LikelihoodCall *call)
{
	return call->base.work.results;
}

static double
sum_logprobs(const LikelihoodCall *call)
{
	double sum = 0;

	for (int i = 0; i < call->base.work.counts.n_results; i++)
		sum += logprobs(call)[i];
	return sum;
}

/* ---- log_likelihood(model, input, context) ---- */

static text *
join(const text *a, const text *b)
{
	int	  a_size = VARSIZE_ANY_EXHDR(a), b_size = VARSIZE_ANY_EXHDR(b);
	text *joined = palloc(VARHDRSZ + a_size + b_size);

	SET_VARSIZE(joined, VARHDRSZ + a_size + b_size);
	memcpy(VARDATA(joined), VARDATA_ANY(a), a_size);
	memcpy(VARDATA(joined) + a_size, VARDATA_ANY(b), b_size);
	return joined;
}

static TaskCall *
likelihood_prepare(FunctionCallInfo fcinfo)
{
	ModelHandle *handle;
	text		*input, *context;

	if (task_null(fcinfo, 2))
		return NULL;
	handle = task_model(fcinfo);
	input = PG_GETARG_TEXT_PP(1);
	context = task_text(fcinfo, 2);
	if (context == NULL)
		return prepare(handle, input, 0);
	return prepare(handle, join(context, input),
				   pg_mbstrlen_with_len(VARDATA_ANY(context), VARSIZE_ANY_EXHDR(context)));
}

static Datum
likelihood_finish(FunctionCallInfo fcinfo, TaskCall *call)
{
	return Float8GetDatum(sum_logprobs((LikelihoodCall *) call));
}

static const Task log_likelihood = {.prepare = likelihood_prepare, .finish = likelihood_finish};

PG_FUNCTION_INFO_V1(infer_log_likelihood);
Datum
infer_log_likelihood(PG_FUNCTION_ARGS)
{
	return task_run(&log_likelihood, fcinfo);
}

/* ---- perplexity(model, input), token_logprobs(model, input) ---- */

static TaskCall *
input_prepare(FunctionCallInfo fcinfo)
{
	if (task_null(fcinfo, 2))
		return NULL;
	return prepare(task_model(fcinfo), PG_GETARG_TEXT_PP(1), 0);
}

static Datum
perplexity_finish(FunctionCallInfo fcinfo, TaskCall *call)
{
	int64 n = call->work.counts.n_results;

	if (n == 0)
		return Float8GetDatum(get_float8_nan());
	return Float8GetDatum(precise_exp(-sum_logprobs((LikelihoodCall *) call) / (double) n));
}

static const Task perplexity = {.prepare = input_prepare, .finish = perplexity_finish};

PG_FUNCTION_INFO_V1(infer_perplexity);
Datum
infer_perplexity(PG_FUNCTION_ARGS)
{
	return task_run(&perplexity, fcinfo);
}

static Datum
logprobs_finish(FunctionCallInfo fcinfo, TaskCall *base)
{
	LikelihoodCall *call = (LikelihoodCall *) base;
	int				at = 0;

	for (int i = 0; i < call->n; i++)
	{
		size_t		length;
		const char *token = tokenizer_token(&base->work.handle->tokenizer, call->ids[i], &length);
		Datum values[] = {Int32GetDatum(i + 1), (Datum) 0, Int32GetDatum(call->ids[i]), (Datum) 0};
		bool  nulls[] = {false, token == NULL, false, !call->has_value[i]};

		if (token != NULL)
			values[1] = PointerGetDatum(text_from_utf8(token, length));
		if (call->has_value[i])
			values[3] = Float4GetDatum(logprobs(call)[at++]);
		task_row(fcinfo, values, nulls);
	}
	return (Datum) 0;
}

static const Task token_logprobs = {
	.returns_set = true, .prepare = input_prepare, .finish = logprobs_finish};

PG_FUNCTION_INFO_V1(infer_token_logprobs);
Datum
infer_token_logprobs(PG_FUNCTION_ARGS)
{
	return task_run(&token_logprobs, fcinfo);
}
