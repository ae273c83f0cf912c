/*
 * tag.c: infer.tag, what a token classification finds in a text.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "pg/service.h"
#include "pg/window_work.h"
#include "task/tag.h"

/* The elements of a text[] in UTF-8. */
static const char *const *
tags_of(ArrayType *array, int *n)
{
	Datum		*elements;
	bool		*nulls;
	const char **tags;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, n);
	tags = palloc(sizeof(char *) * Max(1, *n));
	for (int i = 0; i < *n; i++)
	{
		size_t		length;
		const char *tag;

		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("ignore_labels must not contain nulls")));
		tag = text_to_utf8(DatumGetTextPP(elements[i]), &length);
		tags[i] = pnstrdup(tag, length);
	}
	return tags;
}

static Aggregation
aggregation_argument(const ModelHandle *handle, const char *name)
{
	Aggregation aggregation;

	if (!aggregation_from_name(name, &aggregation))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid value for aggregation: \"%s\"", name),
						errhint("Valid values are: none, simple, first, average, max.")));
	if (aggregation_needs_words(aggregation) && !(handle->tokenizer.tables->flags & TOKENIZER_FAST))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("aggregation \"%s\" needs a fast tokenizer, but that of model \"%s\" "
						"is a slow one",
						name, handle->name),
				 errdetail("Slow tokenizers do not tell which tokens make up a word."),
				 errhint("Use aggregation \"simple\", or import the model with option "
						 "use_fast.")));
	return aggregation;
}

/* Lays windows out; a text without stride is one window, or an error. */
static size_t
lay_out(ModelHandle *handle, const Tokens *tokens, const int *stride, Aggregation aggregation,
		Windows *windows)
{
	EncodeOptions options = {.add_special_tokens = true,
							 .max_length = handle->max_length == INT_MAX ? 0 : handle->max_length,
							 .truncate = handle->truncate};
	Error		  error;
	int			  special = tokenizer_template_size(&handle->tokenizer, false);

	if (stride != NULL)
	{
		if (*stride < 0 || *stride >= handle->max_length - special)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("stride must be between 0 and %d for model \"%s\", not %d",
								   handle->max_length - special - 1, handle->name, *stride)));
		if (aggregation == AGGREGATION_NONE)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("stride can't be given with aggregation \"none\""),
							errhint("Tokens of overlapping windows can't be told apart; use "
									"another aggregation.")));
		options.truncate = TRUNCATE_END;
	}
	if (!windows_open(windows, &handle->tokenizer, tokens, NULL, &options,
					  stride == NULL ? 0 : *stride, &error))
		report_error(&error, handle->name);
	if (stride != NULL)
		return windows->n;
	if (windows->n > 1 && handle->truncate == TRUNCATE_ERROR)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("model \"%s\": text has %zu tokens, but at most %d are allowed",
							   handle->name, tokens->kept + special, handle->max_length),
						errhint("Pass stride => %d to read the text in overlapping windows.",
								(handle->max_length - special) / 4)));
	return 1;
}

static bool
add_window(void *argument, const Encoding *window, const float4 *results, Error *error)
{
	return tagger_add(argument, window, results, error);
}

static void
return_spans(ReturnSetInfo *result, Tagger *tagger)
{
	for (size_t i = 0; i < tagger->n; i++)
	{
		const TagSpan *span = &tagger->spans[i];
		size_t		   begin = utf8_seek(&tagger->text, span->pos);
		size_t		   end = utf8_seek(&tagger->text, (size_t) span->pos + span->len);
		Datum		   values[6];
		bool		   nulls[6] = {false};

		CHECK_FOR_INTERRUPTS();
		values[0] = Int32GetDatum((int32) i + 1);
		values[1] = PointerGetDatum(text_from_utf8(span->tag, strlen(span->tag)));
		values[2] = Float4GetDatum((float4) span->score);
		values[3] = PointerGetDatum(text_from_utf8(tagger->text.text + begin, end - begin));
		values[4] = Int32GetDatum(span->pos + 1);
		values[5] = Int32GetDatum(span->len);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		pfree(DatumGetPointer(values[1]));
		pfree(DatumGetPointer(values[3]));
	}
}

PG_FUNCTION_INFO_V1(infer_tag);
Datum
infer_tag(PG_FUNCTION_ARGS)
{
	WorkKind		   kind = {.result = RUN_PROBABILITIES};
	ModelHandle		  *handle;
	const char		  *input, *name = "simple";
	size_t			   length, n;
	int				   stride = PG_ARGISNULL(3) ? 0 : PG_GETARG_INT32(3), n_labels, n_ignored = 0;
	const char *const *labels, *const *ignored = NULL;
	int32	   *classes;
	Aggregation aggregation;
	Tokens		tokens;
	Windows		windows;
	Tagger		tagger;
	Error		error;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	handle = model_handle(PG_GETARG_INFER_MODEL(0));
	require_service(handle, "tag");
	if (!PG_ARGISNULL(2))
		name = text_to_cstring(PG_GETARG_TEXT_PP(2));
	aggregation = aggregation_argument(handle, name);
	if (!PG_ARGISNULL(4))
		ignored = tags_of(PG_GETARG_ARRAYTYPE_P(4), &n_ignored);
	input = text_to_utf8(PG_GETARG_TEXT_PP(1), &length);
	labels = service_labels(handle, &n_labels);
	classes = palloc(sizeof(int32) * n_labels);
	for (int i = 0; i < n_labels; i++)
		classes[i] = i;
	arena_reset(backend_arena());
	window_tokens(handle, input, length, false, &tokens);
	n = lay_out(handle, &tokens, PG_ARGISNULL(3) ? NULL : &stride, aggregation, &windows);
	if (!tagger_init(&tagger, backend_arena(), &handle->tokenizer, labels, n_labels, ignored,
					 n_ignored, aggregation, input, length, &error))
		report_error(&error, handle->name);
	windows_compute(handle, &kind, &windows, n, classes, n_labels, add_window, &tagger);
	if (n > 1)
		tagger_merge(&tagger);
	return_spans((ReturnSetInfo *) fcinfo->resultinfo, &tagger);
	return (Datum) 0;
}
