/*
 * options.c: one function an option, and the table of them.
 */
#include "import/options.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "import/json.h"

static const char *const precision_names[] = {
	[PRECISION_FP32] = "fp32", [PRECISION_BF16] = "bf16", [PRECISION_INT8] = "int8"};

const char *
precision_name(Precision precision)
{
	return precision_names[precision];
}

void
import_options_init(ImportOptions *options)
{
	*options = (ImportOptions){.precision = PRECISION_FP32, .truncate = TRUNCATE_ERROR};
}

/* What the functions below work on. */
typedef struct Setting
{
	ImportOptions *options;
	Arena		  *arena;
	const json_t  *value;
	Error		  *error;
} Setting;

static char *
copy_string(const Setting *set, const char *text)
{
	char *copy = arena_strndup(set->arena, text, strlen(text));

	if (copy == NULL)
		error_set(set->error, ERR_MEMORY, "out of memory for options");
	return copy;
}

static bool
set_bool(const Setting *set, bool *value)
{
	*value = json_is_true(set->value);
	return json_is_boolean(set->value);
}

static bool
set_text(const Setting *set, const char **text)
{
	*text = json_is_string(set->value) ? copy_string(set, json_string_value(set->value)) : NULL;
	return *text != NULL;
}

static bool
set_precision(const Setting *set)
{
	const char *name = json_string_value(set->value);

	for (int i = 0; name != NULL && i < 3; i++)
		if (strcmp(precision_names[i], name) == 0)
		{
			set->options->precision = (Precision) i;
			return true;
		}
	return false;
}

static bool
set_architecture(const Setting *set)
{
	return set_text(set, &set->options->architecture);
}

static bool
set_max_length(const Setting *set)
{
	int64_t value;

	if (!json_whole(set->value, &value) || value < 1 || value > INT_MAX)
		return false;
	set->options->max_length = (int) value;
	return true;
}

static bool
set_truncate(const Setting *set)
{
	const char *name = json_string_value(set->value);

	return name != NULL && truncate_from_name(name, &set->options->truncate);
}

static bool
set_pooling(const Setting *set)
{
	const char *name = json_string_value(set->value);

	set->options->has_pooling = true;
	return name != NULL && pooling_from_name(name, &set->options->pooling);
}

static bool
set_normalize(const Setting *set)
{
	set->options->has_normalize = true;
	return set_bool(set, &set->options->normalize);
}

static bool
set_prompts(const Setting *set)
{
	const char **prompts;
	const char	*name;
	json_t		*text;
	int			 n = 0;

	if (!json_is_object(set->value) || json_object_size(set->value) > MAX_PROMPTS)
		return false;
	prompts = arena_alloc(set->arena, 2 * json_object_size(set->value) + 1, sizeof *prompts);
	if (prompts == NULL)
		return error_set(set->error, ERR_MEMORY, "out of memory for prompts");
	json_object_foreach((json_t *) set->value, name, text)
	{
		if (!json_is_string(text))
			return false;
		prompts[2 * n] = copy_string(set, name);
		prompts[2 * n + 1] = copy_string(set, json_string_value(text));
		if (prompts[2 * n] == NULL || prompts[2 * n + 1] == NULL)
			return false;
		n++;
	}
	set->options->prompts = prompts;
	set->options->n_prompts = n;
	set->options->has_prompts = true;
	return true;
}

static bool
set_labels(const Setting *set)
{
	size_t		 n = json_array_size(set->value);
	const char **labels;

	if (n == 0 || n > MAX_LABELS)
		return false;
	labels = arena_alloc(set->arena, n, sizeof *labels);
	if (labels == NULL)
		return error_set(set->error, ERR_MEMORY, "out of memory for labels");
	for (size_t i = 0; i < n; i++)
	{
		const char *label = json_string_value(json_array_get(set->value, i));

		labels[i] = label != NULL ? copy_string(set, label) : NULL;
		if (labels[i] == NULL)
			return false;
	}
	set->options->labels = labels;
	set->options->n_labels = (int) n;
	return true;
}

static bool
set_description(const Setting *set)
{
	return set_text(set, &set->options->description);
}

static bool
set_use_fast(const Setting *set)
{
	set->options->has_use_fast = true;
	return set_bool(set, &set->options->use_fast);
}

static bool
set_config(const Setting *set)
{
	char *text = json_is_object(set->value) ? json_dumps(set->value, JSON_COMPACT) : NULL;

	if (text == NULL)
		return !json_is_object(set->value)
				   ? false
				   : error_set(set->error, ERR_MEMORY, "out of memory for options");
	set->options->config = copy_string(set, text);
	free(text);
	return set->options->config != NULL;
}

static bool
set_forward_ema(const Setting *set)
{
	return set_bool(set, &set->options->forward_ema);
}

static const struct
{
	const char *name;
	const char *expected;
	bool (*set)(const Setting *set);
} table[] = {
	{"precision", "fp32, bf16 or int8", set_precision},
	{"architecture", "a string", set_architecture},
	{"max_length", "a positive integer", set_max_length},
	{"truncate", "error, end or start", set_truncate},
	{"pooling", "mean, cls, max, last or pooler", set_pooling},
	{"normalize", "true or false", set_normalize},
	{"prompts", "an object of strings", set_prompts},
	{"labels", "an array of strings", set_labels},
	{"description", "a string", set_description},
	{"use_fast", "true or false", set_use_fast},
	{"config", "an object", set_config},
	{"forward_ema", "true or false", set_forward_ema},
};

#define N_OPTIONS (sizeof table / sizeof table[0])

/* The value as JSON; text that is none is a string. */
static json_t *
parse_value(const char *value, Error *error)
{
	Error	ignored;
	json_t *json = json_parse(value, strlen(value), "option", &ignored);

	if (json == NULL)
		json = json_string(value);
	if (json == NULL)
		error_set(error, ERR_ARGUMENT, "the value of an option is not valid UTF-8");
	return json;
}

bool
import_option(ImportOptions *options, Arena *arena, const char *name, const char *value,
			  Error *error)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
	{
		json_t *json;
		bool	ok;

		if (strcmp(table[i].name, name) != 0)
			continue;
		json = parse_value(value, error);
		if (json == NULL)
			return false;
		error->code = ERR_NONE;
		ok = json_is_null(json) || table[i].set(&(Setting){options, arena, json, error});
		json_decref(json);
		if (ok || error->code != ERR_NONE)
			return ok;
		return error_set(error, ERR_ARGUMENT, "option %s is %.100s, but must be %s", name, value,
						 table[i].expected);
	}
	error_set(error, ERR_ARGUMENT, "unrecognized option \"%.100s\"", name);
	return error_hint(error, "Options are precision, architecture, max_length, truncate, pooling, "
							 "normalize, prompts, labels, description, use_fast, config and "
							 "forward_ema.");
}
