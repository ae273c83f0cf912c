/*
 * models.c: the SQL functions over models as a whole: create_model and its siblings, what a model says of itself,
 * residency, verification, view infer.models.
 *
 * Changes of the catalog go through the server's own statements (CREATE, ALTER, DROP SERVER), so privileges,
 * event triggers and dependencies are PostgreSQL's; store.c follows what they do.
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xact.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "executor/spi.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/value.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "pg/compat.h"
#include "pg/task.h"

/* ---- statements ---- */

static void
run_statement(const char *sql)
{
	int result;

	SPI_connect();
	result = SPI_execute(sql, false, 0);
	if (result != SPI_OK_UTILITY)
		elog(ERROR, "SPI_execute returned %d for: %s", result, sql);
	SPI_finish();
}

/* Appends "action name 'value'" to a list of options; value may be NULL. */
static void
append_option(StringInfo list, const char *action, const char *name, const char *value)
{
	appendStringInfo(list, "%s%s%s%s", list->len ? ", " : "", action, *action ? " " : "",
					 quote_identifier(name));
	if (value)
		appendStringInfo(list, " %s", quote_literal_cstr(value));
}

/* The text of an option in a list, or NULL. */
static const char *
find_option(List *options, const char *name)
{
	ListCell *cell;

	foreach(cell, options)
	{
		DefElem *option = lfirst(cell);

		if (strcmp(option->defname, name) == 0)
			return option->arg ? defGetString(option) : NULL;
	}
	return NULL;
}

static bool
has_option(List *options, const char *name)
{
	ListCell *cell;

	foreach(cell, options) if (strcmp(((DefElem *) lfirst(cell))->defname, name) == 0) return true;
	return false;
}

/* The server's options with those given instead; a NULL given takes one away. */
static List *
merge_options(List *existing, List *given)
{
	List	 *merged = NIL;
	ListCell *cell;

	foreach(cell, existing) if (!has_option(given, ((DefElem *) lfirst(cell))->defname)) merged =
		lappend(merged, lfirst(cell));
	foreach(cell, given) if (((DefElem *) lfirst(cell))->arg) merged =
		lappend(merged, lfirst(cell));
	return merged;
}

/* "ADD ..., SET ..., DROP ...": what turns one list of options into another. */
static char *
option_changes(List *from, List *to)
{
	StringInfoData list;
	ListCell	  *cell;

	initStringInfo(&list);
	foreach(cell, to)
	{
		DefElem	   *option = lfirst(cell);
		const char *before = find_option(from, option->defname), *after = defGetString(option);

		if (before == NULL)
			append_option(&list, "ADD", option->defname, after);
		else if (strcmp(before, after) != 0)
			append_option(&list, "SET", option->defname, after);
	}
	foreach(cell, from)
	{
		DefElem *option = lfirst(cell);

		if (!has_option(to, option->defname))
			append_option(&list, "DROP", option->defname, NULL);
	}
	return list.data;
}

static DefElem *
text_option(const char *name, const char *value)
{
	return makeDefElem(pstrdup(name), (Node *) makeString(pstrdup(value)), -1);
}

static DefElem *
digest_option(const char *name, const uint8 *digests, int n)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < n; i++)
	{
		char hex[DIGEST_HEX + 1];

		digest_to_hex(digests + (size_t) i * IMAGE_DIGEST_BYTES, hex);
		appendStringInfo(&list, "%s%s", i ? "," : "", hex);
	}
	return text_option(name, list.data);
}

/* ---- create, update ---- */

/* Makes the image of a directory; it is in place afterwards. */
static void
import_image(const char *path, List *options, uint8 *digest)
{
	char *directory = import_directory(path);
	char *temporary = store_temporary();

	import_run(directory, temporary, options, digest);
	store_adopt(temporary, digest);
}

static void
check_may_change(const char *function)
{
	PreventCommandIfReadOnly(function);
	PreventCommandDuringRecovery(function);
	require_preload();
}

PG_FUNCTION_INFO_V1(infer_create_model);
Datum
infer_create_model(PG_FUNCTION_ARGS)
{
	char		  *name, *path;
	List		  *options = NIL;
	Oid			   fdw;
	AclResult	   allowed;
	uint8		   digest[IMAGE_DIGEST_BYTES];
	StringInfoData list;
	ListCell	  *cell;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	check_may_change("infer.create_model()");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	path = text_to_cstring(PG_GETARG_TEXT_PP(1));
	check_model_name(name, ERRCODE_INVALID_NAME);
	if (!PG_ARGISNULL(2))
		options = merge_options(NIL, model_options_from_jsonb(PG_GETARG_DATUM(2)));
	fdw = get_foreign_data_wrapper_oid(INFER_FDW, false);
	allowed = compat_fdw_aclcheck(fdw, GetUserId(), ACL_USAGE);
	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, OBJECT_FDW, INFER_FDW);
	if (model_server(name, true))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("model \"%s\" already exists", name),
				 errhint("infer.update_model replaces a model's weights.")));
	if (OidIsValid(get_foreign_server_oid(name, true)))
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT),
						errmsg("a foreign server \"%s\" already exists", name)));

	import_image(path, options, digest);
	initStringInfo(&list);
	options = lcons(digest_option("digest", digest, 1), lcons(text_option("path", path), options));
	foreach(cell, options)
		append_option(&list, "", ((DefElem *) lfirst(cell))->defname, defGetString(lfirst(cell)));
	run_statement(psprintf("CREATE SERVER %s FOREIGN DATA WRAPPER %s OPTIONS (%s)",
						   quote_identifier(name), INFER_FDW, list.data));
	PG_RETURN_POINTER(infer_model_make(name, digest));
}

/* The digests that are "previous" once digest is the current one: the server's, without it. */
static List *
previous_after(const ModelServer *server, const uint8 *digest)
{
	uint8 *previous = palloc((size_t) (server->n_previous + 1) * IMAGE_DIGEST_BYTES);
	int	   n = 0;

	for (int i = -1; i < server->n_previous; i++)
	{
		const uint8 *known =
			i < 0 ? server->digest : server->previous + (size_t) i * IMAGE_DIGEST_BYTES;

		if (memcmp(known, digest, IMAGE_DIGEST_BYTES) != 0)
			memcpy(previous + (size_t) n++ * IMAGE_DIGEST_BYTES, known, IMAGE_DIGEST_BYTES);
	}
	return n > 0 ? list_make1(digest_option("previous", previous, n)) : NIL;
}

/* The model of that name, which the current user owns and nobody else changes until we end. */
static ModelServer *
lock_own_model(const char *name)
{
	ModelServer *server = model_server(name, false);

	check_model_owner(server);
	LockDatabaseObject(ForeignServerRelationId, server->serverid, 0, ShareUpdateExclusiveLock);
	return model_server(name, false);
}

static void
alter_options(const ModelServer *server, List *options)
{
	char *changes = option_changes(server->options, options);

	if (*changes)
		run_statement(
			psprintf("ALTER SERVER %s OPTIONS (%s)", quote_identifier(server->name), changes));
}

PG_FUNCTION_INFO_V1(infer_update_model);
Datum
infer_update_model(PG_FUNCTION_ARGS)
{
	char		*path;
	List		*given = NIL, *options;
	ModelServer *server;
	uint8		 digest[IMAGE_DIGEST_BYTES];

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	check_may_change("infer.update_model()");
	path = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (!PG_ARGISNULL(2))
		given = model_options_from_jsonb(PG_GETARG_DATUM(2));
	server = lock_own_model(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	options = merge_options(server->options, given);

	import_image(path, options, digest);
	given = list_make2(digest_option("digest", digest, 1), text_option("path", path));
	options = merge_options(options, given);
	options = merge_options(options, list_make1(makeDefElem(pstrdup("previous"), NULL, -1)));
	alter_options(server, list_concat(options, previous_after(server, digest)));
	PG_RETURN_POINTER(infer_model_make(server->name, digest));
}

/* ---- drop, rename, prune ---- */

PG_FUNCTION_INFO_V1(infer_drop_model);
Datum
infer_drop_model(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	check_may_change("infer.drop_model()");
	check_model_owner(model_server(name, false));
	run_statement(psprintf("DROP SERVER %s", quote_identifier(name)));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(infer_rename_model);
Datum
infer_rename_model(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *new_name = text_to_cstring(PG_GETARG_TEXT_PP(1));

	check_may_change("infer.rename_model()");
	check_model_owner(model_server(name, false));
	check_model_name(new_name, ERRCODE_INVALID_NAME);
	run_statement(psprintf("ALTER SERVER %s RENAME TO %s", quote_identifier(name),
						   quote_identifier(new_name)));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(infer_prune_model);
Datum
infer_prune_model(PG_FUNCTION_ARGS)
{
	ModelServer *server;

	check_may_change("infer.prune_model()");
	server = lock_own_model(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	alter_options(server, merge_options(server->options,
										list_make1(makeDefElem(pstrdup("previous"), NULL, -1))));
	PG_RETURN_VOID();
}

/* ---- residency ---- */

/* Residency is everybody's who uses the model, so it is its owner's to decide on. */
static void
change_residency(FunctionCallInfo fcinfo, RequestKind kind)
{
	const InferModel *model = PG_GETARG_INFER_MODEL(0);
	ModelHandle		 *handle = model_handle(model);

	check_model_owner(model_server_of(handle->name, model->digest));
	require_weights(handle);
	request_run(handle, kind);
}

PG_FUNCTION_INFO_V1(infer_load_model);
Datum
infer_load_model(PG_FUNCTION_ARGS)
{
	change_residency(fcinfo, REQUEST_LOAD);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(infer_unload_model);
Datum
infer_unload_model(PG_FUNCTION_ARGS)
{
	change_residency(fcinfo, REQUEST_UNLOAD);
	PG_RETURN_VOID();
}

/* ---- what a model says of itself ---- */

static const Section *
text_section(FunctionCallInfo fcinfo, const char *name)
{
	ModelHandle *handle = model_handle(PG_GETARG_INFER_MODEL(0));

	return image_find(&handle->image, SECTION_TEXT, name);
}

/* A key's value, or NULL where it is null or not there. */
static const JsonbValue *
find_key(Datum object, const char *key)
{
	const JsonbValue *value =
		getKeyJsonValueFromContainer(&DatumGetJsonbP(object)->root, key, strlen(key), NULL);

	return value != NULL && value->type != jbvNull ? value : NULL;
}

/* config.json over the defaults of the model's family. */
static Datum
with_defaults(ModelHandle *handle, Datum config)
{
	const Family	 *family = handle_model(handle)->family;
	Datum			  defaults = DirectFunctionCall1(jsonb_in, CStringGetDatum(family->defaults));
	const JsonbValue *width;
	char			 *number, *same;

	config = DirectFunctionCall2(jsonb_concat, defaults, config);
	if (family->width_key == NULL || find_key(config, family->width_key) != NULL)
		return config;
	width = find_key(config, "hidden_size");
	number = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(width->val.numeric)));
	same = psprintf("{\"%s\": %s}", family->width_key, number);
	return DirectFunctionCall2(jsonb_concat, config,
							   DirectFunctionCall1(jsonb_in, CStringGetDatum(same)));
}

PG_FUNCTION_INFO_V1(infer_config);
Datum
infer_config(PG_FUNCTION_ARGS)
{
	ModelHandle	  *handle = model_handle(PG_GETARG_INFER_MODEL(0));
	const Section *config = text_section(fcinfo, "config.json");
	char		  *json;
	Datum		   object;

	if (config == NULL)
		PG_RETURN_NULL();
	json = text_to_cstring(text_from_utf8((const char *) config->data, config->size));
	object = DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
	return handle->has_weights ? with_defaults(handle, object) : object;
}

PG_FUNCTION_INFO_V1(infer_model_card);
Datum
infer_model_card(PG_FUNCTION_ARGS)
{
	const Section *card = text_section(fcinfo, "README.md");

	if (card == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(text_from_utf8((const char *) card->data, card->size));
}

/* Labels of a head that has some are named even where config.json does not. */
static int
count_labels(ModelHandle *handle)
{
	int			 n = image_strings(&handle->image, "labels");
	const Model *model = handle->has_weights ? handle_model(handle) : NULL;

	if (n == 0 && model != NULL &&
		(model->head == HEAD_SEQUENCE_CLASSIFICATION || model->head == HEAD_TOKEN_CLASSIFICATION))
		return model->n_labels;
	return n;
}

PG_FUNCTION_INFO_V1(infer_labels);
Datum
infer_labels(PG_FUNCTION_ARGS)
{
	ModelHandle *handle = model_handle(PG_GETARG_INFER_MODEL(0));
	int			 n = count_labels(handle);
	Datum		*labels = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		labels[i] = task_label(handle, i);
	PG_RETURN_ARRAYTYPE_P(construct_array(labels, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* ---- verify ---- */

static void
put_check(FunctionCallInfo fcinfo, const char *check, bool ok, const char *detail)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum values[] = {CStringGetTextDatum(check), BoolGetDatum(ok), CStringGetTextDatum(detail)};
	bool  nulls[] = {false, false, false};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Whether the file's SHA-256 is the digest it is named after. */
static bool
check_digest(FunctionCallInfo fcinfo, const Image *image, const uint8 *digest)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	const size_t	   step = 16 * 1024 * 1024;
	uint8			   found[PG_SHA256_DIGEST_LENGTH];
	char			   hex[DIGEST_HEX + 1];
	bool			   ok = hash && pg_cryptohash_init(hash) == 0;

	for (size_t at = 0; ok && at < image->map.size && !interrupt_pending(NULL); at += step)
		ok = pg_cryptohash_update(hash, image->map.data + at, Min(step, image->map.size - at)) == 0;
	ok = ok && pg_cryptohash_final(hash, found, sizeof found) == 0;
	if (hash)
		pg_cryptohash_free(hash);
	CHECK_FOR_INTERRUPTS();
	if (!ok)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compute SHA-256")));
	digest_to_hex(found, hex);
	ok = memcmp(found, digest, IMAGE_DIGEST_BYTES) == 0;
	put_check(
		fcinfo, "digest", ok,
		psprintf(ok ? "SHA-256 of the image is %s" : "SHA-256 of the image is %s, not its name",
				 hex));
	return ok;
}

/* What the checksums do not show: that this machine computes what the importing one did. */
static void
check_golden(FunctionCallInfo fcinfo, ModelHandle *handle)
{
	Request		 *request = request_begin(handle, REQUEST_VERIFY, sizeof(VerifyPayload));
	VerifyPayload answer;

	request_submit(request);
	request_wait(request);
	answer = *(VerifyPayload *) request_payload(request);
	request_end(request);
	put_check(
		fcinfo, "golden", answer.n_values > 0 && answer.deviation <= answer.tolerance,
		psprintf("%d numbers computed at import and again now, largest deviation %g, allowed %g%s",
				 answer.n_values, answer.deviation, answer.tolerance,
				 answer.tolerance > 0 ? " with OpenBLAS" : ""));
}

PG_FUNCTION_INFO_V1(infer_verify_model);
Datum
infer_verify_model(PG_FUNCTION_ARGS)
{
	const InferModel *model;
	ModelHandle		 *handle;
	Image			  image;
	Error			  error;
	volatile bool	  intact = false;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	model = PG_GETARG_INFER_MODEL(0);
	check_model_usage(model);
	/* the file as it is now, not as this backend may have mapped it long ago */
	if (!image_open(&image, image_path(model->digest), &error))
	{
		put_check(fcinfo, "image", false, error.message);
		return (Datum) 0;
	}
	PG_TRY();
	{
		intact = image_verify(&image, interrupt_pending, NULL, &error);
		CHECK_FOR_INTERRUPTS();
		put_check(fcinfo, "image", intact,
				  intact ? psprintf("checksums of %d sections hold", image.n_sections)
						 : error.message);
		intact = check_digest(fcinfo, &image, model->digest) && intact;
	}
	PG_FINALLY();
	{
		image_close(&image);
	}
	PG_END_TRY();
	if (!intact)
		return (Datum) 0;
	handle = model_handle(model);
	if (handle->has_weights)
		check_golden(fcinfo, handle);
	return (Datum) 0;
}

/* ---- view infer.models ---- */

#define MODELS_COLUMNS 17
#define IMAGE_COLUMNS 10

/* Columns that the image has: values and nulls from family on. */
static void
image_columns(const Image *image, Datum *values, bool *nulls)
{
	static const char *const texts[] = {"family", "architecture", "precision", "pooling",
										"truncate"};
	static const char *const numbers[] = {"parameters", "hidden_size", "max_length"};
	const ConfigParam		*param;

	for (int i = 0; i < lengthof(texts); i++)
	{
		param = params_find(&image->model, texts[i]);
		nulls[i] = param == NULL || param->type != PARAM_STRING;
		if (!nulls[i])
			values[i] = CStringGetTextDatum(param->string);
	}
	for (int i = 0; i < lengthof(numbers); i++)
	{
		int column = lengthof(texts) + i;

		param = params_find(&image->model, numbers[i]);
		nulls[column] = param == NULL || param->type != PARAM_INT;
		if (!nulls[column])
			values[column] = Int64GetDatum(param->integer);
	}
	param = params_find(&image->model, "normalize");
	nulls[8] = param == NULL || param->type != PARAM_BOOL;
	if (!nulls[8])
		values[8] = BoolGetDatum(param->integer != 0);
	nulls[9] = false;
	values[9] = Int64GetDatum(image->map.size);
}

static Datum
hex_datum(const uint8 *digest)
{
	char hex[DIGEST_HEX + 1];

	digest_to_hex(digest, hex);
	return CStringGetTextDatum(hex);
}

static Datum
previous_datum(const ModelServer *server)
{
	Datum *previous = palloc(sizeof(Datum) * Max(server->n_previous, 1));

	for (int i = 0; i < server->n_previous; i++)
		previous[i] = hex_datum(server->previous + (size_t) i * IMAGE_DIGEST_BYTES);
	return PointerGetDatum(
		construct_array(previous, server->n_previous, TEXTOID, -1, false, TYPALIGN_INT));
}

static Datum
option_datum(const ModelServer *server, const char *name, bool *null)
{
	const char *value = model_server_option(server, name);

	*null = value == NULL;
	return value ? CStringGetTextDatum(value) : (Datum) 0;
}

PG_FUNCTION_INFO_V1(infer_list_models);
Datum
infer_list_models(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell	  *cell;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	foreach(cell, model_servers())
	{
		ModelServer *server = lfirst(cell);
		Datum		 values[MODELS_COLUMNS];
		bool		 nulls[MODELS_COLUMNS] = {false};
		const char	*state = "stored";
		Image		 image;
		Error		 error;

		CHECK_FOR_INTERRUPTS();
		values[0] = CStringGetTextDatum(server->name);
		values[1] = hex_datum(server->digest);
		values[2] = previous_datum(server);
		if (image_open(&image, image_path(server->digest), &error))
		{
			image_columns(&image, values + 3, nulls + 3);
			image_close(&image);
		}
		else
		{
			state = error.code == ERR_NOT_FOUND ? "missing" : "damaged";
			memset(nulls + 3, true, IMAGE_COLUMNS);
		}
		values[13] = CStringGetTextDatum(state);
		values[14] = ObjectIdGetDatum(server->owner);
		values[15] = option_datum(server, "description", &nulls[15]);
		values[16] = option_datum(server, "path", &nulls[16]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
