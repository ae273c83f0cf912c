/*
 * embedder.c: tokenizer and runner, one behind the other.
 */
#include "import/embedder.h"

#include <limits.h>
#include <string.h>

#include "import/options.h"

/* The text of the image's default prompt, "" when it has none. */
static bool
find_prompt(const Image *image, const char **prompt, Error *error)
{
	const char *name;

	*prompt = "";
	if (!params_string(&image->model, "default_prompt", NULL, &name, error))
		return false;
	for (int i = 0; name != NULL && i + 1 < image_strings(image, "prompts"); i += 2)
		if (strcmp(image_string(image, "prompts", i), name) == 0)
			*prompt = image_string(image, "prompts", i + 1);
	return true;
}

static bool
read_settings(Embedder *embedder, Error *error)
{
	const Image	 *image = &embedder->session.image;
	const Params *params = &image->model;
	const char	 *truncate, *pooling;

	if (!params_int(params, "max_length", INT_MAX, 1, INT_MAX, &embedder->encode.max_length,
					error) ||
		!params_bool(params, "normalize", false, &embedder->normalize, error) ||
		!params_bool(params, "strips", false, &embedder->strips, error) ||
		!params_string(params, "truncate", "error", &truncate, error) ||
		!params_string(params, "pooling", "mean", &pooling, error) ||
		!find_prompt(image, &embedder->prompt, error))
		return false;
	embedder->encode.add_special_tokens = true;
	return (truncate_from_name(truncate, &embedder->encode.truncate) &&
			pooling_from_name(pooling, &embedder->pooling)) ||
		   error_set(error, ERR_CORRUPT, "the image has truncate \"%s\" and pooling \"%s\"",
					 truncate, pooling);
}

bool
embedder_open(Embedder *embedder, const char *path, const Kernels *kernels, int threads,
			  Error *error)
{
	*embedder = (Embedder){0};
	if (!session_open(&embedder->session, path, kernels, threads, error))
		return false;
	if (!embedder->session.has_weights || !embedder->session.has_tokenizer)
		error_set(error, ERR_UNSUPPORTED, "image \"%s\" has no %s", path,
				  embedder->session.has_weights ? "tokenizer" : "weights");
	else if (read_settings(embedder, error))
		return true;
	embedder_close(embedder);
	return false;
}

void
embedder_close(Embedder *embedder)
{
	session_close(&embedder->session);
}

/* The prompt and a text behind it, in the arena. */
static const char *
with_prompt(const Embedder *embedder, Arena *arena, const char *text, Error *error)
{
	size_t prompt = strlen(embedder->prompt), length = strlen(text);
	char  *whole;

	if (prompt == 0)
		return text;
	whole = arena_alloc_raw(arena, prompt + length + 1, 1);
	if (whole == NULL)
	{
		error_set(error, ERR_MEMORY, "out of memory for a text of %zu bytes", length);
		return NULL;
	}
	memcpy(whole, embedder->prompt, prompt);
	memcpy(whole + prompt, text, length + 1);
	return whole;
}

bool
embedder_encode(const Embedder *embedder, Arena *arena, const char *const *texts, int n,
				RunItem **items, long *n_tokens, Error *error)
{
	*n_tokens = 0;
	*items = arena_alloc(arena, (size_t) n, sizeof **items);
	if (*items == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for %d texts", n);
	for (int i = 0; i < n; i++)
	{
		const char *text = with_prompt(embedder, arena, texts[i], error);
		size_t		length = text != NULL ? strlen(text) : 0;
		Encoding	encoding;

		if (text == NULL)
			return false;
		if (embedder->strips)
			embed_strip(&text, &length);
		if (!tokenizer_encode(&embedder->session.tokenizer, arena, text, length, NULL, 0,
							  &embedder->encode, &encoding, error))
			return false;
		(*items)[i] = (RunItem){.ids = encoding.ids,
								.type_ids = encoding.type_ids,
								.n_tokens = encoding.n,
								.pooling = embedder->pooling,
								.dimensions = embedder->session.model.hidden_size,
								.normalize = embedder->normalize};
		*n_tokens += encoding.n;
	}
	return true;
}

bool
embedder_run(Embedder *embedder, RunItem *items, int n, float *out, Error *error)
{
	Session *session = &embedder->session;

	for (int i = 0; i < n; i++)
		items[i].out = out + (size_t) i * (size_t) session->model.hidden_size;
	return runner_run(session->runner, &session->model, items, n, NULL, error);
}
