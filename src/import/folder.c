/*
 * folder.c: the settings files of sentence-transformers.
 *
 * As sentence_transformers.SentenceTransformer and its Transformer, Pooling and Normalize modules read them.
 */
#include "import/folder.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "import/json.h"
#include "import/options.h"

/* Names that the Transformer module's settings may have. */
static const char *const sentence_configs[] = {
	"sentence_bert_config.json",	   "sentence_roberta_config.json",
	"sentence_distilbert_config.json", "sentence_camembert_config.json",
	"sentence_albert_config.json",	   "sentence_xlm-roberta_config.json",
	"sentence_xlnet_config.json",
};

#define N_SENTENCE_CONFIGS (sizeof sentence_configs / sizeof sentence_configs[0])

bool
folder_path(char path[FOLDER_MAX_PATH], const char *directory, const char *name, Error *error)
{
	int length = *name != '\0' ? snprintf(path, FOLDER_MAX_PATH, "%s/%s", directory, name)
							   : snprintf(path, FOLDER_MAX_PATH, "%s", directory);

	if (length < 0 || length >= FOLDER_MAX_PATH)
		return error_set(error, ERR_LIMIT, "the path \"%.200s\" is too long", path);
	return true;
}

bool
folder_has(const char *directory, const char *name)
{
	char  path[FOLDER_MAX_PATH];
	Error ignored;

	return folder_path(path, directory, name, &ignored) &&
		   (access(path, F_OK) == 0 || errno != ENOENT);
}

/* The settings in a file, or NULL with *ok when there is no such file. */
static json_t *
read_settings(const char *directory, const char *name, bool *ok, Error *error)
{
	char	path[FOLDER_MAX_PATH];
	json_t *json;

	*ok = true;
	if (!folder_has(directory, name))
		return NULL;
	json = folder_path(path, directory, name, error)
			   ? json_read_object(path, JSON_CONFIG_LIMIT, error)
			   : NULL;
	*ok = json != NULL;
	return json;
}

/* ---- modules ---- */

/* A module's folder inside the model's: relative, and never upwards. */
static bool
module_path(char path[FOLDER_MAX_PATH], const char *directory, const json_t *module, Error *error)
{
	const char *name = json_string_value(json_object_get(module, "path"));

	if (name == NULL || *name == '/' || strstr(name, "..") != NULL)
		return error_set(error, ERR_DATA, "modules.json has a module with path \"%.100s\"",
						 name != NULL ? name : "");
	return folder_path(path, directory, name, error);
}

/* The class of a module without its package, or NULL when it is not one of sentence-transformers. */
static const char *
module_class(const json_t *module)
{
	static const char package[] = "sentence_transformers.";
	const char		 *type = json_string_value(json_object_get(module, "type"));

	return type != NULL && strncmp(type, package, sizeof package - 1) == 0 ? strrchr(type, '.') + 1
																		   : NULL;
}

/* The one pooling mode that a Pooling module's config.json switches on. */
static bool
read_pooling(Folder *folder, const char *directory, Error *error)
{
	static const struct
	{
		const char *key;
		int			fallback; /* as in the constructor of Pooling */
		int			pooling;  /* Pooling; -1: not implemented */
	} modes[] = {
		{"pooling_mode_cls_token", 0, POOLING_CLS},	  {"pooling_mode_mean_tokens", 1, POOLING_MEAN},
		{"pooling_mode_max_tokens", 0, POOLING_MAX},  {"pooling_mode_lasttoken", 0, POOLING_LAST},
		{"pooling_mode_mean_sqrt_len_tokens", 0, -1}, {"pooling_mode_weightedmean_tokens", 0, -1},
	};
	char	path[FOLDER_MAX_PATH];
	json_t *config;
	int		n = 0;
	bool	ok = true;

	if (!folder_path(path, directory, "config.json", error))
		return false;
	config = json_read_object(path, JSON_CONFIG_LIMIT, error);
	if (config == NULL)
		return false;
	for (size_t i = 0; ok && i < sizeof modes / sizeof modes[0]; i++)
	{
		const json_t *value = json_object_get(config, modes[i].key);

		if (value != NULL ? !json_is_true(value) : !modes[i].fallback)
			continue;
		if (modes[i].pooling < 0 || n++ > 0)
			ok = error_set(error, ERR_UNSUPPORTED, "pooling with \"%s\"%s is not supported",
						   modes[i].key, n > 1 ? " beside another mode" : "");
		else
			folder->pooling = (Pooling) modes[i].pooling;
	}
	if (ok && n == 0)
		ok = error_set(error, ERR_DATA, "\"%s\" switches no pooling mode on", path);
	if (ok && json_is_false(json_object_get(config, "include_prompt")))
		ok = error_set(error, ERR_UNSUPPORTED, "pooling without the prompt is not supported");
	json_decref(config);
	return ok;
}

static bool
read_module(Folder *folder, const char *directory, const json_t *module, size_t place, Error *error)
{
	const char *class = module_class(module);
	const char *type = json_string_value(json_object_get(module, "type"));
	char		path[FOLDER_MAX_PATH];

	if (!module_path(path, directory, module, error))
		return false;
	if (class != NULL && place == 0 && strcmp(class, "Transformer") == 0)
		return folder_path(folder->transformer, path, "", error);
	if (class != NULL && place == 1 && strcmp(class, "Pooling") == 0)
		return read_pooling(folder, path, error);
	if (class != NULL && place == 2 && strcmp(class, "Normalize") == 0)
	{
		folder->normalize = true;
		return true;
	}
	error_set(error, ERR_UNSUPPORTED, "module %zu of modules.json, \"%.200s\", is not supported",
			  place, type != NULL ? type : "");
	return error_detail(error, "Supported are Transformer, Pooling and Normalize, in this order.");
}

static bool
read_modules(Folder *folder, const char *directory, Error *error)
{
	char	path[FOLDER_MAX_PATH];
	json_t *modules;
	bool	ok;

	if (!folder_has(directory, "modules.json"))
		return folder_path(folder->transformer, directory, "", error);
	modules = folder_path(path, directory, "modules.json", error)
				  ? json_read(path, JSON_CONFIG_LIMIT, error)
				  : NULL;
	if (modules == NULL)
		return false;
	folder->strips = true;
	ok = json_array_size(modules) > 0 ||
		 error_set(error, ERR_DATA, "\"%s\" does not hold a list of modules", path);
	for (size_t i = 0; ok && i < json_array_size(modules); i++)
		ok = read_module(folder, directory, json_array_get(modules, i), i, error);
	json_decref(modules);
	return ok;
}

/* ---- the Transformer module ---- */

static bool
read_transformer(Folder *folder, Error *error)
{
	bool	ok = true;
	json_t *settings = NULL;
	int64_t length;

	for (size_t i = 0; settings == NULL && i < N_SENTENCE_CONFIGS; i++)
	{
		settings = read_settings(folder->transformer, sentence_configs[i], &ok, error);
		if (!ok)
			return false;
	}
	if (json_whole(json_object_get(settings, "max_seq_length"), &length) && length >= 1 &&
		length <= INT_MAX)
		folder->max_seq_length = (int) length;
	folder->lower_case = json_is_true(json_object_get(settings, "do_lower_case"));
	json_decref(settings);
	return true;
}

/* ---- prompts ---- */

static bool
copy_prompts(Folder *folder, Arena *arena, const json_t *prompts, Error *error)
{
	const char **list = arena_alloc(arena, 2 * json_object_size(prompts) + 1, sizeof *list);
	const char	*name;
	json_t		*text;

	if (json_object_size(prompts) > MAX_PROMPTS)
		return error_set(error, ERR_LIMIT, "the model has more than %d prompts", MAX_PROMPTS);
	if (list == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for prompts");
	folder->prompts = list;
	json_object_foreach((json_t *) prompts, name, text)
	{
		const char *value = json_string_value(text);

		if (value == NULL)
			return error_set(error, ERR_DATA, "prompt \"%.100s\" is not a string", name);
		*list++ = arena_strndup(arena, name, strlen(name));
		*list++ = arena_strndup(arena, value, strlen(value));
		if (list[-2] == NULL || list[-1] == NULL)
			return error_set(error, ERR_MEMORY, "out of memory for prompts");
		folder->n_prompts++;
	}
	return true;
}

static bool
read_prompts(Folder *folder, Arena *arena, const char *directory, Error *error)
{
	bool	ok;
	json_t *settings = read_settings(directory, "config_sentence_transformers.json", &ok, error);
	const char *name;

	if (settings == NULL)
		return ok;
	ok = copy_prompts(folder, arena, json_object_get(settings, "prompts"), error);
	name = json_string_value(json_object_get(settings, "default_prompt_name"));
	if (ok && name != NULL)
	{
		folder->default_prompt = arena_strndup(arena, name, strlen(name));
		ok = folder->default_prompt != NULL ||
			 error_set(error, ERR_MEMORY, "out of memory for prompts");
	}
	json_decref(settings);
	return ok;
}

bool
folder_read(Folder *folder, Arena *arena, const char *directory, Error *error)
{
	*folder = (Folder){.pooling = POOLING_MEAN};
	return read_modules(folder, directory, error) && read_transformer(folder, error) &&
		   read_prompts(folder, arena, directory, error);
}
