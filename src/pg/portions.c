/*
 * portions.c: an array of texts, one request after the other.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/memutils.h"

#include "pg/portions.h"

#define FIRST_ITEMS 32
#define MOST_ITEMS 256
#define MOST_TOKENS 16384

static void
name_input(void *argument)
{
	const Portions *portions = argument;

	errcontext("element %d of %s", portions->last + 1, portions->name);
}

/* Tokenizes inputs from last on, up to the bounds of a request; at least one that is not NULL. */
static void
prepare(Portions *portions)
{
	Work				*work = &portions->works[portions->next];
	ErrorContextCallback context = {
		.previous = error_context_stack, .callback = name_input, .arg = portions};

	error_context_stack = &context;
	work_clear(work);
	portions->first = portions->last;
	for (; portions->last < portions->n_inputs; portions->last++)
	{
		Datum value = portions->inputs[portions->last];
		text *input;

		CHECK_FOR_INTERRUPTS();
		if (portions->nulls[portions->last])
			continue;
		if (work->counts.n_items >= portions->most_items || work->counts.n_tokens >= MOST_TOKENS ||
			work_size(work) >= portions->most_bytes)
			break;
		input = DatumGetTextPP(value);
		portions->add(portions->argument, work, input);
		if ((Pointer) input != DatumGetPointer(value))
			pfree(input);
	}
	portions->most_items = Min(MOST_ITEMS, portions->most_items * 2);
	error_context_stack = context.previous;
}

void
portions_init(Portions *portions, ModelHandle *handle, const WorkKind *kind, ArrayType *inputs,
			  const char *name, PortionsAdd add, void *argument)
{
	*portions = (Portions){.context = CurrentMemoryContext,
						   .name = name,
						   .add = add,
						   .argument = argument,
						   .most_items = FIRST_ITEMS,
						   .most_bytes = request_payload_share()};
	deconstruct_array(inputs, TEXTOID, -1, false, TYPALIGN_INT, &portions->inputs, &portions->nulls,
					  &portions->n_inputs);
	work_init(&portions->works[0], handle, kind);
	work_init(&portions->works[1], handle, kind);
	prepare(portions);
}

/* Computes what is tokenized, and tokenizes on meanwhile. */
static void
compute(Portions *portions)
{
	Work *work = &portions->works[portions->next];

	portions->row = portions->first;
	portions->rows_end = portions->last;
	portions->item = 0;
	portions->next = 1 - portions->next;
	if (work->counts.n_items > 0)
		work_submit(work);
	prepare(portions);
	work_finish(work);
}

bool
portions_next(Portions *portions, int *input, const float4 **results)
{
	if (portions->row == portions->n_inputs)
		return false;
	if (portions->row == portions->rows_end)
	{
		MemoryContext old = MemoryContextSwitchTo(portions->context);

		compute(portions);
		MemoryContextSwitchTo(old);
	}
	*input = portions->row++;
	*results = portions->nulls[*input]
				   ? NULL
				   : work_result(&portions->works[1 - portions->next], portions->item++);
	return true;
}
