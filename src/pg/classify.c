/*
 * classify.c: functions over a sequence classification head: classify and its siblings, zero_shot, score, rerank.
 *
 * Labels, scores and their order are those of Transformers' text-classification and zero-shot-classification
 * pipelines, and of sentence-transformers' CrossEncoder for score and rerank.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "pg/portions.h"
#include "pg/service.h"
#include "pg/task.h"
#include "task/scores.h"

#define HYPOTHESIS "This example is {}."

static const WorkKind logits_wanted = {.result = RUN_LOGITS};

/* A call whose items are a text or pair each. */
typedef struct ClassifyCall
{
	TaskCall	  base;
	int			  n_labels;
	ScoreFunction function;
	int			  top_k;
	float4		  threshold;
} ClassifyCall;

/* A pair as Transformers' pipeline takes it: to the fast tokenizers an empty one is none. */
static const text *
pair_of(const ModelHandle *handle, const text *pair)
{
	bool fast = (handle->tokenizer.tables->flags & TOKENIZER_FAST) != 0;

	return pair == NULL || (fast && VARSIZE_ANY_EXHDR(pair) == 0) ? NULL : pair;
}

/* Of the arguments model, input, pair and truncate, the latter two where they are. */
static ClassifyCall *
prepare_input(FunctionCallInfo fcinfo, int pair, int truncate)
{
	ClassifyCall *call = palloc0(sizeof(ClassifyCall));
	ModelHandle	 *handle = task_model(fcinfo);
	EncodeOptions options = task_options(handle, fcinfo, truncate);

	call->n_labels = head_outputs(handle->model);
	call->function = score_function_of(handle->model);
	work_init(&call->base.work, handle, &logits_wanted);
	task_add(&call->base.work, PG_GETARG_TEXT_PP(1), pair_of(handle, task_text(fcinfo, pair)),
			 &options);
	return call;
}

/* The scores of the only item. */
static float *
scores_of(const ClassifyCall *call)
{
	float *scores = palloc(sizeof(float) * call->n_labels);

	scores_apply(call->function, work_result(&call->base.work, 0), call->n_labels, scores);
	return scores;
}

static ScoreFunction
function_argument(FunctionCallInfo fcinfo, int n, ScoreFunction otherwise)
{
	char *name = task_string(fcinfo, n);

	if (name != NULL && !score_function_from_name(name, &otherwise))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid value for function_to_apply: \"%s\"", name),
						errhint("Valid values are: softmax, sigmoid, none.")));
	return otherwise;
}

/* ---- classify(model, input, pair, truncate) ---- */

static TaskCall *
classify_prepare(FunctionCallInfo fcinfo)
{
	return task_null(fcinfo, 2) ? NULL : &prepare_input(fcinfo, 2, 3)->base;
}

static Datum
classify_finish(FunctionCallInfo fcinfo, TaskCall *base)
{
	ClassifyCall *call = (ClassifyCall *) base;
	float		 *scores = scores_of(call);

	return task_label(base->work.handle, scores_best(scores, call->n_labels));
}

static const Task classify = {.prepare = classify_prepare, .finish = classify_finish};

PG_FUNCTION_INFO_V1(infer_classify);
Datum
infer_classify(PG_FUNCTION_ARGS)
{
	return task_run(&classify, fcinfo);
}

/* ---- classify_scores(model, input, pair, top_k, function_to_apply, truncate) ---- */

static TaskCall *
scores_prepare(FunctionCallInfo fcinfo)
{
	ClassifyCall *call;

	if (task_null(fcinfo, 2))
		return NULL;
	call = prepare_input(fcinfo, 2, 5);
	call->top_k = task_top_k(fcinfo, 3, call->n_labels);
	call->function = function_argument(fcinfo, 4, call->function);
	return &call->base;
}

static Datum
scores_finish(FunctionCallInfo fcinfo, TaskCall *base)
{
	ClassifyCall *call = (ClassifyCall *) base;
	float		 *scores = scores_of(call);
	int32		 *order = palloc(sizeof(int32) * call->n_labels);

	scores_order(scores, call->n_labels, false, order);
	for (int i = 0; i < call->top_k; i++)
	{
		Datum values[] = {task_label(base->work.handle, order[i]),
						  Float4GetDatum(scores[order[i]])};
		bool  nulls[] = {false, false};

		task_row(fcinfo, values, nulls);
	}
	return (Datum) 0;
}

static const Task classify_scores = {
	.returns_set = true, .prepare = scores_prepare, .finish = scores_finish};

PG_FUNCTION_INFO_V1(infer_classify_scores);
Datum
infer_classify_scores(PG_FUNCTION_ARGS)
{
	return task_run(&classify_scores, fcinfo);
}

/* ---- classify_labels(model, input, threshold, pair, truncate) ---- */

static TaskCall *
labels_prepare(FunctionCallInfo fcinfo)
{
	ClassifyCall *call;

	if (task_null(fcinfo, 2))
		return NULL;
	call = prepare_input(fcinfo, 3, 4);
	call->function = SCORE_SIGMOID;
	call->threshold = PG_ARGISNULL(2) ? 0.5f : PG_GETARG_FLOAT4(2);
	if (!(call->threshold >= 0 && call->threshold <= 1))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("threshold must be between 0 and 1, not %g", call->threshold)));
	return &call->base;
}

static Datum
labels_finish(FunctionCallInfo fcinfo, TaskCall *base)
{
	ClassifyCall *call = (ClassifyCall *) base;
	float		 *scores = scores_of(call);
	Datum		 *labels = palloc(sizeof(Datum) * call->n_labels);
	int32		 *order = palloc(sizeof(int32) * call->n_labels);
	int			  n = 0;

	scores_order(scores, call->n_labels, false, order);
	while (n < call->n_labels && scores[order[n]] > call->threshold)
	{
		labels[n] = task_label(base->work.handle, order[n]);
		n++;
	}
	return PointerGetDatum(construct_array(labels, n, TEXTOID, -1, false, TYPALIGN_INT));
}

static const Task classify_labels = {.prepare = labels_prepare, .finish = labels_finish};

PG_FUNCTION_INFO_V1(infer_classify_labels);
Datum
infer_classify_labels(PG_FUNCTION_ARGS)
{
	return task_run(&classify_labels, fcinfo);
}

/* ---- classify_many(model, inputs, pairs, truncate, function_to_apply) ---- */

/* A call, from row to row. */
typedef struct ClassifyMany
{
	Datum		 *pairs; /* of the inputs; NULL: they have none */
	bool		 *pair_nulls;
	int			  n_labels;
	ScoreFunction function;
	EncodeOptions options;
	ModelHandle	 *handle;
	float		 *scores; /* (n_labels) */
	Portions	  portions;
} ClassifyMany;

static void
add_input(void *argument, Work *work, text *input)
{
	ClassifyMany *many = argument;
	int			  i = many->portions.last;
	bool		  has_pair = many->pairs != NULL && !many->pair_nulls[i];
	text		 *pair = has_pair ? DatumGetTextPP(many->pairs[i]) : NULL;

	task_add(work, input, pair_of(many->handle, pair), &many->options);
}

static void
read_pairs(ClassifyMany *many, ArrayType *inputs, ArrayType *pairs)
{
	int n_inputs = ArrayGetNItems(ARR_NDIM(inputs), ARR_DIMS(inputs)), n;

	deconstruct_array(pairs, TEXTOID, -1, false, TYPALIGN_INT, &many->pairs, &many->pair_nulls, &n);
	if (n != n_inputs)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("pairs must have as many elements as inputs, %d, not %d", n_inputs, n)));
}

static ClassifyMany *
start_many(FunctionCallInfo fcinfo)
{
	ClassifyMany *many = palloc0(sizeof(ClassifyMany));
	ArrayType	 *inputs = PG_GETARG_ARRAYTYPE_P_COPY(1);

	many->handle = task_model(fcinfo);
	many->n_labels = head_outputs(many->handle->model);
	many->options = task_options(many->handle, fcinfo, 3);
	many->function = function_argument(fcinfo, 4, score_function_of(many->handle->model));
	many->scores = palloc(sizeof(float) * many->n_labels);
	if (!PG_ARGISNULL(2))
		read_pairs(many, inputs, PG_GETARG_ARRAYTYPE_P_COPY(2));
	portions_init(&many->portions, many->handle, &logits_wanted, inputs, "inputs", add_input, many);
	return many;
}

PG_FUNCTION_INFO_V1(infer_classify_many);
Datum
infer_classify_many(PG_FUNCTION_ARGS)
{
	FuncCallContext *context;
	ClassifyMany	*many;
	const float4	*logits;
	Datum			 values[3] = {0};
	bool			 nulls[3] = {false, true, true};
	int				 input;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;

		context = SRF_FIRSTCALL_INIT();
		if (task_null(fcinfo, 2))
			SRF_RETURN_DONE(context);
		old = MemoryContextSwitchTo(context->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &context->tuple_desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		context->tuple_desc = BlessTupleDesc(context->tuple_desc);
		context->user_fctx = start_many(fcinfo);
		MemoryContextSwitchTo(old);
	}
	context = SRF_PERCALL_SETUP();
	many = context->user_fctx;
	if (!portions_next(&many->portions, &input, &logits))
		SRF_RETURN_DONE(context);
	values[0] = Int64GetDatum(input + 1);
	if (logits != NULL)
	{
		int best;

		scores_apply(many->function, logits, many->n_labels, many->scores);
		best = scores_best(many->scores, many->n_labels);
		values[1] = task_label(many->handle, best);
		values[2] = Float4GetDatum(many->scores[best]);
		nulls[1] = nulls[2] = false;
	}
	SRF_RETURN_NEXT(context,
					HeapTupleGetDatum(heap_form_tuple(context->tuple_desc, values, nulls)));
}

/* ---- zero_shot(model, input, labels, hypothesis, multi_label, truncate) ---- */

typedef struct ZeroShotCall
{
	TaskCall base;
	text   **labels;
	int		 n_labels;
	int		 entailment,
		contradiction; /* logits; the last one's stands for both where none is named so */
	bool multi_label;
} ZeroShotCall;

/* A template with a label where it has "{}"; "{{" and "}}" stand for braces.  As Python's format with one argument. */
static text *
hypothesis_of(const text *template, const text *label)
{
	const char	  *at = VARDATA_ANY(template), *end = at + VARSIZE_ANY_EXHDR(template);
	StringInfoData out;
	int			   places = 0;

	initStringInfo(&out);
	for (; at < end; at++)
	{
		bool doubled = at + 1 < end && at[1] == at[0];

		if ((*at == '{' || *at == '}') && doubled)
			at++;
		else if (*at == '{' && at + 1 < end && at[1] == '}' && places++ == 0)
		{
			appendBinaryStringInfo(&out, VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label));
			at++;
			continue;
		}
		else if (*at == '{' || *at == '}')
		{
			places = 0;
			break;
		}
		appendStringInfoChar(&out, *at);
	}
	if (places == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("hypothesis \"%s\" must have one place for a label, written {}",
							   text_to_cstring(template)),
						errhint("Braces that belong to the text are written {{ and }}.")));
	return cstring_to_text_with_len(out.data, out.len);
}

/* The label that begins with "entail", whatever its case. */
static int
entailment_label(const ModelHandle *handle)
{
	int n = head_outputs(handle->model);

	for (int i = 0; i < n && n > 1; i++)
		if (pg_strncasecmp(service_label(handle, i), "entail", 6) == 0)
			return i;
	ereport(
		ERROR,
		(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		 errmsg("infer.zero_shot needs a label for entailment, but none of the %d of model \"%s\" "
				"begins with \"entail\"",
				n, handle->name),
		 errhint("If it has one by another name, import it with option labels.")));
}

static TaskCall *
zero_shot_prepare(FunctionCallInfo fcinfo)
{
	ZeroShotCall *call;
	ModelHandle	 *handle;
	EncodeOptions options;
	text *template;

	if (task_null(fcinfo, 3))
		return NULL;
	call = palloc0(sizeof(ZeroShotCall));
	handle = task_model(fcinfo);
	call->labels = task_texts(fcinfo, 2, "labels", &call->n_labels);
	call->multi_label = (!PG_ARGISNULL(4) && PG_GETARG_BOOL(4)) || call->n_labels == 1;
	template = PG_ARGISNULL(3) ? cstring_to_text(HYPOTHESIS) : PG_GETARG_TEXT_PP(3);
	call->entailment = entailment_label(handle);
	call->contradiction = call->entailment == 0 ? head_outputs(handle->model) - 1 : 0;
	options = task_options(handle, fcinfo, 5);
	options.strategy = TRUNCATE_FIRST;
	work_init(&call->base.work, handle, &logits_wanted);
	for (int i = 0; i < call->n_labels; i++)
		task_add(&call->base.work, PG_GETARG_TEXT_PP(1), hypothesis_of(template, call->labels[i]),
				 &options);
	return &call->base;
}

static Datum
zero_shot_finish(FunctionCallInfo fcinfo, TaskCall *base)
{
	ZeroShotCall *call = (ZeroShotCall *) base;
	int			  n = call->n_labels;
	float		 *scores = palloc(sizeof(float) * n);
	int32		 *order = palloc(sizeof(int32) * n);

	for (int i = 0; i < n; i++)
	{
		const float4 *logits = work_result(&base->work, i);
		float		  pair[] = {logits[call->contradiction], logits[call->entailment]};

		scores[i] = pair[1];
		if (call->multi_label)
		{
			scores_apply(SCORE_SOFTMAX, pair, 2, pair);
			scores[i] = pair[1];
		}
	}
	if (!call->multi_label)
		scores_apply(SCORE_SOFTMAX, scores, n, scores);
	scores_order(scores, n, true, order);
	for (int i = 0; i < n; i++)
	{
		Datum values[] = {PointerGetDatum(call->labels[order[i]]),
						  Float4GetDatum(scores[order[i]])};
		bool  nulls[] = {false, false};

		task_row(fcinfo, values, nulls);
	}
	return (Datum) 0;
}

static const Task zero_shot = {
	.returns_set = true, .prepare = zero_shot_prepare, .finish = zero_shot_finish};

PG_FUNCTION_INFO_V1(infer_zero_shot);
Datum
infer_zero_shot(PG_FUNCTION_ARGS)
{
	return task_run(&zero_shot, fcinfo);
}

/* ---- score(model, input, pair, truncate, function_to_apply) ---- */

/* A model whose head gives one number, and what becomes of it. */
static ScoreFunction
pair_function(const ModelHandle *handle)
{
	ScoreFunction function;
	Error		  error;
	int			  n = head_outputs(handle->model);

	if (n != 1)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("a score is that of a model with one label, but \"%s\" has %d",
							   handle->name, n),
						errhint("Use infer.classify_scores for the scores of several labels.")));
	if (!score_function_of_pairs(handle->model, &function, &error))
		report_error(&error, handle->name);
	return function;
}

static TaskCall *
score_prepare(FunctionCallInfo fcinfo)
{
	ClassifyCall *call;
	ModelHandle	 *handle;
	EncodeOptions options;

	if (task_null(fcinfo, 2))
		return NULL;
	call = palloc0(sizeof(ClassifyCall));
	handle = task_model(fcinfo);
	options = task_options(handle, fcinfo, 3);
	call->n_labels = 1;
	call->function = function_argument(fcinfo, 4, pair_function(handle));
	work_init(&call->base.work, handle, &logits_wanted);
	task_add(&call->base.work, PG_GETARG_TEXT_PP(1), task_text(fcinfo, 2), &options);
	return &call->base;
}

static Datum
score_finish(FunctionCallInfo fcinfo, TaskCall *call)
{
	return Float4GetDatum(scores_of((ClassifyCall *) call)[0]);
}

static const Task score = {.prepare = score_prepare, .finish = score_finish};

PG_FUNCTION_INFO_V1(infer_score);
Datum
infer_score(PG_FUNCTION_ARGS)
{
	return task_run(&score, fcinfo);
}

/* ---- rerank(model, query, documents, top_k, truncate) ---- */

typedef struct RerankCall
{
	TaskCall	  base;
	ScoreFunction function;
	int			  top_k;
	int			  n;		 /* documents that are not NULL */
	int32		 *places;	 /* (n) theirs in the array */
	Datum		 *documents; /* of all */
} RerankCall;

static TaskCall *
rerank_prepare(FunctionCallInfo fcinfo)
{
	RerankCall	 *call;
	ModelHandle	 *handle;
	EncodeOptions options;
	bool		 *nulls;
	int			  n;

	if (task_null(fcinfo, 3))
		return NULL;
	call = palloc0(sizeof(RerankCall));
	handle = task_model(fcinfo);
	call->function = pair_function(handle);
	options = task_options(handle, fcinfo, 4);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TEXTOID, -1, false, TYPALIGN_INT, &call->documents,
					  &nulls, &n);
	call->places = palloc(sizeof(int32) * Max(n, 1));
	call->top_k = task_top_k(fcinfo, 3, Max(n, 1));
	work_init(&call->base.work, handle, &logits_wanted);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
		{
			call->places[call->n++] = i;
			task_add(&call->base.work, PG_GETARG_TEXT_PP(1), DatumGetTextPP(call->documents[i]),
					 &options);
		}
	return &call->base;
}

static Datum
rerank_finish(FunctionCallInfo fcinfo, TaskCall *base)
{
	RerankCall *call = (RerankCall *) base;
	float	   *scores = palloc(sizeof(float) * Max(call->n, 1));
	int32	   *order = palloc(sizeof(int32) * Max(call->n, 1));

	for (int i = 0; i < call->n; i++)
		scores_apply(call->function, work_result(&base->work, i), 1, &scores[i]);
	scores_order(scores, call->n, false, order);
	for (int i = 0; i < call->n && i < call->top_k; i++)
	{
		int	  place = call->places[order[i]];
		Datum values[] = {Int64GetDatum(place + 1), call->documents[place],
						  Float4GetDatum(scores[order[i]])};
		bool  nulls[] = {false, false, false};

		task_row(fcinfo, values, nulls);
	}
	return (Datum) 0;
}

static const Task rerank = {
	.returns_set = true, .prepare = rerank_prepare, .finish = rerank_finish};

PG_FUNCTION_INFO_V1(infer_rerank);
Datum
infer_rerank(PG_FUNCTION_ARGS)
{
	return task_run(&rerank, fcinfo);
}
