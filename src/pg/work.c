/*
 * work.c: items into requests, and results out of them.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "pg/ahead.h"
#include "pg/work.h"

/* ---- items ---- */

void
work_init(Work *work, ModelHandle *handle, const WorkKind *kind)
{
	*work = (Work){.handle = handle,
				   .context = CurrentMemoryContext,
				   .counts = {.result = kind->result,
							  .pooling = kind->pooling,
							  .dimensions = kind->dimensions,
							  .normalize = kind->normalize}};
}

void
work_clear(Work *work)
{
	TextsPayload *counts = &work->counts;

	Assert(work->request == NULL);
	counts->n_items = counts->n_tokens = counts->n_rows = counts->n_targets = 0;
	counts->n_results = 0;
	counts->has_shapes = false;
	work->engine_ns = 0;
	work->error.code = ERR_NONE;
}

/* Room for n more elements of an array. */
static void *
grow(const Work *work, void *array, int used, int n, int *room, Size element)
{
	int64 needed = (int64) used + n;

	if (array != NULL && needed <= *room)
		return array;
	if (needed > MaxAllocSize / (2 * sizeof(TextsItem)))
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a request of " INT64_FORMAT " tokens is too large", needed)));
	*room = Max(16, needed * 2);
	return array == NULL ? MemoryContextAlloc(work->context, *room * element)
						 : repalloc(array, *room * element);
}

/* The same for the arrays of tokens, which share their room. */
static void
grow_tokens(Work *work, int n)
{
	int32 **arrays[] = {&work->ids, &work->type_ids, &work->shape_ids, &work->pronunciation_ids};
	int		room = 0;

	for (int i = 0; i < (work->counts.has_shapes ? 4 : 2); i++)
	{
		room = work->token_room;
		*arrays[i] = grow(work, *arrays[i], work->counts.n_tokens, n, &room, sizeof(int32));
	}
	work->token_room = room;
}

static void
append(int32 *array, int at, const int32 *values, int n)
{
	if (values != NULL)
		memcpy(array + at, values, sizeof(int32) * n);
	else
		memset(array + at, 0, sizeof(int32) * n);
}

static int64
count_results(const Work *work, const WorkItem *item)
{
	RunItem run = {.n_tokens = item->n_tokens,
				   .result = (RunResult) work->counts.result,
				   .dimensions = work->counts.dimensions,
				   .n_rows = item->n_rows,
				   .n_targets = item->n_targets};

	if (run.result == RUN_VECTOR)
		return run.dimensions;
	return run_item_results(handle_model(work->handle), &run);
}

static bool
gives_types(const ModelHandle *handle)
{
	return !handle->has_tokenizer || !(handle->tokenizer.tables->flags & TOKENIZER_NO_TYPES);
}

void
work_add(Work *work, const WorkItem *item)
{
	TextsPayload *counts = &work->counts;
	int			  at = counts->n_tokens, listed = counts->result == RUN_TOP ? 0 : item->n_targets;

	/* whether a model's texts have shapes is the same for all of them */
	counts->has_shapes = item->shape_ids != NULL;
	work->items = grow(work, work->items, counts->n_items, 1, &work->item_room, sizeof(TextsItem));
	grow_tokens(work, item->n_tokens);
	append(work->ids, at, item->ids, item->n_tokens);
	append(work->type_ids, at, gives_types(work->handle) ? item->type_ids : NULL, item->n_tokens);
	if (counts->has_shapes)
	{
		append(work->shape_ids, at, item->shape_ids, item->n_tokens);
		append(work->pronunciation_ids, at, item->pronunciation_ids, item->n_tokens);
	}
	work->rows =
		grow(work, work->rows, counts->n_rows, item->n_rows, &work->row_room, sizeof(int32));
	append(work->rows, counts->n_rows, item->rows, item->n_rows);
	work->targets =
		grow(work, work->targets, counts->n_targets, listed, &work->target_room, sizeof(int32));
	append(work->targets, counts->n_targets, item->targets, listed);
	work->items[counts->n_items++] = (TextsItem){.token = at,
												 .n_tokens = item->n_tokens,
												 .n_padding = item->n_padding,
												 .row = counts->n_rows,
												 .n_rows = item->n_rows,
												 .target = counts->n_targets,
												 .n_targets = item->n_targets,
												 .result = counts->n_results};
	counts->n_tokens += item->n_tokens;
	counts->n_rows += item->n_rows;
	counts->n_targets += listed;
	counts->n_results += count_results(work, item);
}

void
work_add_text(Work *work, const char *text, size_t length, const char *pair, size_t pair_length,
			  EncodeOptions *options, Encoding *encoding)
{
	Encoding own;
	WorkItem item;

	if (encoding == NULL)
		encoding = &own;
	arena_reset(backend_arena());
	handle_encode(work->handle, text, length, pair, pair_length, options, encoding);
	item = (WorkItem){.n_tokens = encoding->n,
					  .ids = encoding->ids,
					  .type_ids = encoding->type_ids,
					  .shape_ids = encoding->shape_ids,
					  .pronunciation_ids = encoding->pronunciation_ids};
	work_add(work, &item);
}

void
work_add_item(Work *work, const Work *other, int i)
{
	const TextsItem *item = &other->items[i];
	WorkItem		 added = {.n_tokens = item->n_tokens,
							  .n_padding = item->n_padding,
							  .n_rows = item->n_rows,
							  .n_targets = item->n_targets,
							  .ids = other->ids + item->token,
							  .type_ids = other->type_ids + item->token,
							  .rows = other->rows + item->row,
							  .targets = other->targets + item->target};

	if (other->counts.has_shapes)
	{
		added.shape_ids = other->shape_ids + item->token;
		added.pronunciation_ids = other->pronunciation_ids + item->token;
	}
	work_add(work, &added);
}

/* ---- requests ---- */

/* The header of a request for items first .. last - 1. */
static TextsPayload
range_header(const Work *work, int first, int last)
{
	TextsPayload	 header = work->counts;
	TextsItem		 end = {.token = header.n_tokens,
							.row = header.n_rows,
							.target = header.n_targets,
							.result = header.n_results};
	const TextsItem *from = &work->items[first];
	const TextsItem *to = last < header.n_items ? &work->items[last] : &end;

	header.n_items = last - first;
	header.n_tokens = to->token - from->token;
	header.n_rows = to->row - from->row;
	header.n_targets = to->target - from->target;
	header.n_results = to->result - from->result;
	return header;
}

Size
work_size(const Work *work)
{
	return texts_size(&work->counts);
}

/* Copies the items under way into the payload. */
static void
fill(const Work *work, TextsPayload *payload, const TextsPayload *header)
{
	const TextsItem *from = &work->items[work->first];
	TextsItem		*items;

	*payload = *header;
	items = texts_items(payload);
	for (int i = 0; i < header->n_items; i++)
	{
		items[i] = from[i];
		items[i].token -= from->token;
		items[i].row -= from->row;
		items[i].target -= from->target;
		items[i].result -= from->result;
	}
	append(texts_ids(payload), 0, work->ids + from->token, header->n_tokens);
	append(texts_type_ids(payload), 0, work->type_ids + from->token, header->n_tokens);
	if (header->has_shapes)
	{
		append(texts_shape_ids(payload), 0, work->shape_ids + from->token, header->n_tokens);
		append(texts_pronunciation_ids(payload), 0, work->pronunciation_ids + from->token,
			   header->n_tokens);
	}
	append(texts_rows(payload), 0, work->rows + from->row, header->n_rows);
	append(texts_targets(payload), 0, work->targets + from->target, header->n_targets);
}

static void
reserve_results(Work *work)
{
	Size needed = mul_size(work->counts.n_results, sizeof(float4));

	if (needed <= work->result_room)
		return;
	if (work->results != NULL)
		pfree(work->results);
	work->results = NULL;
	work->result_room = 0;
	work->results = MemoryContextAllocHuge(work->context, needed);
	work->result_room = needed;
}

/* The request is over. */
static void
end_request(Work *work)
{
	work->engine_ns += request_engine_ns(work->request);
	request_end(work->request);
	work->request = NULL;
}

/* Waits for the items under way, and keeps their results or the error. */
static void
collect(void *argument)
{
	Work		 *work = argument;
	TextsPayload *payload = request_payload(work->request);

	if (request_outcome(work->request, &work->error))
		memcpy(work->results + work->items[work->first].result, texts_results(payload),
			   sizeof(float4) * payload->n_results);
	end_request(work);
}

/* Sends items first .. last - 1; false when there is no room and the caller won't wait. */
static bool
submit(Work *work, int first, int last, bool wait)
{
	TextsPayload header = range_header(work, first, last);
	Request		*request;

	Assert(work->request == NULL && first < last);
	reserve_results(work);
	request = wait ? request_begin(work->handle, REQUEST_TEXTS, texts_size(&header))
				   : request_try_begin(work->handle, REQUEST_TEXTS, texts_size(&header));
	if (request == NULL)
		return false;
	work->first = first;
	work->last = last;
	work->error.code = ERR_NONE;
	fill(work, request_payload(request), &header);
	work->request = request;
	request_submit(request);
	request_on_settle(request, collect, work);
	return true;
}

void
work_submit(Work *work)
{
	submit(work, 0, work->counts.n_items, true);
}

bool
work_try_submit(Work *work)
{
	return submit(work, 0, work->counts.n_items, false);
}

bool
work_settle(Work *work, Error *error)
{
	if (work->request != NULL)
		collect(work);
	*error = work->error;
	return error->code == ERR_NONE;
}

void
work_finish(Work *work)
{
	Error error;

	if (!work_settle(work, &error))
		report_error(&error, work->handle->name);
}

void
work_cancel(Work *work)
{
	if (work->request != NULL)
		end_request(work);
}

int64
work_engine_ns(const Work *work)
{
	return work->engine_ns + (work->request != NULL ? request_engine_ns(work->request) : 0);
}

/* The end of the items from first on that a request of some bytes has room for; one at least. */
static int
range_end(const Work *work, int first, Size bytes)
{
	int last = first + 1, most = work->counts.n_items;

	while (last < most)
	{
		int			 middle = last + (most - last + 1) / 2;
		TextsPayload header = range_header(work, first, middle);

		if (texts_size(&header) <= bytes)
			last = middle;
		else
			most = middle - 1;
	}
	return last;
}

bool
work_compute(Work *work, Error *error)
{
	Size share = request_payload_share();

	for (int first = 0; first < work->counts.n_items; first = work->last)
	{
		submit(work, first, range_end(work, first, share), true);
		if (!work_settle(work, error))
			return false;
	}
	return true;
}

void
work_run(Work *work)
{
	Error error;

	ahead_take(work);
	if (!ahead_give(work) && !work_compute(work, &error))
		report_error(&error, work->handle->name);
}

void
work_set_result(Work *work, int i, const Work *other, int j)
{
	int64 begin = work->items[i].result;
	int64 end = i + 1 < work->counts.n_items ? work->items[i + 1].result : work->counts.n_results;

	reserve_results(work);
	memcpy(work->results + begin, work_result(other, j), sizeof(float4) * (end - begin));
}
