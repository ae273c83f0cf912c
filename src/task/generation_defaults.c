/*
 * generation_defaults.c: ids out of configs.
 */
#include "task/generation_defaults.h"

#include <string.h>

/* What a class of Transformers takes for eos_token_id where config.json has none; other families: nothing. */
static const struct
{
	const char *model_type;
	int32_t		eos_token_id;
} class_defaults[] = {{"mega", 2}, {"opt", 2}, {"roberta-prelayernorm", 2}};

/* ---- lists of ids as JSON text ---- */

typedef struct Reader
{
	const char *at;
	const char *what;
	int32_t	   *ids;
	int			n;
	Error	   *error;
} Reader;

static void
skip_spaces(Reader *reader)
{
	while (*reader->at != '\0' && strchr(" \t\r\n", *reader->at) != NULL)
		reader->at++;
}

/* Takes a character where it is next. */
static bool
take(Reader *reader, char character)
{
	skip_spaces(reader);
	if (*reader->at != character)
		return false;
	reader->at++;
	return true;
}

static bool
malformed(Reader *reader)
{
	return error_set(reader->error, ERR_DATA, "%s has \"%.20s\" where a token id was expected",
					 reader->what, reader->at);
}

static bool
read_id(Reader *reader)
{
	int64_t value = 0;

	skip_spaces(reader);
	if (*reader->at < '0' || *reader->at > '9')
		return malformed(reader);
	for (; *reader->at >= '0' && *reader->at <= '9'; reader->at++)
	{
		value = value * 10 + (*reader->at - '0');
		if (value > INT32_MAX)
			return error_set(reader->error, ERR_DATA, "%s has an id above %d", reader->what,
							 INT32_MAX);
	}
	if (*reader->at == '.' && reader->at[1] == '0') /* as the importer writes a whole number */
		for (reader->at++; *reader->at == '0'; reader->at++)
			;
	reader->ids[reader->n++] = (int32_t) value;
	return true;
}

/* [1, 2, ...] */
static bool
read_ids(Reader *reader)
{
	if (!take(reader, '['))
		return malformed(reader);
	if (take(reader, ']'))
		return true;
	do
		if (!read_id(reader))
			return false;
	while (take(reader, ','));
	return take(reader, ']') || malformed(reader);
}

/* A reader with room for all ids that the text can have. */
static bool
reader_init(Reader *reader, const char *text, const char *what, Arena *arena, Error *error)
{
	*reader = (Reader){.at = text, .what = what, .error = error};
	reader->ids = arena_alloc_raw(arena, strlen(text) / 2 + 1, sizeof(int32_t));
	return reader->ids != NULL || error_set(error, ERR_MEMORY, "out of memory for %s", what);
}

static bool
read_end(Reader *reader)
{
	skip_spaces(reader);
	return *reader->at == '\0' || malformed(reader);
}

bool
id_lists_read(const char *text, const char *what, Arena *arena, const int32_t **ids,
			  const int32_t **offsets, int *n, Error *error)
{
	Reader	 reader;
	int32_t *ends = arena_alloc(arena, strlen(text) / 2 + 2, sizeof(int32_t));

	*n = 0;
	if (ends == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for %s", what);
	if (!reader_init(&reader, text, what, arena, error))
		return false;
	if (!take(&reader, '['))
		return malformed(&reader);
	if (!take(&reader, ']'))
	{
		do
		{
			if (!read_ids(&reader))
				return false;
			ends[++*n] = reader.n;
		} while (take(&reader, ','));
		if (!take(&reader, ']'))
			return malformed(&reader);
	}
	*ids = reader.ids;
	*offsets = ends;
	return read_end(&reader);
}

/* ---- values of a config ---- */

/* Nothing, an id, or a list of ids. */
static bool
config_ids(const Params *params, const char *key, Arena *arena, const int32_t **ids, int *n,
		   Error *error)
{
	const ConfigParam *param = params_find(params, key);
	Reader			   reader;
	int32_t			  *one;

	*n = 0;
	if (param == NULL || param->type == PARAM_NULL)
		return true;
	if (param->type == PARAM_LIST)
	{
		if (!reader_init(&reader, param->string, key, arena, error) || !read_ids(&reader) ||
			!read_end(&reader))
			return false;
		*ids = reader.ids;
		*n = reader.n;
		return true;
	}
	if (param->type != PARAM_INT || param->integer < -1 || param->integer > INT32_MAX)
		return error_set(error, ERR_DATA, "%s is neither a token id nor a list of them", key);
	one = arena_alloc_raw(arena, 1, sizeof(int32_t));
	if (one == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for %s", key);
	*one = (int32_t) param->integer;
	*ids = one;
	*n = *one >= 0 ? 1 : 0;
	return true;
}

static bool
class_eos(const Params *config, Arena *arena, GenerationOptions *options, Error *error)
{
	const char *model_type;
	int32_t	   *one;

	if (params_find(config, "eos_token_id") != NULL)
		return true;
	if (!params_string(config, "model_type", "", &model_type, error))
		return false;
	for (size_t i = 0; i < sizeof class_defaults / sizeof *class_defaults; i++)
		if (strcmp(model_type, class_defaults[i].model_type) == 0)
		{
			one = arena_alloc_raw(arena, 1, sizeof(int32_t));
			if (one == NULL)
				return error_set(error, ERR_MEMORY, "out of memory for eos_token_id");
			*one = class_defaults[i].eos_token_id;
			options->eos_token_ids = one;
			options->n_eos = 1;
		}
	return true;
}

bool
generation_defaults(const Image *image, Arena *arena, GenerationOptions *options, int *pad_token_id,
					Error *error)
{
	bool			   own = image_find(image, SECTION_PARAMS, "generation") != NULL;
	const Params	  *params = own ? &image->generation : &image->config;
	const ConfigParam *bad_words = params_find(params, "bad_words_ids");

	if (!config_ids(params, "eos_token_id", arena, &options->eos_token_ids, &options->n_eos,
					error) ||
		(!own && !class_eos(params, arena, options, error)) ||
		!params_int(params, "pad_token_id", -1, -1, INT32_MAX, pad_token_id, error) ||
		!params_int(params, "forced_eos_token_id", -1, -1, INT32_MAX, &options->forced_eos_token_id,
					error) ||
		!config_ids(params, "suppress_tokens", arena, &options->suppress_tokens,
					&options->n_suppress, error))
		return false;
	if (bad_words == NULL || bad_words->type == PARAM_NULL)
		return true;
	if (bad_words->type != PARAM_LIST)
		return error_set(error, ERR_DATA, "bad_words_ids is not a list of lists of token ids");
	return id_lists_read(bad_words->string, "bad_words_ids", arena, &options->bad_words_ids,
						 &options->bad_words_offsets, &options->n_bad_words, error);
}
