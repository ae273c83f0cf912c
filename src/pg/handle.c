/*
 * handle.c: this backend's view of models: their images mapped, their tokenizers open.
 *
 * A handle is made at the first use of a digest and kept as long as the backend lives: the mapping stays valid
 * whatever becomes of the file, and the weights' pages are the cluster's, not this process's.  Owned by this
 * file; read by everybody in the backend.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/utf8.h"
#include "pg/pg_infer.h"

#define ARENA_CAP ((size_t) 1 << 30)
#define ARENA_KEPT ((size_t) 1 << 20)

typedef struct HandleEntry
{
	uint8		 digest[IMAGE_DIGEST_BYTES];
	ModelHandle *handle; /* NULL while it is being made */
} HandleEntry;

static HTAB *handles;

void
report_image_error(const Error *error, const char *model)
{
	Error described = *error;

	if (error->code == ERR_NOT_FOUND)
		error_hint(&described,
				   "After a restore on another cluster, copy the image to its data directory or "
				   "import it again with infer.update_model.");
	else if (error->code == ERR_CORRUPT)
		error_hint(&described, "Import it again with infer.update_model.");
	report_error(&described, model);
}

/* What the importer stored about the model; image is open. */
static bool
read_params(ModelHandle *handle, Error *error)
{
	const Params *params = &handle->image.model;
	const char	 *truncate, *pooling;

	if (!params_bool(params, "has_weights", false, &handle->has_weights, error) ||
		!params_bool(params, "has_tokenizer", false, &handle->has_tokenizer, error) ||
		!params_int(params, "hidden_size", 0, 0, INT_MAX, &handle->hidden_size, error) ||
		!params_int(params, "max_length", INT_MAX, 1, INT_MAX, &handle->max_length, error) ||
		!params_bool(params, "normalize", false, &handle->normalize, error) ||
		!params_bool(params, "strips", false, &handle->strips, error) ||
		!params_string(params, "truncate", "error", &truncate, error) ||
		!params_string(params, "pooling", "mean", &pooling, error))
		return false;
	if (!pooling_from_name(pooling, &handle->pooling))
		return error_set(error, ERR_CORRUPT, "unknown pooling \"%s\" in its image", pooling);
	if (!truncate_from_name(truncate, &handle->truncate))
		return error_set(error, ERR_CORRUPT, "unknown truncate \"%s\" in its image", truncate);
	return !handle->has_tokenizer || tokenizer_open(&handle->tokenizer, &handle->image, error);
}

static ModelHandle *
handle_open(const InferModel *model)
{
	char		*name = infer_model_name(model);
	ModelHandle *handle = MemoryContextAllocZero(TopMemoryContext, sizeof(ModelHandle));
	char		*path = image_path(model->digest);
	Error		 error, reason;
	bool		 ok;

	if (!image_open(&handle->image, path, &error))
	{
		pfree(handle);
		report_image_error(&error, name);
	}
	ok = image_verify_texts(&handle->image, &reason) || image_refused(path, &reason, &error);
	if (!ok || !read_params(handle, &error))
	{
		image_close(&handle->image);
		pfree(handle);
		report_image_error(&error, name);
	}
	memcpy(handle->digest, model->digest, IMAGE_DIGEST_BYTES);
	handle->entry = -1;
	return handle;
}

/* The name a model is used by now: models of one digest share a handle. */
static void
set_name(ModelHandle *handle, const InferModel *model)
{
	size_t length = VARSIZE(model) - offsetof(InferModel, name);

	if (handle->name && strlen(handle->name) == length &&
		memcmp(handle->name, model->name, length) == 0)
		return;
	if (handle->name)
		pfree(handle->name);
	handle->name = MemoryContextAllocZero(TopMemoryContext, length + 1);
	memcpy(handle->name, model->name, length);
}

ModelHandle *
model_handle(const InferModel *model)
{
	HASHCTL		 control = {.keysize = IMAGE_DIGEST_BYTES, .entrysize = sizeof(HandleEntry)};
	HandleEntry *entry;
	bool		 found;

	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("models can't be used in a database with encoding SQL_ASCII"),
			 errdetail("Texts are converted to UTF-8, and this encoding doesn't say from what."),
			 errhint("Use a database with encoding UTF8.")));
	check_model_usage(model);
	if (handles == NULL)
		handles = hash_create("pg_infer models", 16, &control, HASH_ELEM | HASH_BLOBS);
	entry = hash_search(handles, model->digest, HASH_ENTER, &found);
	if (!found)
		entry->handle = NULL;
	if (entry->handle == NULL)
		entry->handle = handle_open(model);
	set_name(entry->handle, model);
	return entry->handle;
}

/* Sums up the matrices of an open image. */
static void
measure(const Image *image, ModelSize *size)
{
	size->n_labels = image_strings(image, "labels");
	for (int i = 0; i < image->n_sections; i++)
		if (image->sections[i].type == SECTION_MATRIX)
		{
			size->weights += (int64) image->sections[i].n * image->sections[i].k;
			size->precision = image->sections[i].precision;
		}
}

ModelSize *
model_size(const InferModel *model)
{
	static HTAB *sizes;
	HASHCTL		 control = {.keysize = IMAGE_DIGEST_BYTES, .entrysize = sizeof(ModelSize)};
	ModelSize	*size;
	Image		 image;
	Error		 error;
	bool		 found;

	if (sizes == NULL)
		sizes = hash_create("pg_infer model sizes", 16, &control, HASH_ELEM | HASH_BLOBS);
	size = hash_search(sizes, model->digest, HASH_FIND, NULL);
	if (size != NULL)
		return size;
	if (!image_open(&image, image_path(model->digest), &error))
		return NULL;
	size = hash_search(sizes, model->digest, HASH_ENTER, &found);
	size->weights = 0;
	size->precision = PRECISION_FP32;
	measure(&image, size);
	image_close(&image);
	return size;
}

void
require_weights(const ModelHandle *handle)
{
	if (!handle->has_weights)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("model \"%s\" has no weights", handle->name),
						errdetail("It was made from a folder with tokenizer files alone.")));
}

const Model *
handle_model(ModelHandle *handle)
{
	Model *model;
	Error  error;

	require_weights(handle);
	if (handle->model)
		return handle->model;
	model = MemoryContextAllocZero(TopMemoryContext, sizeof(Model));
	if (!model_open(model, &handle->image, NULL, &error))
	{
		model_close(model);
		pfree(model);
		report_image_error(&error, handle->name);
	}
	handle->model = model;
	return model;
}

void
require_tokenizer(const ModelHandle *handle)
{
	if (!handle->has_tokenizer)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("model \"%s\" has no tokenizer", handle->name),
						errdetail("It was made from a folder without tokenizer files.")));
}

static Arena text_arena, windows_arena;

/* What a large text took goes back at the end of the transaction; a little is kept for the next one. */
static void
release_arenas(XactEvent event, void *argument)
{
	if (text_arena.size > ARENA_KEPT)
		arena_free(&text_arena);
	if (windows_arena.size > ARENA_KEPT)
		arena_free(&windows_arena);
}

static void
ready_arenas(void)
{
	static bool ready;

	if (!ready)
	{
		arena_init(&text_arena, ARENA_CAP);
		arena_init(&windows_arena, ARENA_CAP);
		RegisterXactCallback(release_arenas, NULL);
	}
	ready = true;
}

Arena *
backend_arena(void)
{
	ready_arenas();
	return &text_arena;
}

Arena *
window_arena(void)
{
	ready_arenas();
	return &windows_arena;
}

bool
interrupt_pending(void *argument)
{
	return InterruptPending && INTERRUPTS_CAN_BE_PROCESSED() &&
		   (QueryCancelPending || ProcDiePending);
}

void
handle_encode(ModelHandle *handle, const char *text, size_t length, const char *pair,
			  size_t pair_length, EncodeOptions *options, Encoding *encoding)
{
	Error error;

	require_tokenizer(handle);
	options->interrupted = interrupt_pending;
	options->reads_little = true;
	if (tokenizer_encode(&handle->tokenizer, backend_arena(), text, length, pair, pair_length,
						 options, encoding, &error))
		return;
	CHECK_FOR_INTERRUPTS();
	if (error.code == ERR_LIMIT && options->truncate == TRUNCATE_ERROR && options->max_length > 0)
		error_hint(
			&error,
			"Pass truncate => 'end', or give the model that option, to leave out what is too "
			"much; or split the text with infer.chunks.");
	report_error(&error, handle->name);
}

Truncate
truncate_from_arg(const ModelHandle *handle, const char *value)
{
	Truncate truncate = handle->truncate;

	if (value && !truncate_from_name(value, &truncate))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid value for truncate: \"%s\"", value),
						errhint("Valid values are: error, end, start.")));
	return truncate;
}

const char *
text_to_utf8(const text *value, size_t *length)
{
	const char *server = VARDATA_ANY(value);
	int			server_length = VARSIZE_ANY_EXHDR(value);
	const char *utf8;

	if (GetDatabaseEncoding() == PG_UTF8)
	{
		*length = server_length;
		return server;
	}
	utf8 = pg_server_to_any(server, server_length, PG_UTF8);
	*length = utf8 == server ? server_length : strlen(utf8);
	if (utf8_count(utf8, *length) != pg_mbstrlen_with_len(server, server_length))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("a character of the text is several characters in UTF-8"),
						errdetail("Positions in it would not be those of encoding %s.",
								  GetDatabaseEncodingName())));
	return utf8;
}

/* A text can't have the byte 0, which byte-level vocabularies have a token for: it becomes U+FFFD. */
static const char *
replace_zeros(const char *value, size_t *length)
{
	StringInfoData out;

	if (*length == 0 || memchr(value, 0, *length) == NULL)
		return value;
	initStringInfo(&out);
	for (size_t i = 0; i < *length; i++)
		if (value[i] == 0)
			appendStringInfoString(&out, "\xEF\xBF\xBD");
		else
			appendStringInfoCharMacro(&out, value[i]);
	*length = out.len;
	return out.data;
}

text *
text_from_utf8(const char *value, size_t length)
{
	char *server;

	value = replace_zeros(value, &length);
	server = pg_any_to_server(value, length, PG_UTF8);
	return cstring_to_text_with_len(server, server == value ? length : strlen(server));
}
