/*
 * answer.c: infer.answers and infer.answer, where a context answers a question.
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/utf8.h"
#include "pg/service.h"
#include "pg/window_work.h"
#include "task/answer.h"

/* What doc_stride is when it isn't given; half a window where that is less. */
#define DEFAULT_STRIDE 128

/* An argument that must be at least 1. */
static int
positive_argument(FunctionCallInfo fcinfo, int number, const char *name, int otherwise)
{
	int value = PG_ARGISNULL(number) ? otherwise : PG_GETARG_INT32(number);

	if (value < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s must be at least 1, not %d", name, value)));
	return value;
}

/* Arguments doc_stride, max_answer_len, max_question_len, max_seq_len, handle_impossible_answer, from number first
 * on. */
static AnswerOptions
answer_options(FunctionCallInfo fcinfo, const ModelHandle *handle, int first)
{
	AnswerOptions options = {.top_k = 1};
	int			  stride = PG_ARGISNULL(first) ? DEFAULT_STRIDE : PG_GETARG_INT32(first), limit;

	options.max_answer_len = positive_argument(fcinfo, first + 1, "max_answer_len", 15);
	options.max_question_len = positive_argument(fcinfo, first + 2, "max_question_len", 64);
	limit = positive_argument(fcinfo, first + 3, "max_seq_len", 384);
	options.max_seq_len = Min(limit, handle->max_length);
	options.handle_impossible_answer = !PG_ARGISNULL(first + 4) && PG_GETARG_BOOL(first + 4);
	if (stride < 0 || (stride != DEFAULT_STRIDE && stride > options.max_seq_len))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("doc_stride must be between 0 and the %d tokens of a window, not %d",
							   options.max_seq_len, stride)));
	options.doc_stride = stride == DEFAULT_STRIDE ? Min(stride, options.max_seq_len / 2) : stride;
	return options;
}

static bool
add_window(void *argument, const Encoding *window, const float4 *results, Error *error)
{
	return answer_add(argument, window, results, error);
}

/* The best spans; the search lives in backend_arena(). */
static void
find_answers(ModelHandle *handle, const text *question, const char *context, size_t context_length,
			 const AnswerOptions *options, AnswerSearch *search)
{
	WorkKind	kind = {.result = RUN_LOGITS};
	size_t		question_length;
	const char *asked = text_to_utf8(question, &question_length);
	Error		error;

	arena_reset(backend_arena());
	if (!answer_open(search, backend_arena(), &handle->tokenizer, asked, question_length, context,
					 context_length, options, interrupt_pending, NULL, &error))
	{
		CHECK_FOR_INTERRUPTS();
		report_error(&error, handle->name);
	}
	windows_compute(handle, &kind, &search->windows, search->windows.n, NULL, 0, add_window,
					search);
	if (!answer_finish(search, &error))
		report_error(&error, handle->name);
}

/* The text of a span; "" for no answer. */
static text *
span_text(Utf8Cursor *context, const AnswerSpan *span)
{
	size_t begin;

	if (span->pos < 0)
		return cstring_to_text("");
	begin = utf8_seek(context, span->pos);
	return text_from_utf8(context->text + begin,
						  utf8_seek(context, (size_t) span->pos + span->len) - begin);
}

PG_FUNCTION_INFO_V1(infer_answers);
Datum
infer_answers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ModelHandle	  *handle;
	AnswerOptions  options;
	AnswerSearch   search;
	Utf8Cursor	   context = {0};

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return (Datum) 0;
	handle = model_handle(PG_GETARG_INFER_MODEL(0));
	require_service(handle, "answers");
	options = answer_options(fcinfo, handle, 4);
	options.top_k = positive_argument(fcinfo, 3, "top_k", 1);
	context.text = text_to_utf8(PG_GETARG_TEXT_PP(2), &context.length);
	find_answers(handle, PG_GETARG_TEXT_PP(1), context.text, context.length, &options, &search);
	for (size_t i = 0; i < search.n; i++)
	{
		const AnswerSpan *span = &search.spans[i];
		Datum			  values[4];
		bool			  nulls[4] = {false};

		CHECK_FOR_INTERRUPTS();
		values[0] = PointerGetDatum(span_text(&context, span));
		values[1] = Float4GetDatum((float4) span->score);
		values[2] = Int32GetDatum(span->pos + 1);
		values[3] = Int32GetDatum(span->len);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		pfree(DatumGetPointer(values[0]));
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(infer_answer);
Datum
infer_answer(PG_FUNCTION_ARGS)
{
	ModelHandle	 *handle;
	AnswerOptions options;
	AnswerSearch  search;
	Utf8Cursor	  context = {0};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	handle = model_handle(PG_GETARG_INFER_MODEL(0));
	require_service(handle, "answer");
	options = answer_options(fcinfo, handle, 3);
	context.text = text_to_utf8(PG_GETARG_TEXT_PP(2), &context.length);
	find_answers(handle, PG_GETARG_TEXT_PP(1), context.text, context.length, &options, &search);
	if (search.n == 0 || search.spans[0].pos < 0)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(span_text(&context, &search.spans[0]));
}
