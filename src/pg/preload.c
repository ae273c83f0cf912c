/*
 * preload.c: which images are to be loaded at the start, found without a database.
 *
 * Beside each image $PGDATA/pg_infer/<64 hex>.img lies a file <64 hex>.<oid> for every database that
 * knows it.  It has a line "<name>\t<flags>" for each of that database's models with this digest; flags
 * are words, "preload" among them when the model's option says so.  catalog.c writes them, nobody locks them:
 * a reader sees either the old or the new file.
 */
#include "pg/preload.h"

#include "storage/fd.h"
#include "utils/varlena.h"

#define LINE_MAX_BYTES 1024
#define PREFIX_MIN 8 /* hex digits of a digest that tell it apart */

/* One item of pg_infer.preload_models. */
typedef struct Wanted
{
	const char *name;	/* NULL: any */
	const char *prefix; /* of the digest in hex; "": any */
	bool		found;
} Wanted;

static bool
is_hex(const char *text)
{
	return strspn(text, "0123456789abcdef") == strlen(text);
}

/* "name", "name@hex" or the 64 digits of a digest. */
static Wanted *
parse_wanted(char *item)
{
	Wanted *wanted = palloc0(sizeof(Wanted));
	char   *at = strrchr(item, '@');

	if (strlen(item) == 2 * IMAGE_DIGEST_BYTES && is_hex(item))
		wanted->prefix = item;
	else
	{
		wanted->name = item;
		wanted->prefix = "";
		if (at != NULL && strlen(at + 1) >= PREFIX_MIN && is_hex(at + 1))
		{
			*at = '\0';
			wanted->prefix = at + 1;
		}
	}
	return wanted;
}

static List *
parse_setting(void)
{
	List	 *items, *result = NIL;
	ListCell *cell;

	if (!SplitGUCList(pstrdup(infer_preload_models), ',', &items))
	{
		ereport(WARNING, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("pg_infer.preload_models is not a list: \"%s\"", infer_preload_models));
		return NIL;
	}
	foreach(cell, items) result = lappend(result, parse_wanted(lfirst(cell)));
	return result;
}

/* Whether a model of this name and digest is wanted; marks who wants it. */
static bool
is_wanted(List *all, const char *name, const char *hex)
{
	bool	  result = false;
	ListCell *cell;

	foreach(cell, all)
	{
		Wanted *wanted = lfirst(cell);

		if (strncmp(hex, wanted->prefix, strlen(wanted->prefix)) == 0 &&
			(wanted->name == NULL || strcmp(wanted->name, name) == 0))
			result = wanted->found = true;
	}
	return result;
}

static bool
has_word(const char *words, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = words; (at = strstr(at, word)) != NULL; at += length)
		if ((at == words || strchr(" ,", at[-1])) && strchr(" ,", at[length]))
			return true;
	return false;
}

/* Whether one of a reference file's models is to be loaded. */
static bool
references_wanted(const char *path, List *wanted, const char *hex)
{
	FILE *file = AllocateFile(path, "r");
	char  line[LINE_MAX_BYTES];
	bool  result = false;

	if (file == NULL) /* gone since the folder was read */
		return false;
	while (fgets(line, sizeof line, file) != NULL)
	{
		char *flags;

		line[strcspn(line, "\n")] = '\0';
		flags = strrchr(line, '\t');
		if (flags == NULL)
			continue;
		*flags++ = '\0';
		if (is_wanted(wanted, line, hex) || has_word(flags, "preload"))
			result = true;
	}
	FreeFile(file);
	return result;
}

List *
preload_digests(void)
{
	List		  *wanted = parse_setting(), *result = NIL;
	DIR			  *folder = AllocateDir(IMAGE_FOLDER);
	struct dirent *item;
	ListCell	  *cell;

	while (folder != NULL && (item = ReadDirExtended(folder, IMAGE_FOLDER, WARNING)) != NULL)
	{
		char		path[MAXPGPATH], hex[2 * IMAGE_DIGEST_BYTES + 1];
		uint8	   *digest = palloc(IMAGE_DIGEST_BYTES);
		const char *database = strchr(item->d_name, '.');

		strlcpy(hex, item->d_name, sizeof hex);
		if (database != item->d_name + 2 * IMAGE_DIGEST_BYTES || !digest_from_hex(hex, digest))
			continue;
		if (database[1] == '\0' || strspn(database + 1, "0123456789") != strlen(database + 1))
			continue;
		snprintf(path, sizeof path, "%s/%s", IMAGE_FOLDER, item->d_name);
		if (references_wanted(path, wanted, hex))
			result = lappend(result, digest);
	}
	if (folder != NULL)
		FreeDir(folder);
	foreach(cell, wanted)
	{
		const Wanted *item = lfirst(cell);

		if (!item->found)
			ereport(WARNING, errcode(ERRCODE_UNDEFINED_OBJECT),
					errmsg("no model \"%s\" of pg_infer.preload_models is known",
						   item->name ? item->name : item->prefix));
	}
	return result;
}
