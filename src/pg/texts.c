/*
 * texts.c: where things lie in the payload of REQUEST_TEXTS.
 */
#include "postgres.h"

#include "pg/texts.h"

/* ---- layout ---- */

/* int32s before the results. */
static Size
count_ints(const TextsPayload *payload)
{
	Size tokens = mul_size(payload->has_shapes ? 4 : 2, payload->n_tokens);

	return add_size(tokens, add_size(payload->n_rows, payload->n_targets));
}

static Size
results_offset(const TextsPayload *payload)
{
	Size size = add_size(sizeof(TextsPayload), mul_size(payload->n_items, sizeof(TextsItem)));

	return TYPEALIGN(64, add_size(size, mul_size(count_ints(payload), sizeof(int32))));
}

Size
texts_size(const TextsPayload *header)
{
	return add_size(results_offset(header), mul_size(header->n_results, sizeof(float4)));
}

TextsItem *
texts_items(const TextsPayload *payload)
{
	return (TextsItem *) (payload + 1);
}

int32 *
texts_ids(const TextsPayload *payload)
{
	return (int32 *) (texts_items(payload) + payload->n_items);
}

int32 *
texts_type_ids(const TextsPayload *payload)
{
	return texts_ids(payload) + payload->n_tokens;
}

int32 *
texts_shape_ids(const TextsPayload *payload)
{
	return payload->has_shapes ? texts_type_ids(payload) + payload->n_tokens : NULL;
}

int32 *
texts_pronunciation_ids(const TextsPayload *payload)
{
	return payload->has_shapes ? texts_shape_ids(payload) + payload->n_tokens : NULL;
}

int32 *
texts_rows(const TextsPayload *payload)
{
	return texts_ids(payload) + (Size) (payload->has_shapes ? 4 : 2) * payload->n_tokens;
}

int32 *
texts_targets(const TextsPayload *payload)
{
	return texts_rows(payload) + payload->n_rows;
}

float4 *
texts_results(const TextsPayload *payload)
{
	return (float4 *) ((char *) payload + results_offset(payload));
}

int
texts_tokens_from(const TextsPayload *payload, int i)
{
	return i < payload->n_items ? payload->n_tokens - texts_items(payload)[i].token : 0;
}

/* ---- items ---- */

RunItem
texts_run_item(const TextsPayload *payload, int i)
{
	const TextsItem *item = &texts_items(payload)[i];
	RunItem			 run = {.ids = texts_ids(payload) + item->token,
							.type_ids = texts_type_ids(payload) + item->token,
							.n_tokens = item->n_tokens,
							.n_padding = item->n_padding,
							.result = (RunResult) payload->result,
							.pooling = (Pooling) payload->pooling,
							.dimensions = payload->dimensions,
							.normalize = payload->normalize,
							.n_rows = item->n_rows,
							.rows = texts_rows(payload) + item->row,
							.n_targets = item->n_targets,
							.targets = texts_targets(payload) + item->target,
							.out = texts_results(payload) + item->result};

	if (payload->has_shapes)
	{
		run.shape_ids = texts_shape_ids(payload) + item->token;
		run.pronunciation_ids = texts_pronunciation_ids(payload) + item->token;
	}
	return run;
}

/* Whether items lie one behind the other and fill the payload. */
static bool
check_items(const TextsPayload *payload, const Model *model, Error *error)
{
	int64 token = 0, row = 0, target = 0, result = 0;

	for (int i = 0; i < payload->n_items; i++)
	{
		const TextsItem *item = &texts_items(payload)[i];
		RunItem			 run = texts_run_item(payload, i);

		if (item->n_tokens < 1 || item->n_rows < 0 || item->n_targets < 0 || item->token != token ||
			item->row != row || item->target != target || item->result != result)
			return error_set(error, ERR_ARGUMENT, "text %d of %d is not where it should be", i,
							 payload->n_items);
		token += item->n_tokens;
		row += item->n_rows;
		target += payload->result == RUN_TOP ? 0 : item->n_targets;
		if (token > payload->n_tokens || row > payload->n_rows || target > payload->n_targets)
			break;
		if (!run_item_check(model, &run, error))
			return false;
		result += run_item_results(model, &run);
		if (result > payload->n_results)
			break;
	}
	return (token == payload->n_tokens && row == payload->n_rows && target == payload->n_targets &&
			result == payload->n_results) ||
		   error_set(error, ERR_ARGUMENT, "%d texts do not make up %d tokens", payload->n_items,
					 payload->n_tokens);
}

bool
texts_check(const TextsPayload *payload, const Model *model, Error *error)
{
	if (payload->n_items <= 0)
		return error_set(error, ERR_ARGUMENT, "a request of %d texts is not possible",
						 payload->n_items);
	if (payload->result < RUN_VECTOR || payload->result >= RUN_RESULTS)
		return error_set(error, ERR_ARGUMENT, "there is no result of number %d", payload->result);
	return check_items(payload, model, error);
}
