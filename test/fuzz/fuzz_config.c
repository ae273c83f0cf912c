/*
 * fuzz_config.c: any bytes as config.json: flattened, stored, read back, and every tensor named.
 */
#include <stdlib.h>
#include <string.h>

#include "import/json.h"
#include "model/model.h"

#define MEMORY ((size_t) 64 << 20)
#define MAX_TENSORS 10000

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct CountingBinder
{
	Binder binder;
	int	   n;
} CountingBinder;

static bool
count_tensor(Binder *binder, const TensorSpec *spec, void *destination)
{
	CountingBinder *self = (CountingBinder *) binder;

	if (spec->n_parts < 1 || spec->n_parts > BINDER_MAX_PARTS || spec->columns < 1 ||
		spec->name[0] == '\0')
		__builtin_trap();
	for (int i = 0; i < spec->n_parts; i++)
		if (spec->rows[i] < 1)
			__builtin_trap();
	return ++self->n < MAX_TENSORS ||
		   error_set(binder->error, ERR_LIMIT, "more than %d tensors", MAX_TENSORS);
}

static void
configure(const Params *params)
{
	CountingBinder binder = {.binder = {.tensor = count_tensor}};
	Model		   model;
	Error		   error;

	binder.binder.error = &error;
	if (model_configure(&model, params, NULL, &error))
		model_bind(&model, &binder.binder);
	model_close(&model);
}

/* What is stored must come back the same. */
static void
store(const Params *params, Arena *arena)
{
	size_t	 size = params_size(params);
	uint8_t *bytes = malloc(size);
	Params	 again;
	Error	 error;

	params_serialize(params, bytes);
	if (!params_parse(&again, arena, bytes, size, &error) || again.n != params->n)
		__builtin_trap();
	for (int i = 0; i < again.n; i++)
		if (strcmp(again.items[i].key, params->items[i].key) != 0 ||
			again.items[i].type != params->items[i].type)
			__builtin_trap();
	free(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Error	error;
	Arena	arena;
	Params	params;
	json_t *json = json_parse((const char *) data, size, "input", &error);

	if (!json_is_object(json))
	{
		json_decref(json);
		return 0;
	}
	arena_init(&arena, MEMORY);
	if (json_params(json, &arena, &params, &error))
	{
		store(&params, &arena);
		configure(&params);
	}
	json_decref(json);
	arena_free(&arena);
	return 0;
}
