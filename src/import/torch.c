/*
 * torch.c: the format of pytorch_model.bin, as torch.save writes it.
 *
 * Since 1.6 a ZIP archive: <root>/data.pkl, a pickle of names to tensors, and <root>/data/<key>, the raw storages.
 * Before: five pickles in a row (magic, protocol, system, the object, the list of storage keys), then for each
 * key an i64 count and the raw numbers.  Tensors are views of storages, and may share them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "import/checkpoint.h"
#include "import/pickle.h"

#define MAX_PICKLE ((size_t) 64 << 20)
#define MAX_ENTRIES (1 << 20)
#define MAX_ROOT 512
#define ARENA_LIMIT ((size_t) 1 << 30)

typedef struct TorchFile
{
	Arena		arena;	 /* what the pickle holds */
	zip_t	   *archive; /* NULL in the old format */
	zip_file_t *entry;	 /* open for reading, or NULL */
	size_t		index;	 /* its number in the archive */
	size_t		at;		 /* how far it was read */
	char		root[MAX_ROOT];
} TorchFile;

static bool
damaged(const CheckpointFile *file, const char *what, Error *error)
{
	return error_set(error, ERR_DATA, "\"%s\" is damaged: %s", file->path, what);
}

/* ---- both formats ---- */

static bool
read_pickle(const CheckpointFile *file, Pickle *pickle, const uint8_t *data, size_t size,
			Error *error)
{
	TorchFile *torch = file->state;
	Error	   reason;

	if (pickle_read(pickle, &torch->arena, data, size < MAX_PICKLE ? size : MAX_PICKLE, &reason))
		return true;
	error_set(error, reason.code, "could not read \"%s\": %s", file->path, reason.message);
	return error_detail(error, "%s", reason.detail);
}

static bool
add_tensors(Checkpoint *checkpoint, CheckpointFile *file, const PickleValue *root, Error *error)
{
	if (root->type != PICKLE_DICT)
		return damaged(file, "it holds no dictionary of tensors", error);
	for (int i = 0; i < root->n; i += 2)
	{
		const PickleValue *key = root->items[i];
		const PickleValue *value = root->items[i + 1];
		CheckpointTensor   tensor;

		if (key->type != PICKLE_STRING)
			return damaged(file, "the name of a tensor is not a string", error);
		if (value->type != PICKLE_TENSOR)
			return error_set(error, ERR_DATA,
							 "\"%s\" holds something else than a tensor as \"%.200s\"", file->path,
							 key->string);
		tensor = (CheckpointTensor){.name = key->string,
									.dtype = value->tensor->storage->dtype,
									.rank = value->tensor->shape->n,
									.offset = value->tensor->offset,
									.numbers = value->tensor->storage->numbers,
									.storage = value->tensor->storage->place};
		for (int d = 0; d < tensor.rank && d < TENSOR_MAX_RANK; d++)
		{
			tensor.shape[d] = value->tensor->shape->items[d]->integer;
			tensor.strides[d] = value->tensor->strides->items[d]->integer;
		}
		if (!checkpoint_add(checkpoint, file, tensor, false, error))
			return false;
	}
	return true;
}

static int
compare_storages(const void *a, const void *b)
{
	return strcmp((*(PickleStorage *const *) a)->key, (*(PickleStorage *const *) b)->key);
}

/* Sorts a pickle's storages by key; those of one key must agree. */
static bool
sort_storages(const CheckpointFile *file, const Pickle *pickle, Error *error)
{
	PickleStorage **storages = pickle->storages;

	if (pickle->n_storages > 1)
		qsort(storages, (size_t) pickle->n_storages, sizeof *storages, compare_storages);
	for (int i = 1; i < pickle->n_storages; i++)
		if (strcmp(storages[i - 1]->key, storages[i]->key) == 0 &&
			(storages[i - 1]->numbers != storages[i]->numbers ||
			 storages[i - 1]->dtype != storages[i]->dtype))
			return damaged(file, "a storage has two sizes or types", error);
	return true;
}

/* ---- ZIP ---- */

/* Numbers of the archive's storages are indexes of its entries; each has the size that the pickle says. */
static bool
find_entries(const CheckpointFile *file, const Pickle *pickle, Error *error)
{
	TorchFile *torch = file->state;

	for (int i = 0; i < pickle->n_storages; i++)
	{
		PickleStorage *storage = pickle->storages[i];
		char		   name[MAX_ROOT + 256];
		zip_int64_t	   index;
		zip_stat_t	   status;
		int64_t		   size;

		if (i > 0 && strcmp(pickle->storages[i - 1]->key, storage->key) == 0)
		{
			storage->place = pickle->storages[i - 1]->place;
			continue;
		}
		if (snprintf(name, sizeof name, "%s/data/%s", torch->root, storage->key) >=
				(int) sizeof name ||
			(index = zip_name_locate(torch->archive, name, 0)) < 0)
			return error_set(error, ERR_DATA, "\"%s\" is damaged: it has no storage \"%.100s\"",
							 file->path, storage->key);
		if (zip_stat_index(torch->archive, (zip_uint64_t) index, 0, &status) != 0 ||
			(status.valid & (ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD)) !=
				(ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD) ||
			(status.comp_method != ZIP_CM_STORE && status.comp_method != ZIP_CM_DEFLATE) ||
			__builtin_mul_overflow(storage->numbers, (int64_t) dtype_size(storage->dtype), &size) ||
			status.size != (zip_uint64_t) size)
			return error_set(error, ERR_DATA,
							 "\"%s\" is damaged: storage \"%.100s\" has another size", file->path,
							 storage->key);
		storage->place = (size_t) index;
	}
	return true;
}

/* A whole entry of the archive, in the file's arena; NULL on error. */
static uint8_t *
read_entry(const CheckpointFile *file, zip_int64_t index, size_t limit, size_t *size, Error *error)
{
	TorchFile  *torch = file->state;
	zip_stat_t	status;
	zip_file_t *entry;
	uint8_t	   *bytes;
	zip_int64_t got;

	if (zip_stat_index(torch->archive, (zip_uint64_t) index, 0, &status) != 0 ||
		(status.valid & ZIP_STAT_SIZE) == 0 || status.size > limit)
	{
		damaged(file, "an entry of the archive is too large", error);
		return NULL;
	}
	*size = status.size;
	bytes = arena_alloc_raw(&torch->arena, *size + 1, 1);
	if (bytes == NULL)
	{
		error_set(error, ERR_MEMORY, "out of memory reading \"%s\"", file->path);
		return NULL;
	}
	entry = zip_fopen_index(torch->archive, (zip_uint64_t) index, 0);
	got = entry != NULL ? zip_fread(entry, bytes, *size + 1) : -1;
	if (entry != NULL)
		zip_fclose(entry);
	if (got < 0 || (size_t) got != *size)
	{
		damaged(file, "an entry of the archive can't be read", error);
		return NULL;
	}
	return bytes;
}

/* Fills root with the folder that has a data.pkl; its index in *index. */
static bool
find_root(const CheckpointFile *file, zip_int64_t *index, Error *error)
{
	static const char suffix[] = "/data.pkl";
	TorchFile		 *torch = file->state;
	zip_int64_t		  n = zip_get_num_entries(torch->archive, 0);

	if (n < 0 || n > MAX_ENTRIES)
		return damaged(file, "the archive has too many entries", error);
	for (zip_int64_t i = 0; i < n; i++)
	{
		const char *name = zip_get_name(torch->archive, (zip_uint64_t) i, ZIP_FL_ENC_RAW);
		const char *slash = name != NULL ? strchr(name, '/') : NULL;

		if (slash != NULL && slash > name && slash - name < MAX_ROOT && strcmp(slash, suffix) == 0)
		{
			memcpy(torch->root, name, (size_t) (slash - name));
			torch->root[slash - name] = '\0';
			*index = i;
			return true;
		}
	}
	return damaged(file, "the archive has no data.pkl", error);
}

static bool
check_byte_order(const CheckpointFile *file, Error *error)
{
	const TorchFile *torch = file->state;
	char			 name[MAX_ROOT + 16];
	zip_int64_t		 index;
	size_t			 size;
	const uint8_t	*order;

	snprintf(name, sizeof name, "%s/byteorder", torch->root);
	index = zip_name_locate(torch->archive, name, 0);
	if (index < 0)
		return true;
	order = read_entry(file, index, 16, &size, error);
	if (order == NULL)
		return false;
	return (size == 6 && memcmp(order, "little", 6) == 0) ||
		   error_set(error, ERR_UNSUPPORTED, "\"%s\" does not hold little-endian numbers",
					 file->path);
}

static bool
open_zip(Checkpoint *checkpoint, CheckpointFile *file, Error *error)
{
	TorchFile	  *torch = file->state;
	int			   reason;
	zip_int64_t	   index = 0;
	size_t		   size;
	const uint8_t *bytes;
	Pickle		   pickle;

	torch->archive = zip_open(file->path, ZIP_RDONLY, &reason);
	if (torch->archive == NULL)
		return damaged(file, "it is neither a ZIP archive nor a file of torch before 1.6", error);
	if (!find_root(file, &index, error) || !check_byte_order(file, error))
		return false;
	bytes = read_entry(file, index, MAX_PICKLE, &size, error);
	return bytes != NULL && read_pickle(file, &pickle, bytes, size, error) &&
		   sort_storages(file, &pickle, error) && find_entries(file, &pickle, error) &&
		   add_tensors(checkpoint, file, pickle.root, error);
}

/* Reads n bytes of the open entry to buffer, or drops them when buffer is NULL. */
static bool
read_open_entry(const CheckpointFile *file, uint8_t *buffer, size_t n, Error *error)
{
	TorchFile *torch = file->state;
	uint8_t	   dropped[16384];

	while (n > 0)
	{
		size_t		wanted = buffer == NULL && n > sizeof dropped ? sizeof dropped : n;
		zip_int64_t got = zip_fread(torch->entry, buffer != NULL ? buffer : dropped, wanted);

		if (got <= 0)
			return damaged(file, "a storage can't be read", error);
		torch->at += (size_t) got;
		n -= (size_t) got;
		if (buffer != NULL)
			buffer += got;
	}
	return true;
}

static bool
read_zip(CheckpointFile *file, const CheckpointTensor *tensor, size_t offset, size_t size,
		 void *buffer, Error *error)
{
	TorchFile *torch = file->state;

	if (torch->entry == NULL || torch->index != tensor->storage || torch->at > offset)
	{
		if (torch->entry != NULL)
			zip_fclose(torch->entry);
		torch->entry = zip_fopen_index(torch->archive, tensor->storage, 0);
		torch->index = tensor->storage;
		torch->at = 0;
		if (torch->entry == NULL)
			return damaged(file, "a storage can't be opened", error);
	}
	return read_open_entry(file, NULL, offset - torch->at, error) &&
		   read_open_entry(file, buffer, size, error);
}

/* ---- before 1.6 ---- */

/* The pickle of the number 0x1950a86a20f9469cfc6c, with which such a file begins. */
static const uint8_t old_magic[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
									0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

static bool
next_pickle(const CheckpointFile *file, size_t *at, Pickle *pickle, Error *error)
{
	if (!read_pickle(file, pickle, file->map.data + *at, file->map.size - *at, error))
		return false;
	*at += pickle->size;
	return true;
}

/* Walks the raw storages behind the pickles; their places are offsets in the file. */
static bool
find_storages(const CheckpointFile *file, const Pickle *object, const PickleValue *keys, size_t at,
			  Error *error)
{
	int found = 0;

	if (keys->type != PICKLE_LIST)
		return damaged(file, "it has no list of storages", error);
	for (int i = 0; i < keys->n; i++)
	{
		const char *key = keys->items[i]->type == PICKLE_STRING ? keys->items[i]->string : "";
		const PickleStorage *wanted = &(PickleStorage){.key = key};
		PickleStorage	   **match = NULL;
		int64_t				 numbers;
		size_t				 size;

		if (object->n_storages > 0)
			match = bsearch(&wanted, object->storages, (size_t) object->n_storages,
							sizeof *object->storages, compare_storages);
		if (match == NULL || file->map.size - at < sizeof numbers)
			return damaged(file, "its storages do not match its tensors", error);
		memcpy(&numbers, file->map.data + at, sizeof numbers);
		at += sizeof numbers;
		if (numbers != (*match)->numbers ||
			__builtin_mul_overflow((size_t) numbers, dtype_size((*match)->dtype), &size) ||
			size > file->map.size - at)
			return damaged(file, "a storage lies outside the file", error);
		while (match > object->storages && compare_storages(match - 1, &wanted) == 0)
			match--;
		for (;
			 match < object->storages + object->n_storages && compare_storages(match, &wanted) == 0;
			 match++)
		{
			if ((*match)->place != 0)
				return damaged(file, "a storage is listed twice", error);
			(*match)->place = at;
			found++;
		}
		at += size;
	}
	return found == object->n_storages ||
		   damaged(file, "a storage of its tensors is missing", error);
}

/* The dictionary that says on which machine the file was made. */
static bool
check_system(const CheckpointFile *file, const PickleValue *system, Error *error)
{
	for (int i = 0; system->type == PICKLE_DICT && i < system->n; i += 2)
	{
		const PickleValue *key = system->items[i];
		const PickleValue *value = system->items[i + 1];

		if (key->type == PICKLE_STRING && strcmp(key->string, "little_endian") == 0)
			return (value->type == PICKLE_BOOL && value->integer == 1) ||
				   error_set(error, ERR_UNSUPPORTED, "\"%s\" does not hold little-endian numbers",
							 file->path);
	}
	return damaged(file, "it does not tell the order of its bytes", error);
}

static bool
open_old(Checkpoint *checkpoint, CheckpointFile *file, Error *error)
{
	size_t at = sizeof old_magic;
	Pickle protocol, system, object, keys;

	if (!next_pickle(file, &at, &protocol, error) || !next_pickle(file, &at, &system, error))
		return false;
	if (protocol.root->type != PICKLE_INT || protocol.root->integer != 1001)
		return damaged(file, "its protocol is not 1001", error);
	return check_system(file, system.root, error) && next_pickle(file, &at, &object, error) &&
		   next_pickle(file, &at, &keys, error) && sort_storages(file, &object, error) &&
		   find_storages(file, &object, keys.root, at, error) &&
		   add_tensors(checkpoint, file, object.root, error);
}

/* ---- the format ---- */

static bool
torch_open(Checkpoint *checkpoint, CheckpointFile *file, Error *error)
{
	TorchFile *torch = calloc(1, sizeof *torch);

	if (torch == NULL)
		return error_set(error, ERR_MEMORY, "out of memory opening \"%s\"", file->path);
	arena_init(&torch->arena, ARENA_LIMIT);
	file->state = torch;
	if (file->map.size >= sizeof old_magic &&
		memcmp(file->map.data, old_magic, sizeof old_magic) == 0)
		return open_old(checkpoint, file, error);
	return open_zip(checkpoint, file, error);
}

static bool
torch_read(CheckpointFile *file, const CheckpointTensor *tensor, size_t offset, size_t size,
		   void *buffer, Error *error)
{
	const TorchFile *torch = file->state;

	if (torch->archive != NULL)
		return read_zip(file, tensor, offset, size, buffer, error);
	memcpy(buffer, file->map.data + tensor->storage + offset, size);
	return true;
}

static void
torch_close(CheckpointFile *file)
{
	TorchFile *torch = file->state;

	if (torch == NULL)
		return;
	if (torch->entry != NULL)
		zip_fclose(torch->entry);
	if (torch->archive != NULL)
		zip_discard(torch->archive);
	arena_free(&torch->arena);
	free(torch);
}

const CheckpointFormat torch_format = {
	.single = "pytorch_model.bin",
	.index = "pytorch_model.bin.index.json",
	.open = torch_open,
	.read = torch_read,
	.close = torch_close,
};
