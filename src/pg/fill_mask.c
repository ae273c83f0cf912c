/*
 * fill_mask.c: infer.fill_mask, the tokens that a masked language model puts in a prompt's masks.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "pg/service.h"
#include "pg/work.h"
#include "task/mask.h"

/* What is to be put in the masks. */
typedef struct Wanted
{
	int	   n;		/* of each mask */
	int32 *targets; /* (n_targets), each once; NULL: any token */
	int	   n_targets;
} Wanted;

static void
add_target(const ModelHandle *handle, Wanted *wanted, int32 id)
{
	for (int i = 0; i < wanted->n_targets; i++)
		if (wanted->targets[i] == id)
			return;
	wanted->targets[wanted->n_targets++] = id;
}

static void
read_targets(ModelHandle *handle, ArrayType *array, Wanted *wanted)
{
	Datum *elements;
	bool  *nulls;
	int	   n;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	if (n == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("there must be at least one target"),
						errhint("Leave targets out to choose from the whole vocabulary.")));
	wanted->targets = palloc(sizeof(int32) * n);
	for (int i = 0; i < n; i++)
	{
		size_t		length;
		const char *target;
		int32		id;
		Error		error;

		CHECK_FOR_INTERRUPTS();
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("targets must not contain nulls")));
		target = text_to_utf8(DatumGetTextPP(elements[i]), &length);
		arena_reset(backend_arena());
		if (!mask_target(&handle->tokenizer, backend_arena(), target, length, &id, &error))
			report_error(&error, handle->name);
		add_target(handle, wanted, id);
	}
	wanted->n = Min(wanted->n, wanted->n_targets);
}

/* Targets and their probabilities, the likeliest first; of equal ones the one named first. */
static void
sort_targets(const Wanted *wanted, const float4 *probabilities, int32 *ids, float4 *scores)
{
	for (int i = 0; i < wanted->n_targets; i++)
	{
		int at = Min(i, wanted->n);

		for (; at > 0 && scores[at - 1] < probabilities[i]; at--)
			if (at < wanted->n)
			{
				scores[at] = scores[at - 1];
				ids[at] = ids[at - 1];
			}
		if (at < wanted->n)
		{
			scores[at] = probabilities[i];
			ids[at] = wanted->targets[i];
		}
	}
}

static Datum
decoded(const ModelHandle *handle, bool ok, const char *text, size_t length, const Error *error)
{
	if (!ok)
		report_error(error, handle->name);
	return PointerGetDatum(text_from_utf8(text, length));
}

static void
return_mask(ReturnSetInfo *result, ModelHandle *handle, const Encoding *encoding, int mask,
			int position, bool only, const int32 *ids, const float4 *scores, int n)
{
	for (int i = 0; i < n; i++)
	{
		Datum  values[5];
		bool   nulls[5] = {false}, ok;
		char  *text = NULL;
		size_t length = 0;
		Error  error;

		CHECK_FOR_INTERRUPTS();
		arena_reset(window_arena());
		values[0] = Int32GetDatum(mask);
		ok = tokenizer_decode(&handle->tokenizer, window_arena(), &ids[i], 1, false, &text, &length,
							  &error);
		values[1] = decoded(handle, ok, text, length, &error);
		values[2] = Int32GetDatum(ids[i]);
		values[3] = Float4GetDatum(scores[i]);
		ok = mask_sequence(&handle->tokenizer, window_arena(), encoding, position, ids[i], only,
						   &text, &length, &error);
		values[4] = decoded(handle, ok, text, length, &error);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		pfree(DatumGetPointer(values[1]));
		pfree(DatumGetPointer(values[4]));
	}
}

PG_FUNCTION_INFO_V1(infer_fill_mask);
Datum
infer_fill_mask(PG_FUNCTION_ARGS)
{
	ModelHandle	 *handle;
	Wanted		  wanted = {.n = PG_ARGISNULL(2) ? 5 : PG_GETARG_INT32(2)};
	EncodeOptions options = {.add_special_tokens = true};
	WorkKind	  kind = {.result = RUN_TOP};
	WorkItem	  item;
	Work		  work;
	Encoding	  encoding;
	const char	 *input;
	size_t		  length;
	int32		 *positions, *sorted;
	float4		 *scores;
	int			  n;
	Error		  error;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	handle = model_handle(PG_GETARG_INFER_MODEL(0));
	require_service(handle, "fill_mask");
	if (wanted.n < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("top_k must be at least 1, not %d", wanted.n)));
	wanted.n = Min(wanted.n, handle_model(handle)->vocab_size);
	if (!PG_ARGISNULL(3))
	{
		read_targets(handle, PG_GETARG_ARRAYTYPE_P(3), &wanted);
		kind.result = RUN_PROBABILITIES;
	}
	input = text_to_utf8(PG_GETARG_TEXT_PP(1), &length);
	options.max_length = handle->max_length;
	options.truncate =
		truncate_from_arg(handle, PG_ARGISNULL(4) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(4)));
	arena_reset(backend_arena());
	handle_encode(handle, input, length, NULL, 0, &options, &encoding);
	if (!mask_positions(&handle->tokenizer, backend_arena(), &encoding, &positions, &n, &error))
		report_error(&error, handle->name);
	item = (WorkItem){.n_tokens = encoding.n,
					  .n_rows = n,
					  .n_targets = wanted.targets ? wanted.n_targets : wanted.n,
					  .ids = encoding.ids,
					  .type_ids = encoding.type_ids,
					  .shape_ids = encoding.shape_ids,
					  .pronunciation_ids = encoding.pronunciation_ids,
					  .rows = positions,
					  .targets = wanted.targets};
	work_init(&work, handle, &kind);
	work_add(&work, &item);
	work_run(&work);
	sorted = palloc(sizeof(int32) * wanted.n);
	scores = palloc(sizeof(float4) * wanted.n);
	for (int i = 0; i < n; i++)
	{
		const float4 *row = work_result(&work, 0);

		if (wanted.targets)
			sort_targets(&wanted, row + (Size) i * wanted.n_targets, sorted, scores);
		else
		{
			row += (Size) i * 2 * wanted.n;
			memcpy(scores, row, sizeof(float4) * wanted.n);
			memcpy(sorted, row + wanted.n, sizeof(int32) * wanted.n);
		}
		return_mask((ReturnSetInfo *) fcinfo->resultinfo, handle, &encoding, i + 1, positions[i],
					n == 1, sorted, scores, wanted.n);
	}
	return (Datum) 0;
}
