/*
 * store.c: $PGDATA/pg_infer, the images of this cluster and which models refer to them.
 *
 *	 <digest>.img		 an image
 *	 <digest>.<dboid>	 its reference from a database: a line "<model>\t<flags>" for each model; flag: preload
 *	 <digest>.new		 the image was made by a transaction that has not ended
 *	 tmp.<pid>.<n>		 a file being written
 *
 * References follow pg_foreign_server: a transaction that touched a server, through our functions or by hand, compares
 * both before it commits.  New references are written then (and taken back if it aborts all the same), obsolete
 * ones removed after the commit.  An image goes with its last reference, or with the transaction that made it.
 * A crash can leave a reference too many, never one too few.
 *
 * Locks are advisory ones with a number of their own, held to the end of the transaction: first of each digest
 * whose image or reference comes or goes, then of the database's references.
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_database.h"
#include "catalog/pg_foreign_server.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "common/file_perm.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "tcop/utility.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "pg/pg_infer.h"

#define STORE_DIRECTORY "pg_infer"
#define STORE_LOCK 0x7069 /* fourth field of our advisory lock tags; SQL's have 1 and 2 */
#define MOST_REFERENCE_BYTES (1024 * 1024)

typedef uint8 Digest[IMAGE_DIGEST_BYTES];

/* Which models of a database refer to an image. */
typedef struct Reference
{
	Digest digest;
	Oid	   database;
	char  *content;	 /* as it is to be; NULL: no reference */
	char  *existing; /* as it was; NULL: there was none */
} Reference;

typedef struct Adopted
{
	Digest digest;
	bool   fresh; /* the image was made by this transaction */
} Adopted;

/* What the transaction under way has done; in TopTransactionContext. */
static bool	 servers_touched;
static List *adopted;			/* of Adopted * */
static List *changes;			/* of Reference *: known at pre-commit */
static List *temporaries;		/* of char * */
static List *dropped_databases; /* of Oid */
static List *locked;			/* of uint8 *: digests */
static int	 n_temporaries;		/* of this backend, ever */

static object_access_hook_type	previous_object_access_hook;
static ProcessUtility_hook_type previous_utility_hook;
static shmem_startup_hook_type	previous_startup_hook;

/* ---- names ---- */

typedef enum EntryKind
{
	ENTRY_OTHER,
	ENTRY_IMAGE,
	ENTRY_NEW,
	ENTRY_REFERENCE,
	ENTRY_TEMPORARY
} EntryKind;

static char *
entry_path(const uint8 *digest, const char *suffix)
{
	char hex[DIGEST_HEX + 1];

	digest_to_hex(digest, hex);
	return psprintf("%s/%s.%s", STORE_DIRECTORY, hex, suffix);
}

static char *
reference_path(const uint8 *digest, Oid database)
{
	char suffix[16];

	snprintf(suffix, sizeof suffix, "%u", database);
	return entry_path(digest, suffix);
}

char *
image_path(const uint8 *digest)
{
	return entry_path(digest, "img");
}

/* What a file of the directory is; digest and database are set where it has them. */
static EntryKind
parse_entry(const char *name, uint8 *digest, Oid *database)
{
	char		hex[DIGEST_HEX + 1];
	const char *suffix;
	char	   *end;

	if (strncmp(name, "tmp.", 4) == 0)
		return ENTRY_TEMPORARY;
	if (strlen(name) < DIGEST_HEX + 2 || name[DIGEST_HEX] != '.')
		return ENTRY_OTHER;
	memcpy(hex, name, DIGEST_HEX);
	hex[DIGEST_HEX] = '\0';
	if (!digest_from_hex(hex, digest))
		return ENTRY_OTHER;
	suffix = name + DIGEST_HEX + 1;
	if (strcmp(suffix, "img") == 0)
		return ENTRY_IMAGE;
	if (strcmp(suffix, "new") == 0)
		return ENTRY_NEW;
	if (*suffix < '0' || *suffix > '9')
		return ENTRY_OTHER;
	*database = strtoul(suffix, &end, 10);
	return *end == '\0' ? ENTRY_REFERENCE : ENTRY_OTHER;
}

/* Calls function for every entry.  Throws nothing of its own: it runs after commits and aborts too.  False when the
 * directory could not be read to its end: then nothing follows from an entry that was not seen. */
static bool
each_entry(void (*function)(EntryKind kind, const char *name, const uint8 *digest, Oid database,
							void *argument),
		   void *argument)
{
	DIR			  *directory = opendir(STORE_DIRECTORY);
	struct dirent *entry;
	bool		   complete;

	if (directory == NULL)
	{
		if (errno == ENOENT)
			return true;
		ereport(LOG, (errcode_for_file_access(),
					  errmsg("could not open directory \"%s\": %m", STORE_DIRECTORY)));
		return false;
	}
	while (errno = 0, (entry = readdir(directory)) != NULL)
	{
		Digest	  digest;
		Oid		  database = InvalidOid;
		EntryKind kind = parse_entry(entry->d_name, digest, &database);

		if (kind != ENTRY_OTHER)
			function(kind, entry->d_name, digest, database, argument);
	}
	complete = errno == 0;
	if (!complete)
		ereport(LOG, (errcode_for_file_access(),
					  errmsg("could not read directory \"%s\": %m", STORE_DIRECTORY)));
	closedir(directory);
	return complete;
}

/* As each_entry, for what would go wrong without one of the entries. */
static void
every_entry(void (*function)(EntryKind kind, const char *name, const uint8 *digest, Oid database,
							 void *argument),
			void *argument)
{
	if (!each_entry(function, argument))
		ereport(ERROR, (errcode(ERRCODE_IO_ERROR),
						errmsg("could not read directory \"%s\"", STORE_DIRECTORY),
						errhint("The server log tells more.")));
}

/* Removes a file, which may be gone already. */
static void
remove_file(const char *path)
{
	if (unlink(path) != 0 && errno != ENOENT)
		ereport(WARNING,
				(errcode_for_file_access(), errmsg("could not remove file \"%s\": %m", path)));
}

static void
make_directory(void)
{
	if (MakePGDirectory(STORE_DIRECTORY) == 0)
		fsync_fname(DataDir, true);
	else if (errno != EEXIST)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not create directory \"%s\": %m", STORE_DIRECTORY)));
}

char *
store_temporary(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	char		 *path = psprintf("%s/tmp.%d.%d", STORE_DIRECTORY, MyProcPid, n_temporaries++);

	make_directory();
	temporaries = lappend(temporaries, path);
	MemoryContextSwitchTo(old);
	return pstrdup(path);
}

/* Removes a file of the directory that bears a temporary's name, alone or as the first part. */
static void
clean_temporary(EntryKind kind, const char *name, const uint8 *digest, Oid database, void *argument)
{
	const char *base = strrchr(argument, '/') + 1;
	size_t		length = strlen(base);
	char		path[MAXPGPATH];

	if (kind != ENTRY_TEMPORARY || strncmp(name, base, length) != 0 ||
		(name[length] != '\0' && name[length] != '.'))
		return;
	snprintf(path, sizeof path, "%s/%s", STORE_DIRECTORY, name);
	remove_file(path);
}

void
store_remove_temporary(const char *path)
{
	(void) each_entry(clean_temporary, (void *) path);
}

/* ---- locks ---- */

/* Until the end of the top transaction, whatever becomes of the one we are in. */
static void
lock_until_end(LOCKTAG *tag)
{
	ResourceOwner owner = CurrentResourceOwner;

	CurrentResourceOwner = TopTransactionResourceOwner;
	PG_TRY();
	{
		(void) LockAcquire(tag, ExclusiveLock, false, false);
	}
	PG_FINALLY();
	{
		CurrentResourceOwner = owner;
	}
	PG_END_TRY();
	AcceptInvalidationMessages();
}

static void
lock_database(void)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, 0, STORE_LOCK);
	lock_until_end(&tag);
}

static void
lock_digest(const uint8 *digest)
{
	LOCKTAG		  tag;
	uint32		  high, low;
	ListCell	 *cell;
	MemoryContext old;

	foreach(cell, locked) if (memcmp(lfirst(cell), digest, IMAGE_DIGEST_BYTES) == 0) return;
	memcpy(&high, digest, sizeof high);
	memcpy(&low, digest + sizeof high, sizeof low);
	SET_LOCKTAG_ADVISORY(tag, InvalidOid, high, low, STORE_LOCK);
	lock_until_end(&tag);
	old = MemoryContextSwitchTo(TopTransactionContext);
	locked = lappend(locked, memcpy(palloc(IMAGE_DIGEST_BYTES), digest, IMAGE_DIGEST_BYTES));
	MemoryContextSwitchTo(old);
}

/* ---- images ---- */

/* Whether an image is there and undamaged. */
static bool
image_intact(const uint8 *digest)
{
	Image image;
	Error error;
	bool  intact;
	char *path = image_path(digest);

	if (!image_open(&image, path, &error))
		return false;
	intact = image_verify(&image, interrupt_pending, NULL, &error);
	image_close(&image);
	CHECK_FOR_INTERRUPTS();
	return intact;
}

static void
create_marker(const uint8 *digest)
{
	char *path = entry_path(digest, "new");
	int	  fd = OpenTransientFile(path, O_CREAT | O_WRONLY | PG_BINARY);

	if (fd < 0 || pg_fsync(fd) != 0 || CloseTransientFile(fd) != 0)
		ereport(ERROR,
				(errcode_for_file_access(), errmsg("could not create file \"%s\": %m", path)));
	fsync_fname(STORE_DIRECTORY, true);
}

bool
store_adopted(const uint8 *digest)
{
	ListCell *cell;

	foreach(cell, adopted) if (memcmp(((Adopted *) lfirst(cell))->digest, digest,
									  IMAGE_DIGEST_BYTES) == 0) return true;
	return false;
}

void
store_adopt(const char *temporary, const uint8 *digest)
{
	MemoryContext old;
	Adopted		 *image;

	lock_digest(digest);
	if (store_adopted(digest))
		return remove_file(temporary);

	old = MemoryContextSwitchTo(TopTransactionContext);
	image = palloc0(sizeof(Adopted));
	memcpy(image->digest, digest, IMAGE_DIGEST_BYTES);
	image->fresh = access(image_path(digest), F_OK) != 0;
	adopted = lappend(adopted, image);
	MemoryContextSwitchTo(old);

	if (image->fresh)
		create_marker(digest);
	else if (image_intact(digest))
		return remove_file(temporary);
	if (chmod(temporary, pg_file_create_mode) != 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not set permissions of file \"%s\": %m", temporary)));
	durable_rename(temporary, image_path(digest), ERROR);
	if (!image->fresh)
		registry_replaced(digest);
}

typedef struct FindReference
{
	const uint8 *digest;
	bool		 found;
} FindReference;

static void
find_reference(EntryKind kind, const char *name, const uint8 *digest, Oid database, void *argument)
{
	FindReference *find = argument;

	if (kind == ENTRY_REFERENCE && memcmp(digest, find->digest, IMAGE_DIGEST_BYTES) == 0)
		find->found = true;
}

/* Removes an image unless somebody refers to it.  Its lock is held. */
static void
remove_unreferenced(const uint8 *digest)
{
	FindReference find = {.digest = digest};

	if (!each_entry(find_reference, &find) || find.found)
		return;
	remove_file(image_path(digest));
	registry_removed(digest);
}

/* ---- references as pg_foreign_server has them, and as the directory has them ---- */

typedef struct References
{
	Oid	  database;
	List *items; /* of Reference * */
} References;

static Reference *
reference_of(References *references, const uint8 *digest)
{
	ListCell  *cell;
	Reference *reference;

	foreach(cell, references->items)
	{
		reference = lfirst(cell);
		if (memcmp(reference->digest, digest, IMAGE_DIGEST_BYTES) == 0)
			return reference;
	}
	reference = palloc0(sizeof(Reference));
	memcpy(reference->digest, digest, IMAGE_DIGEST_BYTES);
	reference->database = references->database;
	references->items = lappend(references->items, reference);
	return reference;
}

static void
add_line(References *references, const uint8 *digest, const char *model, bool preload)
{
	Reference *reference = reference_of(references, digest);

	reference->content = psprintf("%s%s\t%s\n", reference->content ? reference->content : "", model,
								  preload ? "preload" : "");
}

/* The whole of a small file, or NULL when there is none. */
static char *
read_small_file(const char *path)
{
	int			fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	struct stat status;
	char	   *content;
	ssize_t		n;

	if (fd < 0)
	{
		if (errno == ENOENT)
			return NULL;
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not open file \"%s\": %m", path)));
	}
	if (fstat(fd, &status) != 0 || status.st_size > MOST_REFERENCE_BYTES)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("file \"%s\" is damaged", path)));
	content = palloc0(status.st_size + 1);
	n = read(fd, content, status.st_size);
	if (n != status.st_size)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not read file \"%s\": %m", path)));
	CloseTransientFile(fd);
	return content;
}

static int
compare_digests(const ListCell *a, const ListCell *b)
{
	return memcmp(((Reference *) lfirst(a))->digest, ((Reference *) lfirst(b))->digest,
				  IMAGE_DIGEST_BYTES);
}

static void
add_existing(EntryKind kind, const char *name, const uint8 *digest, Oid database, void *argument)
{
	References *references = argument;

	if (kind == ENTRY_REFERENCE && database == references->database)
		(void) reference_of(references, digest);
}

/* Every reference of a database that is, and of this one those that are to be. */
static List *
collect_references(Oid database)
{
	References references = {.database = database};
	ListCell  *cell;

	if (database == MyDatabaseId)
		foreach(cell, model_servers())
		{
			ModelServer *server = lfirst(cell);

			add_line(&references, server->digest, server->name, server->preload);
			for (int i = 0; i < server->n_previous; i++)
				add_line(&references, server->previous + (size_t) i * IMAGE_DIGEST_BYTES,
						 server->name, false);
		}
	every_entry(add_existing, &references);
	foreach(cell, references.items)
	{
		Reference *reference = lfirst(cell);

		reference->existing = read_small_file(reference_path(reference->digest, database));
	}
	list_sort(references.items, compare_digests);
	return references.items;
}

/* Locks the digests of references that come or go, which are sorted. */
static void
lock_changes(List *references)
{
	ListCell *cell;

	foreach(cell, references)
	{
		Reference *reference = lfirst(cell);

		if ((reference->content == NULL) != (reference->existing == NULL))
			lock_digest(reference->digest);
	}
}

/* Puts content into a file by way of a temporary one. */
static void
write_small_file(const char *path, const char *content)
{
	char  *temporary = store_temporary();
	int	   fd = OpenTransientFile(temporary, O_CREAT | O_EXCL | O_WRONLY | PG_BINARY);
	size_t length = strlen(content);

	errno = 0;
	if (fd < 0 || write(fd, content, length) != length || CloseTransientFile(fd) != 0)
	{
		if (errno == 0)
			errno = ENOSPC;
		ereport(ERROR,
				(errcode_for_file_access(), errmsg("could not write file \"%s\": %m", temporary)));
	}
	durable_rename(temporary, path, ERROR);
}

/* ---- the end of a transaction ---- */

static void
before_commit(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	List		 *references;
	ListCell	 *cell;

	if (servers_touched)
	{
		lock_changes(collect_references(MyDatabaseId));
		lock_database();
		references = collect_references(MyDatabaseId);
		lock_changes(references);
		foreach(cell, references)
		{
			Reference *reference = lfirst(cell);
			char	  *content = reference->content, *existing = reference->existing;

			if (content && existing && strcmp(content, existing) == 0)
				continue;
			changes = lappend(changes, reference);
			if (content)
			{
				make_directory();
				write_small_file(reference_path(reference->digest, MyDatabaseId), content);
			}
		}
	}
	foreach(cell, dropped_databases)
	{
		references = collect_references(lfirst_oid(cell));
		lock_changes(references);
		changes = list_concat(changes, references);
	}
	MemoryContextSwitchTo(old);
}

/* Images that this transaction has made and nobody refers to go again. */
static void
settle_adopted(void)
{
	ListCell *cell;

	foreach(cell, adopted)
	{
		Adopted *image = lfirst(cell);

		if (image->fresh)
		{
			remove_unreferenced(image->digest);
			remove_file(entry_path(image->digest, "new"));
		}
	}
}

static void
after_commit(void)
{
	ListCell *cell;

	foreach(cell, changes)
	{
		Reference *reference = lfirst(cell);

		if (reference->content == NULL)
		{
			remove_file(reference_path(reference->digest, reference->database));
			remove_unreferenced(reference->digest);
		}
	}
	settle_adopted();
}

/* Gives a reference the content that it had. */
static void
restore_reference(const Reference *reference)
{
	char  *path = reference_path(reference->digest, reference->database);
	size_t length = reference->existing ? strlen(reference->existing) : 0;
	char   temporary[MAXPGPATH];
	int	   fd;

	if (reference->content == NULL)
		return;
	if (reference->existing == NULL)
		return remove_file(path);
	snprintf(temporary, sizeof temporary, "%s/tmp.%d.%d", STORE_DIRECTORY, MyProcPid,
			 n_temporaries++);
	fd = open(temporary, O_CREAT | O_EXCL | O_WRONLY | PG_BINARY, pg_file_create_mode);
	if (fd < 0 || write(fd, reference->existing, length) != length || close(fd) != 0 ||
		rename(temporary, path) != 0)
		ereport(LOG,
				(errcode_for_file_access(), errmsg("could not restore file \"%s\": %m", path)));
}

static void
after_abort(void)
{
	ListCell *cell;

	foreach(cell, changes) restore_reference(lfirst(cell));
	settle_adopted();
}

static void
forget_transaction(void)
{
	ListCell *cell;

	foreach(cell, temporaries) store_remove_temporary(lfirst(cell));
	servers_touched = false;
	adopted = changes = temporaries = locked = dropped_databases = NIL;
}

static void
transaction_callback(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			before_commit();
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (servers_touched || adopted)
				ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
								errmsg("cannot PREPARE a transaction that has changed models")));
			break;
		case XACT_EVENT_COMMIT:
			after_commit();
			forget_transaction();
			break;
		case XACT_EVENT_ABORT:
			after_abort();
			forget_transaction();
			break;
		case XACT_EVENT_PREPARE: /* it has changed nothing, but a failed import may have left files */
			forget_transaction();
			break;
		default:
			break;
	}
}

/* ---- imports under way, which their temporary files tell of ---- */

typedef struct Progress
{
	int	  pid;
	int64 bytes;
} Progress;

static void
add_progress(EntryKind kind, const char *name, const uint8 *digest, Oid database, void *argument)
{
	List	  **imports = argument;
	Progress   *import = NULL;
	char		path[MAXPGPATH];
	struct stat status;
	ListCell   *cell;
	int			pid;

	snprintf(path, sizeof path, "%s/%s", STORE_DIRECTORY, name);
	if (kind != ENTRY_TEMPORARY || sscanf(name, "tmp.%d.", &pid) != 1 || stat(path, &status) != 0)
		return;
	foreach(cell, *imports) if (((Progress *) lfirst(cell))->pid == pid) import = lfirst(cell);
	if (import == NULL)
	{
		import = palloc0(sizeof(Progress));
		import->pid = pid;
		*imports = lappend(*imports, import);
	}
	import->bytes += status.st_size;
}

PG_FUNCTION_INFO_V1(infer_stat_get_imports);
Datum
infer_stat_get_imports(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	List		  *imports = NIL;
	ListCell	  *cell;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	every_entry(add_progress, &imports);
	foreach(cell, imports)
	{
		Progress *import = lfirst(cell);
		Datum	  values[] = {Int32GetDatum(import->pid), Int64GetDatum(import->bytes)};
		bool	  nulls[] = {false, false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* ---- hooks ---- */

static void
object_access(ObjectAccessType access, Oid class, Oid object, int sub, void *argument)
{
	if (previous_object_access_hook)
		previous_object_access_hook(access, class, object, sub, argument);
	if (class == ForeignServerRelationId &&
		(access == OAT_POST_CREATE || access == OAT_POST_ALTER || access == OAT_DROP))
		servers_touched = true;
	if (class == DatabaseRelationId && access == OAT_DROP)
	{
		MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

		dropped_databases = lappend_oid(dropped_databases, object);
		MemoryContextSwitchTo(old);
	}
}

typedef struct CopyReferences
{
	Oid	  from, to;
	List *digests;
} CopyReferences;

static void
add_copied(EntryKind kind, const char *name, const uint8 *digest, Oid database, void *argument)
{
	CopyReferences *copy = argument;

	if (kind == ENTRY_REFERENCE && database == copy->from)
		copy->digests =
			lappend(copy->digests, memcpy(palloc(IMAGE_DIGEST_BYTES), digest, IMAGE_DIGEST_BYTES));
}

/* A new database has the models of its template, and so their references. */
static void
copy_references(Oid from, Oid to)
{
	CopyReferences copy = {.from = from, .to = to};
	ListCell	  *cell;

	every_entry(add_copied, &copy);
	foreach(cell, copy.digests)
	{
		char *content;

		lock_digest(lfirst(cell));
		content = read_small_file(reference_path(lfirst(cell), from));
		if (content)
			write_small_file(reference_path(lfirst(cell), to), content);
	}
}

static void
utility(PlannedStmt *planned, const char *query, bool read_only_tree, ProcessUtilityContext context,
		ParamListInfo params, QueryEnvironment *environment, DestReceiver *receiver,
		QueryCompletion *completion)
{
	ProcessUtility_hook_type next =
		previous_utility_hook ? previous_utility_hook : standard_ProcessUtility;
	CreatedbStmt *statement =
		IsA(planned->utilityStmt, CreatedbStmt) ? (CreatedbStmt *) planned->utilityStmt : NULL;
	const char *template = "template1";
	char	 *name = NULL;
	ListCell *cell;

	if (statement)
	{
		name = pstrdup(statement->dbname);
		foreach(cell, statement->options)
		{
			DefElem *option = lfirst(cell);

			if (strcmp(option->defname, "template") == 0 && option->arg)
				template = pstrdup(defGetString(option));
		}
	}
	next(planned, query, read_only_tree, context, params, environment, receiver, completion);
	if (statement)
		copy_references(get_database_oid(template, false), get_database_oid(name, false));
}

static void
clean_entry(EntryKind kind, const char *name, const uint8 *digest, Oid database, void *argument)
{
	char path[MAXPGPATH];

	snprintf(path, sizeof path, "%s/%s", STORE_DIRECTORY, name);
	if (kind == ENTRY_NEW)
		remove_unreferenced(digest);
	if (kind == ENTRY_NEW || kind == ENTRY_TEMPORARY)
		remove_file(path);
}

/* What a crash has left; no backend is running. */
static void
startup(void)
{
	if (previous_startup_hook)
		previous_startup_hook();
	if (!IsUnderPostmaster)
		(void) each_entry(clean_entry, NULL);
}

void
store_init(void)
{
	previous_object_access_hook = object_access_hook;
	object_access_hook = object_access;
	previous_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = utility;
	if (process_shared_preload_libraries_in_progress)
	{
		previous_startup_hook = shmem_startup_hook;
		shmem_startup_hook = startup;
	}
	RegisterXactCallback(transaction_callback, NULL);
}
