/*
 * catalog.c: a model is a foreign server of the wrapper pg_infer; its digests and options are the server's.
 *
 * That gives models an owner, privileges, comments, dependencies and a place in pg_dump.  Option "digest" is
 * the image in use, "previous" those that update_model has replaced.  Who may use a model is remembered per
 * backend until pg_foreign_server, its wrapper or the roles change.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/reloptions.h"
#include "access/table.h"
#include "access/htup_details.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_server.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "pg/compat.h"
#include "pg/pg_infer.h"

/* ---- options ---- */

typedef enum OptionKind
{
	OPTION_TEXT,
	OPTION_BOOL,
	OPTION_COUNT,  /* an integer above 0 */
	OPTION_CHOICE, /* one of the words in choices */
	OPTION_JSON,   /* an array or object */
	OPTION_DIGESTS /* hexadecimal digests with commas between */
} OptionKind;

typedef struct OptionSpec
{
	const char *name;
	OptionKind	kind;
	bool		given;	  /* in create_model's options; the others are the server's own */
	bool		imported; /* the importer is told */
	const char *choices;
} OptionSpec;

static const OptionSpec option_specs[] = {
	{"digest", OPTION_DIGESTS, false, false, NULL},
	{"previous", OPTION_DIGESTS, false, false, NULL},
	{"path", OPTION_TEXT, false, false, NULL},
	{"precision", OPTION_CHOICE, true, true, "fp32, bf16, int8"},
	{"architecture", OPTION_TEXT, true, true, NULL},
	{"max_length", OPTION_COUNT, true, true, NULL},
	{"truncate", OPTION_CHOICE, true, true, "error, end, start"},
	{"pooling", OPTION_CHOICE, true, true, "mean, cls, max, last, pooler"},
	{"normalize", OPTION_BOOL, true, true, NULL},
	{"prompts", OPTION_JSON, true, true, NULL},
	{"labels", OPTION_JSON, true, true, NULL},
	{"preload", OPTION_BOOL, true, false, NULL},
	{"description", OPTION_TEXT, true, true, NULL},
	{"use_fast", OPTION_BOOL, true, true, NULL},
	{"config", OPTION_JSON, true, true, NULL},
	{"forward_ema", OPTION_BOOL, true, true, NULL},
};

static const OptionSpec *
find_option(const char *name, bool given)
{
	StringInfoData valid;

	for (int i = 0; i < lengthof(option_specs); i++)
		if (strcmp(option_specs[i].name, name) == 0 && (option_specs[i].given || !given))
			return &option_specs[i];
	initStringInfo(&valid);
	for (int i = 0; i < lengthof(option_specs); i++)
		if (option_specs[i].given || !given)
			appendStringInfo(&valid, "%s%s", valid.len ? ", " : "", option_specs[i].name);
	ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME), errmsg("invalid option \"%s\"", name),
					errhint("Valid options of a model are: %s.", valid.data)));
}

/* The number of digests in a list with commas, or -1; they are stored where out is not NULL. */
static int
parse_digests(const char *value, uint8 *out)
{
	int n = 0;

	for (;;)
	{
		size_t length = strcspn(value, ",");
		char   hex[DIGEST_HEX + 1];
		uint8  digest[IMAGE_DIGEST_BYTES];

		if (length != DIGEST_HEX)
			return -1;
		memcpy(hex, value, DIGEST_HEX);
		hex[DIGEST_HEX] = '\0';
		if (!digest_from_hex(hex, digest))
			return -1;
		if (out)
			memcpy(out + (size_t) n * IMAGE_DIGEST_BYTES, digest, IMAGE_DIGEST_BYTES);
		n++;
		if (value[length] == '\0')
			return n;
		value += length + 1;
	}
}

static bool
is_choice(const char *choices, const char *value)
{
	size_t length = strlen(value);

	for (const char *at = choices; length > 0 && (at = strstr(at, value)); at += length)
		if ((at == choices || at[-1] == ' ') && (at[length] == ',' || at[length] == '\0'))
			return true;
	return false;
}

static void
check_option(const OptionSpec *spec, const char *value)
{
	const char *expected = NULL;
	bool		flag;

	switch (spec->kind)
	{
		case OPTION_TEXT:
			break;
		case OPTION_BOOL:
			if (!parse_bool(value, &flag))
				expected = "A boolean is expected.";
			break;
		case OPTION_COUNT:
			if (strlen(value) > 9 || strspn(value, "0123456789") != strlen(value) ||
				atoi(value) < 1)
				expected = "An integer above 0 is expected.";
			break;
		case OPTION_CHOICE:
			if (!is_choice(spec->choices, value))
				expected = psprintf("Valid values are: %s.", spec->choices);
			break;
		case OPTION_JSON:
		{
			Jsonb *json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(value)));

			if (JB_ROOT_IS_SCALAR(json))
				expected = "A JSON array or object is expected.";
			break;
		}
		case OPTION_DIGESTS:
		{
			int n = parse_digests(value, NULL);

			if (n < 0 || (n > 1 && strcmp(spec->name, "digest") == 0))
				expected = "SHA-256 digests of images, 64 hexadecimal digits each, are expected.";
			break;
		}
	}
	if (expected)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid value for option \"%s\": \"%s\"", spec->name, value),
						errdetail_internal("%s", expected)));
}

/* The validator of the foreign-data wrapper. */
PG_FUNCTION_INFO_V1(infer_validate_options);
Datum
infer_validate_options(PG_FUNCTION_ARGS)
{
	List	 *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid		  catalog = PG_GETARG_OID(1);
	bool	  has_digest = false;
	ListCell *cell;

	if (catalog == ForeignServerRelationId)
	{
		foreach(cell, options)
		{
			DefElem *option = lfirst(cell);

			check_option(find_option(option->defname, false), defGetString(option));
			has_digest = has_digest || strcmp(option->defname, "digest") == 0;
		}
		if (!has_digest)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
					 errmsg("a server of foreign-data wrapper \"%s\" needs option \"digest\"",
							INFER_FDW),
					 errhint("Models are created with infer.create_model.")));
	}
	else if (catalog != ForeignDataWrapperRelationId)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("models have no foreign tables and no user mappings")));
	else if (options != NIL)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
						errmsg("foreign-data wrapper \"%s\" has no options", INFER_FDW)));
	PG_RETURN_VOID();
}

/* The text of a JSON value as an option has it; NULL for null. */
static char *
option_text(const OptionSpec *spec, JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return NULL;
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		case jbvNumeric:
			return DatumGetCString(
				DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
		case jbvBinary:
			if (spec->kind == OPTION_JSON)
				return JsonbToCString(NULL, value->val.binary.data, value->val.binary.len);
			break;
		default:
			break;
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("option \"%s\" must not be a JSON array or object", spec->name)));
}

List *
model_options_from_jsonb(Datum json)
{
	Jsonb			  *options = DatumGetJsonbP(json);
	List			  *result = NIL;
	JsonbIterator	  *iterator = JsonbIteratorInit(&options->root);
	JsonbIteratorToken token;
	JsonbValue		   item;

	if (!JB_ROOT_IS_OBJECT(options))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the options of a model must be a JSON object")));
	JsonbIteratorNext(&iterator, &item, false);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) == WJB_KEY)
	{
		char			 *name = pnstrdup(item.val.string.val, item.val.string.len);
		const OptionSpec *spec = find_option(name, true);
		char			 *value;

		JsonbIteratorNext(&iterator, &item, true);
		value = option_text(spec, &item);
		if (value)
			check_option(spec, value);
		result = lappend(result, makeDefElem(name, value ? (Node *) makeString(value) : NULL, -1));
	}
	return result;
}

char *
model_option_json(const DefElem *option)
{
	const OptionSpec *spec = find_option(option->defname, false);
	const char		 *value = option->arg ? defGetString((DefElem *) option) : NULL;
	StringInfoData	  json;
	bool			  flag;

	if (!spec->imported || value == NULL)
		return NULL;
	switch (spec->kind)
	{
		case OPTION_BOOL:
			(void) parse_bool(value, &flag);
			return pstrdup(flag ? "true" : "false");
		case OPTION_COUNT:
		case OPTION_JSON:
			return pstrdup(value);
		default:
			initStringInfo(&json);
			escape_json(&json, value);
			return json.data;
	}
}

/* ---- servers ---- */

const char *
model_server_option(const ModelServer *server, const char *name)
{
	ListCell *cell;

	foreach(cell, server->options)
	{
		DefElem *option = lfirst(cell);

		if (strcmp(option->defname, name) == 0)
			return defGetString(option);
	}
	return NULL;
}

static ModelServer *
read_server(ForeignServer *foreign)
{
	ModelServer *server = palloc0(sizeof(ModelServer));
	const char	*digest, *previous, *preload;

	server->serverid = foreign->serverid;
	server->owner = foreign->owner;
	server->name = foreign->servername;
	server->options = foreign->options;
	digest = model_server_option(server, "digest");
	previous = model_server_option(server, "previous");
	preload = model_server_option(server, "preload");
	if (digest == NULL || parse_digests(digest, NULL) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("foreign server \"%s\" has no valid option \"digest\"", server->name)));
	parse_digests(digest, server->digest);
	if (previous && (server->n_previous = parse_digests(previous, NULL)) > 0)
	{
		server->previous = palloc((size_t) server->n_previous * IMAGE_DIGEST_BYTES);
		parse_digests(previous, server->previous);
	}
	else
		server->n_previous = 0;
	if (preload)
		(void) parse_bool(preload, &server->preload);
	return server;
}

ModelServer *
model_server(const char *name, bool missing_ok)
{
	Oid			   fdw = get_foreign_data_wrapper_oid(INFER_FDW, true);
	ForeignServer *foreign = GetForeignServerByName(name, true);

	if (foreign && foreign->fdwid == fdw)
		return read_server(foreign);
	if (!missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("model \"%s\" does not exist", name),
				 errhint("View infer.models lists the models of this database; "
						 "infer.create_model makes one.")));
	return NULL;
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(((ModelServer *) lfirst(a))->name, ((ModelServer *) lfirst(b))->name);
}

List *
model_servers(void)
{
	Oid			fdw = get_foreign_data_wrapper_oid(INFER_FDW, true);
	List	   *servers = NIL;
	Relation	relation;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!OidIsValid(fdw))
		return NIL;
	relation = table_open(ForeignServerRelationId, AccessShareLock);
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_foreign_server form = (Form_pg_foreign_server) GETSTRUCT(tuple);

		if (form->srvfdw == fdw)
			servers = lappend(servers, read_server(GetForeignServer(form->oid)));
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	list_sort(servers, compare_names);
	return servers;
}

static const uint8 *
previous_digest(const ModelServer *server, int index)
{
	return server->previous + (size_t) index * IMAGE_DIGEST_BYTES;
}

bool
model_server_knows(const ModelServer *server, const uint8 *digest)
{
	if (memcmp(server->digest, digest, IMAGE_DIGEST_BYTES) == 0)
		return true;
	for (int i = 0; i < server->n_previous; i++)
		if (memcmp(previous_digest(server, i), digest, IMAGE_DIGEST_BYTES) == 0)
			return true;
	return false;
}

/* The server's one digest with this prefix, or NULL.  Two of them are an ERROR. */
static const uint8 *
digest_by_prefix(const ModelServer *server, const char *prefix)
{
	const uint8 *found = digest_has_prefix(server->digest, prefix) ? server->digest : NULL;

	for (int i = 0; i < server->n_previous; i++)
	{
		if (!digest_has_prefix(previous_digest(server, i), prefix))
			continue;
		if (found)
			ereport(ERROR, (errcode(ERRCODE_AMBIGUOUS_PARAMETER),
							errmsg("model \"%s\" has several digests that begin with %s",
								   server->name, prefix),
							errhint("Give more digits of the digest.")));
		found = previous_digest(server, i);
	}
	return found;
}

static void digest_unknown(const ModelServer *server, const char *digits) __attribute__((noreturn));

static void
digest_unknown(const ModelServer *server, const char *digits)
{
	StringInfoData known;
	char		   hex[DIGEST_HEX + 1];

	initStringInfo(&known);
	digest_to_hex(server->digest, hex);
	appendStringInfoString(&known, hex);
	for (int i = 0; i < server->n_previous; i++)
	{
		digest_to_hex(previous_digest(server, i), hex);
		appendStringInfo(&known, ", %s", hex);
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" has no digest %s", server->name, digits),
			 errdetail("Known digests: %s.", known.data),
			 errhint("infer.update_model and infer.prune_model change what a model's name stands "
					 "for; what was made for other weights has to be made anew.")));
}

/* A model that knows a digest, the whole of it or its first digits; NULL when there is none. */
static ModelServer *
server_by_digest(const uint8 *digest, const char *prefix)
{
	ListCell *cell;

	foreach(cell, model_servers())
	{
		ModelServer *server = lfirst(cell);

		if (digest ? model_server_knows(server, digest) : digest_by_prefix(server, prefix) != NULL)
			return server;
	}
	return NULL;
}

InferModel *
model_resolve(const char *name, const char *prefix, bool missing_ok)
{
	ModelServer *server = model_server(name, prefix != NULL);
	const uint8 *digest;

	if (prefix == NULL)
		return infer_model_make(name, server->digest);
	if (server == NULL && (server = server_by_digest(NULL, prefix)) == NULL)
	{
		if (missing_ok)
			return NULL;
		(void) model_server(name, false);
	}
	digest = digest_by_prefix(server, prefix);
	if (digest == NULL)
		digest_unknown(server, prefix);
	return infer_model_make(server->name, digest);
}

ModelServer *
model_server_of(const char *name, const uint8 *digest)
{
	ModelServer *server = model_server(name, true);

	if (server == NULL && (server = server_by_digest(digest, NULL)) == NULL)
		(void) model_server(name, false);
	return server;
}

/* ---- who may use a model ---- */

typedef struct Usage
{
	uint8 digest[IMAGE_DIGEST_BYTES];
	char  name[NAMEDATALEN];
	Oid	  role;
} Usage;

#define MOST_USAGES 1000

static HTAB *usages; /* those that were allowed; NULL: none known */
static bool	 usages_outdated;

static void
forget_usages(Datum arg, int cache, uint32 hash)
{
	usages_outdated = true;
}

static void
find_usage(const Usage *usage)
{
	ModelServer *server = model_server_of(usage->name, usage->digest);
	AclResult	 allowed;

	allowed = compat_server_aclcheck(server->serverid, usage->role, ACL_USAGE);
	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, OBJECT_FOREIGN_SERVER, server->name);
	if (!model_server_knows(server, usage->digest))
	{
		char hex[DIGEST_HEX + 1];

		digest_to_hex(usage->digest, hex);
		digest_unknown(server, hex);
	}
}

void
check_model_usage(const InferModel *model)
{
	size_t	length = VARSIZE(model) - offsetof(InferModel, name);
	Usage	usage = {0};
	HASHCTL control = {.keysize = sizeof(Usage), .entrysize = sizeof(Usage)};

	memcpy(usage.digest, model->digest, IMAGE_DIGEST_BYTES);
	memcpy(usage.name, model->name, Min(length, NAMEDATALEN - 1));
	usage.role = GetUserId();
	if (usages && (usages_outdated || hash_get_num_entries(usages) >= MOST_USAGES))
	{
		hash_destroy(usages);
		usages = NULL;
	}
	if (usages && hash_search(usages, &usage, HASH_FIND, NULL))
		return;
	usages_outdated = false;
	find_usage(&usage);
	if (usages == NULL)
		usages = hash_create("pg_infer model usage", 16, &control, HASH_ELEM | HASH_BLOBS);
	(void) hash_search(usages, &usage, HASH_ENTER, NULL);
}

void
check_model_owner(const ModelServer *server)
{
	if (!compat_server_ownercheck(server->serverid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_FOREIGN_SERVER, server->name);
}

/* ---- names and digests given by hand ---- */

static object_access_hook_type previous_object_access_hook;

/* A server as the command under way leaves it, which no other lookup sees yet; NULL: not one of ours. */
static ModelServer *
server_written(Oid serverid)
{
	Relation	  relation = table_open(ForeignServerRelationId, AccessShareLock);
	ForeignServer foreign = {.serverid = serverid};
	ModelServer	 *server = NULL;
	ScanKeyData	  key;
	SysScanDesc	  scan;
	HeapTuple	  tuple;

	ScanKeyInit(&key, Anum_pg_foreign_server_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(serverid));
	scan = systable_beginscan(relation, ForeignServerOidIndexId, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple) && ((Form_pg_foreign_server) GETSTRUCT(tuple))->srvfdw ==
									   get_foreign_data_wrapper_oid(INFER_FDW, true))
	{
		bool  null;
		Datum options = heap_getattr(tuple, Anum_pg_foreign_server_srvoptions,
									 RelationGetDescr(relation), &null);

		foreign.servername = pstrdup(NameStr(((Form_pg_foreign_server) GETSTRUCT(tuple))->srvname));
		foreign.options = null ? NIL : untransformRelOptions(options);
		server = read_server(&foreign);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return server;
}

/* Whether the current user may already use the weights of a digest, under whatever name. */
static bool
may_use_digest(const uint8 *digest)
{
	ListCell *cell;

	foreach(cell, model_servers())
	{
		ModelServer *server = lfirst(cell);

		if (model_server_knows(server, digest) &&
			compat_server_aclcheck(server->serverid, GetUserId(), ACL_USAGE) == ACLCHECK_OK)
			return true;
	}
	return false;
}

static void
check_digest_given(const ModelServer *before, const ModelServer *after, const uint8 *digest)
{
	if ((before && model_server_knows(before, digest)) || store_adopted(digest) ||
		may_use_digest(digest))
		return;
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("permission denied to give model \"%s\" a digest", after->name),
					errdetail("Only roles with privileges of pg_read_server_files may name weights "
							  "that they have neither imported nor may use."),
					errhint("Use infer.create_model or infer.update_model.")));
}

/* CREATE and ALTER SERVER: a model's name must be one that its literals can have; and digests are no secret, so
 * these must not be a way to weights that are not granted. */
static void
guard_servers(ObjectAccessType access, Oid class, Oid object, int sub, void *argument)
{
	ModelServer	  *after, *before;
	ForeignServer *existing;

	if (previous_object_access_hook)
		previous_object_access_hook(access, class, object, sub, argument);
	if (class != ForeignServerRelationId || (access != OAT_POST_CREATE && access != OAT_POST_ALTER))
		return;
	if ((after = server_written(object)) == NULL)
		return;
	check_model_name(after->name, ERRCODE_INVALID_NAME);
	if (has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		return;
	existing = GetForeignServerExtended(object, FSV_MISSING_OK);
	before = existing ? read_server(existing) : NULL;
	check_digest_given(before, after, after->digest);
	for (int i = 0; i < after->n_previous; i++)
		check_digest_given(before, after, previous_digest(after, i));
}

void
catalog_init(void)
{
	static const int caches[] = {FOREIGNSERVEROID, FOREIGNDATAWRAPPEROID, AUTHOID, AUTHMEMROLEMEM};

	for (int i = 0; i < lengthof(caches); i++)
		CacheRegisterSyscacheCallback(caches[i], forget_usages, (Datum) 0);
	previous_object_access_hook = object_access_hook;
	object_access_hook = guard_servers;
}
