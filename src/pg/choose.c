/*
 * choose.c: functions over a multiple choice head: choose and choose_scores.
 *
 * Each choice is a pair with the prompt.  Where a model's score depends on padding, a question's choices are
 * padded to the longest of them, as a tokenizer's call with padding=True does.
 */
#include "postgres.h"

#include "pg/task.h"
#include "task/scores.h"

typedef struct ChooseCall
{
	TaskCall base;
	text   **choices;
	int		 n;
} ChooseCall;

/* The items of another work, padded to the longest. */
static void
add_padded(Work *work, const Work *plain)
{
	const ModelHandle *handle = work->handle;
	int32			   pad = handle->tokenizer.pad_id;
	int				   longest = 0;
	int32			  *ids, *type_ids;

	if (pad < 0)
		pad = Max(handle->model->pad_token_id, 0);
	for (int i = 0; i < plain->counts.n_items; i++)
		longest = Max(longest, plain->items[i].n_tokens);
	ids = palloc(sizeof(int32) * longest);
	type_ids = palloc(sizeof(int32) * longest);
	for (int i = 0; i < plain->counts.n_items; i++)
	{
		const TextsItem *from = &plain->items[i];
		WorkItem		 item = {.n_tokens = longest,
								 .n_padding = longest - from->n_tokens,
								 .ids = ids,
								 .type_ids = type_ids};

		for (int token = 0; token < longest; token++)
		{
			bool real = token < from->n_tokens;

			ids[token] = real ? plain->ids[from->token + token] : pad;
			type_ids[token] = real ? plain->type_ids[from->token + token] : 0;
		}
		work_add(work, &item);
	}
}

/* Arguments model, prompt, choices, truncate. */
static TaskCall *
choose_prepare(FunctionCallInfo fcinfo)
{
	static const WorkKind logits_wanted = {.result = RUN_LOGITS};
	ChooseCall			 *call;
	ModelHandle			 *handle;
	EncodeOptions		  options;
	Work				  plain;

	if (task_null(fcinfo, 3))
		return NULL;
	call = palloc0(sizeof(ChooseCall));
	handle = task_model(fcinfo);
	options = task_options(handle, fcinfo, 3);
	call->choices = task_texts(fcinfo, 2, "choices", &call->n);
	work_init(&plain, handle, &logits_wanted);
	for (int i = 0; i < call->n; i++)
		task_add(&plain, PG_GETARG_TEXT_PP(1), call->choices[i], &options);
	if (handle->model->choice_sees_padding)
	{
		work_init(&call->base.work, handle, &logits_wanted);
		add_padded(&call->base.work, &plain);
	}
	else
		call->base.work = plain;
	return &call->base;
}

/* The choices' probabilities. */
static float *
scores_of(const ChooseCall *call)
{
	float *scores = palloc(sizeof(float) * call->n);

	for (int i = 0; i < call->n; i++)
		scores[i] = *work_result(&call->base.work, i);
	scores_apply(SCORE_SOFTMAX, scores, call->n, scores);
	return scores;
}

static Datum
choose_finish(FunctionCallInfo fcinfo, TaskCall *base)
{
	ChooseCall *call = (ChooseCall *) base;
	int			best = 0;

	for (int i = 1; i < call->n; i++)
		if (*work_result(&base->work, i) > *work_result(&base->work, best))
			best = i;
	return Int32GetDatum(best + 1);
}

static Datum
scores_finish(FunctionCallInfo fcinfo, TaskCall *base)
{
	ChooseCall *call = (ChooseCall *) base;
	float	   *scores = scores_of(call);

	for (int i = 0; i < call->n; i++)
	{
		Datum values[] = {Int32GetDatum(i + 1), PointerGetDatum(call->choices[i]),
						  Float4GetDatum(scores[i])};
		bool  nulls[] = {false, false, false};

		task_row(fcinfo, values, nulls);
	}
	return (Datum) 0;
}

static const Task choose = {.prepare = choose_prepare, .finish = choose_finish};
static const Task choose_scores = {
	.returns_set = true, .prepare = choose_prepare, .finish = scores_finish};

PG_FUNCTION_INFO_V1(infer_choose);
Datum
infer_choose(PG_FUNCTION_ARGS)
{
	return task_run(&choose, fcinfo);
}

PG_FUNCTION_INFO_V1(infer_choose_scores);
Datum
infer_choose_scores(PG_FUNCTION_ARGS)
{
	return task_run(&choose_scores, fcinfo);
}
