/*
 * model.c: which family a config belongs to, and a model's life over an image.
 */
#include "model/model.h"

#include <limits.h>
#include <string.h>

const Family *const families[] = {&family_bert, NULL};

const Family *
family_find(const char *model_type)
{
	for (const Family *const *family = families; *family != NULL; family++)
		if (strcmp((*family)->model_type, model_type) == 0)
			return *family;
	return NULL;
}

static const Architecture *
architecture_find(const Family *family, const char *name)
{
	for (const Architecture *item = family->architectures; item->name != NULL; item++)
		if (strcmp(item->name, name) == 0)
			return item;
	return NULL;
}

const char *
head_name(Head head)
{
	switch (head)
	{
		case HEAD_BASE:
			return "base";
		case HEAD_MASKED_LM:
			return "masked_lm";
		case HEAD_CAUSAL_LM:
			return "causal_lm";
		case HEAD_SEQUENCE_CLASSIFICATION:
			return "sequence_classification";
		case HEAD_MULTIPLE_CHOICE:
			return "multiple_choice";
		case HEAD_TOKEN_CLASSIFICATION:
			return "token_classification";
		case HEAD_QUESTION_ANSWERING:
			return "question_answering";
		case HEAD_NEXT_SENTENCE:
			return "next_sentence";
		case HEAD_PRE_TRAINING:
			return "pre_training";
	}
	return "unknown";
}

/* ---- from config.json to a family ---- */

/* The first string of a JSON array of plain strings, copied to the arena; NULL: there is none. */
static bool
first_string(const Params *config, const char *key, Arena *arena, const char **value, Error *error)
{
	const ConfigParam *param = params_find(config, key);
	const char		  *begin, *end;

	*value = NULL;
	if (param == NULL || param->type != PARAM_LIST)
		return true;
	begin = param->string + strspn(param->string, "[ \t\r\n");
	if (*begin != '"')
		return true;
	begin++;
	end = strchr(begin, '"');
	if (end == NULL)
		return error_set(error, ERR_DATA, "config.json: \"%s\" is no list of names", key);
	*value = arena_strndup(arena, begin, (size_t) (end - begin));
	return *value != NULL || error_set(error, ERR_MEMORY, "out of memory for a model's config");
}

/* The family by model_type, or where config.json has none the one that has the class. */
static bool
choose_family(Model *model, const char *model_type, const char *class_name, Error *error)
{
	if (model_type != NULL)
	{
		model->family = family_find(model_type);
		return model->family != NULL ||
			   error_set(error, ERR_UNSUPPORTED, "model type \"%s\" is not supported", model_type);
	}
	if (class_name == NULL)
	{
		error_set(error, ERR_DATA, "config.json has neither \"model_type\" nor \"architectures\"");
		return error_hint(error, "Set option architecture to the model's class, such as \"%s\".",
						  families[0]->architectures[0].name);
	}
	for (const Family *const *family = families; *family != NULL; family++)
		if (architecture_find(*family, class_name) != NULL)
		{
			model->family = *family;
			return true;
		}
	return error_set(error, ERR_UNSUPPORTED, "architecture \"%s\" is not supported", class_name);
}

static bool
choose_head(Model *model, const char *class_name, Error *error)
{
	const Architecture *base = &model->family->architectures[0];
	const Architecture *chosen =
		class_name != NULL ? architecture_find(model->family, class_name) : base;

	if (chosen == NULL)
		return error_set(error, ERR_UNSUPPORTED,
						 "architecture \"%s\" is not one of model type \"%s\"", class_name,
						 model->family->model_type);
	if (chosen->head != HEAD_BASE)
	{
		error_set(error, ERR_UNSUPPORTED, "architecture \"%s\" is not supported", chosen->name);
		return error_hint(error,
						  "Set option architecture to \"%s\" to use the model without its head.",
						  base->name);
	}
	model->architecture = chosen->name;
	model->head = chosen->head;
	return true;
}

/* Heads that were cut out leave tensors smaller than the config says. */
static bool
refuse_pruned_heads(const Params *config, Error *error)
{
	static const char prefix[] = "pruned_heads.";

	for (int i = 0; i < config->n; i++)
		if (strncmp(config->items[i].key, prefix, sizeof prefix - 1) == 0)
			return error_set(error, ERR_UNSUPPORTED,
							 "a model with pruned attention heads (layer %s) is not supported",
							 config->items[i].key + sizeof prefix - 1);
	return true;
}

bool
model_configure(Model *model, const Params *config, const char *architecture, Error *error)
{
	const char *model_type, *class_name = architecture;
	void	   *numbers;

	*model = (Model){.max_tokens = INT_MAX};
	arena_init(&model->arena, 0);
	if (!params_string(config, "model_type", NULL, &model_type, error))
		return false;
	if (class_name == NULL &&
		!first_string(config, "architectures", &model->arena, &class_name, error))
		return false;
	if (!choose_family(model, model_type, class_name, error) ||
		!choose_head(model, class_name, error) || !refuse_pruned_heads(config, error))
		return false;
	numbers = arena_alloc(&model->arena, 1, model->family->config_size);
	if (numbers == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for a model's config");
	model->config = numbers;
	return model->family->configure(numbers, config, model, error);
}

/* ---- over an image ---- */

bool
model_bind(Model *model, Binder *binder)
{
	void *weights = arena_alloc(&model->arena, 1, model->family->weights_size(model->config));

	if (weights == NULL)
		return error_set(binder->error, ERR_MEMORY, "out of memory for a model's list of weights");
	model->weights = weights;
	return model->family->bind(model, weights, binder);
}

bool
model_open(Model *model, const Image *image, const Kernels *kernels, Error *error)
{
	ImageBinder binder;
	const char *architecture;

	*model = (Model){0};
	if (!params_string(&image->model, "architecture", NULL, &architecture, error))
		return false;
	image_binder_init(&binder, image, error);
	if (!model_configure(model, &image->config, architecture, error) ||
		!model_bind(model, &binder.binder))
	{
		model_close(model);
		return false;
	}
	model->image = image;
	model->kernels = kernels;
	return true;
}

void
model_close(Model *model)
{
	arena_free(&model->arena);
	*model = (Model){0};
}

/* ---- a batch ---- */

static bool
outside(Error *error, const char *what, int32_t value, int sequence, int token, int bound)
{
	error_set(error, ERR_ARGUMENT, "%s %d is not between 0 and %d", what, value, bound - 1);
	return error_detail(error, "It is at token %d of sequence %d, both counted from 0.", token,
						sequence);
}

static bool
check_values(const Batch *batch, int sequence, const char *what, const int32_t *values, int bound,
			 Error *error)
{
	int begin = batch->offsets[sequence], end = batch->offsets[sequence + 1];

	for (int i = begin; values != NULL && i < end; i++)
		if (values[i] < 0 || values[i] >= bound)
			return outside(error, what, values[i], sequence, i - begin, bound);
	return true;
}

bool
model_check(const Model *model, const Batch *batch, Error *error)
{
	if (batch->n_seqs < 1 || batch->offsets[0] != 0 ||
		batch->offsets[batch->n_seqs] != batch->n_tokens)
		return error_set(error, ERR_ARGUMENT, "%d sequences do not make up %d tokens",
						 batch->n_seqs, batch->n_tokens);
	if (batch->position_ids != NULL && model->n_positions == 0)
		return error_set(error, ERR_ARGUMENT, "a model of type \"%s\" takes no position_ids",
						 model->family->model_type);
	for (int i = 0; i < batch->n_seqs; i++)
	{
		long length = (long) batch->offsets[i + 1] - batch->offsets[i];

		if (length < 1)
			return error_set(error, ERR_ARGUMENT,
							 "sequence %d has %ld tokens, but at least 1 is needed", i, length);
		if (length > model->max_tokens)
			return error_set(error, ERR_LIMIT,
							 "sequence %d has %ld tokens, but at most %d are allowed", i, length,
							 model->max_tokens);
		if (batch->offsets[i + 1] > batch->n_tokens)
			return error_set(error, ERR_ARGUMENT, "sequence %d ends at token %d of %d", i,
							 batch->offsets[i + 1], batch->n_tokens);
		if (!check_values(batch, i, "input id", batch->input_ids, model->vocab_size, error) ||
			!check_values(batch, i, "token type id", batch->token_type_ids, model->type_vocab_size,
						  error) ||
			!check_values(batch, i, "position id", batch->position_ids, model->n_positions, error))
			return false;
	}
	return true;
}

size_t
model_workspace(const Model *model, int max_tokens, int max_seqs, int threads)
{
	return model->family->workspace(model, max_tokens, max_seqs, threads);
}
