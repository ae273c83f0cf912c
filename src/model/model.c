/*
 * model.c: which family a config belongs to, and a model's life over an image.
 */
#include "model/model.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

const Family *const families[] = {&family_bert,
								  &family_roberta_prelayernorm,
								  &family_roc_bert,
								  &family_roformer,
								  &family_opt,
								  &family_mega,
								  NULL};

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

int
head_outputs(const Model *model)
{
	switch (model->head)
	{
		case HEAD_BASE:
			return 0;
		case HEAD_MASKED_LM:
		case HEAD_CAUSAL_LM:
		case HEAD_PRE_TRAINING:
			return model->vocab_size;
		case HEAD_SEQUENCE_CLASSIFICATION:
		case HEAD_TOKEN_CLASSIFICATION:
			return model->n_labels;
		case HEAD_MULTIPLE_CHOICE:
			return 1;
		case HEAD_QUESTION_ANSWERING:
		case HEAD_NEXT_SENTENCE:
			return 2;
	}
	return 0;
}

bool
head_is_by_token(Head head)
{
	return head == HEAD_MASKED_LM || head == HEAD_CAUSAL_LM || head == HEAD_PRE_TRAINING ||
		   head == HEAD_TOKEN_CLASSIFICATION || head == HEAD_QUESTION_ANSWERING;
}

int
model_hidden_states(const Model *model)
{
	return model->n_layers + (model->hidden_size == model->layer_size ? 1 : 0);
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

/* The error for a model type or class that no family has. */
static bool
unsupported(const char *what, const char *name, Error *error)
{
	char   list[200] = "";
	size_t length = 0;

	for (const Family *const *family = families; *family != NULL && length < sizeof list; family++)
		length += (size_t) snprintf(list + length, sizeof list - length, "%s%s",
									family == families ? "" : ", ", (*family)->model_type);
	error_set(error, ERR_UNSUPPORTED, "%s \"%.100s\" is not supported", what, name);
	return error_hint(error, "Supported model types: %s.", list);
}

/* The family by model_type, or where config.json has none the one that has the class. */
static bool
choose_family(Model *model, const char *model_type, const char *class_name, Error *error)
{
	if (model_type != NULL)
	{
		model->family = family_find(model_type);
		return model->family != NULL || unsupported("model type", model_type, error);
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
	return unsupported("architecture", class_name, error);
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

static const Architecture *
architecture_with_head(const Family *family, Head head)
{
	for (const Architecture *item = family->architectures; item->name != NULL; item++)
		if (item->head == head)
			return item;
	return NULL;
}

const char *
model_class_by_tensors(const Params *config, bool (*has)(const void *argument, const char *name),
					   const void	*argument)
{
	const ConfigParam  *named = params_find(config, "architectures");
	const ConfigParam  *type = params_find(config, "model_type");
	const ConfigParam  *decoder = params_find(config, "is_decoder");
	const Family	   *family;
	const Architecture *found, *causal;

	if ((named != NULL && named->type == PARAM_LIST && strchr(named->string, '"') != NULL) ||
		type == NULL || type->type != PARAM_STRING)
		return NULL;
	family = family_find(type->string);
	found = family != NULL ? family->architectures : NULL;
	while (found != NULL && found->name != NULL &&
		   !(found->evidence != NULL && has(argument, found->evidence)))
		found++;
	if (found == NULL || found->name == NULL)
		return NULL;
	causal = architecture_with_head(family, HEAD_CAUSAL_LM);
	if (found->head == HEAD_MASKED_LM && causal != NULL && decoder != NULL &&
		decoder->type == PARAM_BOOL && decoder->integer != 0)
		found = causal;
	return found->name;
}

/* Keys of an object: "<prefix>0", "<prefix>1", ... */
static int
count_keys(const Params *config, const char *prefix)
{
	int n = 0;

	for (int i = 0; i < config->n; i++)
		if (strncmp(config->items[i].key, prefix, strlen(prefix)) == 0)
			n++;
	return n;
}

/* The labels are those of id2label; without, num_labels says how many there are. */
static bool
configure_labels(Model *model, const Params *config, Error *error)
{
	static const char *const types[] = {"", "regression", "single_label_classification",
										"multi_label_classification"};
	const char				*type;

	if (!params_int(config, "num_labels", 2, 1, 1 << 24, &model->n_labels, error) ||
		!params_string(config, "problem_type", "", &type, error))
		return false;
	if (count_keys(config, "id2label.") > 0)
		model->n_labels = count_keys(config, "id2label.");
	for (ProblemType i = PROBLEM_BY_LABELS; i <= PROBLEM_MULTI_LABEL; i++)
		if (strcmp(type, types[i]) == 0)
		{
			model->problem_type = i;
			return true;
		}
	return error_set(error, ERR_UNSUPPORTED, "problem_type \"%s\" is not supported", type);
}

bool
model_configure_decoder(Model *model, const Params *config, int width, Error *error)
{
	if (!params_bool(config, "is_decoder", false, &model->is_decoder, error) ||
		!params_bool(config, "add_cross_attention", false, &model->has_cross_attention, error))
		return false;
	if (model->has_cross_attention && !model->is_decoder)
		return error_set(error, ERR_DATA,
						 "config.json has add_cross_attention true, but is_decoder false");
	if (!model->is_decoder)
		return true;
	model->cache = (CacheLayout){.n_layers = model->n_layers,
								 .key_width = width,
								 .value_width = width,
								 .cross_key_width = model->has_cross_attention ? width : 0,
								 .cross_value_width = model->has_cross_attention ? width : 0};
	return true;
}

bool
model_check_two_labels(const Model *model, Error *error)
{
	return model->n_labels == 2 ||
		   error_set(error, ERR_DATA, "num_labels is %d, but question answering has 2 labels",
					 model->n_labels);
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
	if (!configure_labels(model, config, error) ||
		!params_bool(config, "use_cache", true, &model->use_cache, error) ||
		!params_bool(config, "output_hidden_states", false, &model->output_hidden_states, error) ||
		!params_bool(config, "output_attentions", false, &model->output_attentions, error) ||
		!params_bool(config, "tie_word_embeddings", true, &model->tie_word_embeddings, error) ||
		!model->family->configure(numbers, config, model, error))
		return false;
	if (model->max_columns == 0)
		model->max_columns = model->max_tokens;
	model->cache.heads = model->n_heads > 0 ? model->n_heads : 1;
	return true;
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

/* ---- caches ---- */

static size_t
panel_up(int tokens)
{
	return ((size_t) tokens + CACHE_PANEL - 1) / CACHE_PANEL * CACHE_PANEL;
}

/* Floats of one layer, in a page and in the rest. */
static size_t
page_layer_floats(const CacheLayout *layout, int page_tokens)
{
	return panel_up(page_tokens) * (size_t) layout->key_width +
		   (size_t) page_tokens * (size_t) layout->value_width;
}

static size_t
rest_layer_floats(const CacheLayout *layout, int source)
{
	return (size_t) source * (size_t) (layout->cross_key_width + layout->cross_value_width) +
		   (size_t) layout->state;
}

size_t
cache_page_floats(const CacheLayout *layout, int page_tokens)
{
	return (size_t) layout->n_layers * page_layer_floats(layout, page_tokens);
}

size_t
cache_rest_floats(const CacheLayout *layout, int source)
{
	return (size_t) layout->n_layers * rest_layer_floats(layout, source);
}

size_t
cache_floats(const CacheLayout *layout, int capacity, int source)
{
	return cache_page_floats(layout, capacity) + cache_rest_floats(layout, source);
}

static int
page_tokens(const Cache *cache)
{
	return cache->pages != NULL ? cache->page_tokens : cache->capacity;
}

CacheLayer
cache_layer(const CacheLayout *layout, const Cache *cache, int layer)
{
	int		   tokens = page_tokens(cache);
	size_t	   source = (size_t) cache->source;
	size_t	   page = cache->pages != NULL ? 0 : cache_page_floats(layout, tokens);
	CacheLayer at;

	at.keys = page_layer_floats(layout, tokens) * (size_t) layer;
	at.values = at.keys + panel_up(tokens) * (size_t) layout->key_width;
	at.cross_keys = cache->data;
	if (cache->data != NULL)
		at.cross_keys += page + rest_layer_floats(layout, cache->source) * (size_t) layer;
	at.cross_values = at.cross_keys + source * (size_t) layout->cross_key_width;
	at.state = at.cross_values + source * (size_t) layout->cross_value_width;
	return at;
}

void
cache_put(const CacheLayout *layout, const Cache *cache, const CacheLayer *layer, int head,
		  int token, const float *key, const float *value)
{
	size_t tokens = (size_t) page_tokens(cache), at = (size_t) token % tokens;
	size_t key_dim = (size_t) (layout->key_width / layout->heads);
	size_t value_dim = (size_t) (layout->value_width / layout->heads);
	float *page = cache->pages != NULL ? cache->pages[(size_t) token / tokens] : cache->data;
	float *panel = page + layer->keys + (size_t) head * panel_up((int) tokens) * key_dim +
				   at / CACHE_PANEL * CACHE_PANEL * key_dim + at % CACHE_PANEL;

	for (size_t i = 0; i < key_dim; i++)
		panel[i * CACHE_PANEL] = key[i];
	memcpy(page + layer->values + ((size_t) head * tokens + at) * value_dim, value,
		   value_dim * sizeof(float));
}

void
cache_copy(const CacheLayout *layout, const Cache *from, const Cache *to, int length)
{
	size_t key_dim = (size_t) (layout->key_width / layout->heads);
	size_t value_dim = (size_t) (layout->value_width / layout->heads);

	for (int i = 0; i < layout->n_layers; i++)
	{
		CacheLayer old = cache_layer(layout, from, i), new = cache_layer(layout, to, i);

		for (size_t head = 0; head < (size_t) layout->heads; head++)
		{
			memcpy(to->data + new.keys + head *panel_up(to->capacity) * key_dim,
				   from->data + old.keys + head * panel_up(from->capacity) * key_dim,
				   panel_up(length) * key_dim * sizeof(float));
			memcpy(to->data + new.values + head *(size_t) to->capacity *value_dim,
				   from->data + old.values + head * (size_t) from->capacity * value_dim,
				   (size_t) length * value_dim * sizeof(float));
		}
	}
}

void
cache_attend(const CacheLayout *layout, const Cache *cache, int layer, int head,
			 AttentionArgs *args)
{
	CacheLayer at = cache_layer(layout, cache, layer);
	int		   tokens = page_tokens(cache);

	args->pages = (const float *const *) (cache->pages != NULL ? cache->pages : &cache->data);
	args->page_keys = (int) panel_up(tokens);
	args->ldv = layout->value_width / layout->heads;
	args->k_at = (long) (at.keys + (size_t) head * panel_up(tokens) *
									   (size_t) (layout->key_width / layout->heads));
	args->v_at = (long) (at.values + (size_t) (head * tokens) * (size_t) args->ldv);
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
		long keys = length + (batch->caches != NULL ? batch->caches[i].length : 0);

		if (length < 1)
			return error_set(error, ERR_ARGUMENT,
							 "sequence %d has %ld tokens, but at least 1 is needed", i, length);
		if (keys > model->max_columns)
			return error_set(error, ERR_LIMIT,
							 "sequence %d has %ld tokens, but at most %d are allowed", i, keys,
							 model->max_columns);
		if (batch->offsets[i + 1] > batch->n_tokens)
			return error_set(error, ERR_ARGUMENT, "sequence %d ends at token %d of %d", i,
							 batch->offsets[i + 1], batch->n_tokens);
		if (!check_values(batch, i, "input id", batch->input_ids, model->vocab_size, error) ||
			!check_values(batch, i, "token type id", batch->token_type_ids, model->type_vocab_size,
						  error) ||
			!check_values(batch, i, "position id", batch->position_ids, model->n_positions,
						  error) ||
			!check_values(batch, i, "shape id", batch->shape_ids, model->shape_vocab_size, error) ||
			!check_values(batch, i, "pronunciation id", batch->pronunciation_ids,
						  model->pronunciation_vocab_size, error))
			return false;
	}
	return model->family->check == NULL || model->family->check(model, batch, error);
}

size_t
model_workspace(const Model *model, int max_tokens, int max_seqs, int threads)
{
	Batch largest = {.n_tokens = max_tokens, .n_seqs = max_seqs};

	return model->family->workspace(model, &largest, threads);
}

/* What a cache has more after a pass. */
static void
extend_cache(const Model *model, const Batch *batch, int sequence)
{
	Cache *cache = &batch->caches[sequence];
	int	   begin = batch->offsets[sequence], end = batch->offsets[sequence + 1];

	for (int i = begin; batch->input_ids != NULL && i < end; i++)
		cache->padding += batch->input_ids[i] == model->pad_token_id;
	cache->length += end - begin;
	cache->has_source |= batch->encoder_states != NULL;
}

bool
model_forward(const Model *model, const Batch *batch, Workspace *workspace, const Crew *crew,
			  Output *output)
{
	if (!model->family->forward(model, batch, workspace, crew, output))
		return false;
	for (int i = 0; batch->caches != NULL && i < batch->n_seqs; i++)
		extend_cache(model, batch, i);
	return true;
}
