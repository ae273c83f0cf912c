/*
 * hdf5.c: the format of tf_model.h5, as Keras saves weights.
 *
 * /<layer>/<name of the weight>, where the name begins with the layer's, or with the model's and the layer's:
 * /bert/tf_bert_model/bert/pooler/dense/kernel:0.  A layer lists weights that it shares with another again.
 * In a shard a dataset's path is the name without its first component.
 *
 * libhdf5 only tells where the numbers lie; what is compressed, in pieces or in other files is refused, and the
 * bytes come from the file's map.  Nothing of the library stays open.
 */
#include <hdf5.h>
#include <stdio.h>
#include <string.h>

#include "import/checkpoint.h"

#define MAX_DEPTH 32
#define MAX_LINKS (1 << 16) /* visited, so that groups that hold one another end */
#define MAX_PATH 2048

typedef struct Walk
{
	Checkpoint	   *checkpoint;
	CheckpointFile *file;
	hid_t			root;
	Error		   *error;
	char			path[MAX_PATH]; /* of the link being visited */
	size_t			length;
	int				depth, links;
} Walk;

typedef struct FloatType
{
	DType  dtype;
	size_t exponent_at, exponent_bits, bias; /* the fraction is below, the sign above */
} FloatType;

static const FloatType float_types[] = {{DTYPE_F64, 52, 11, 1023},
										{DTYPE_F32, 23, 8, 127},
										{DTYPE_F16, 10, 5, 15},
										{DTYPE_BF16, 7, 8, 127}};

static bool
wrong(const Walk *walk, ErrorCode code, const char *what)
{
	return error_set(walk->error, code, "\"%s\": \"%.200s\" %s", walk->file->path, walk->path,
					 what);
}

static bool
read_type(const Walk *walk, hid_t dataset, DType *dtype)
{
	hid_t  type = H5Dget_type(dataset);
	size_t sign = 0, exponent = 0, exponent_bits = 0, fraction = 0, fraction_bits = 0;
	bool   found = false;

	if (type < 0)
		return wrong(walk, ERR_DATA, "has no number type");
	if (H5Tget_class(type) == H5T_FLOAT && H5Tget_order(type) == H5T_ORDER_LE &&
		H5Tget_norm(type) == H5T_NORM_IMPLIED && H5Tget_offset(type) == 0 &&
		H5Tget_fields(type, &sign, &exponent, &exponent_bits, &fraction, &fraction_bits) >= 0)
		for (size_t i = 0; !found && i < sizeof float_types / sizeof float_types[0]; i++)
		{
			const FloatType *t = &float_types[i];
			size_t			 size = dtype_size(t->dtype);

			found = H5Tget_size(type) == size && sign == 8 * size - 1 &&
					exponent == t->exponent_at && exponent_bits == t->exponent_bits &&
					fraction == 0 && fraction_bits == t->exponent_at &&
					H5Tget_ebias(type) == t->bias;
			*dtype = t->dtype;
		}
	H5Tclose(type);
	return found || wrong(walk, ERR_UNSUPPORTED,
						  "does not hold little-endian floating-point numbers of a known size");
}

static bool
read_shape(const Walk *walk, hid_t dataset, CheckpointTensor *tensor)
{
	hid_t	space = H5Dget_space(dataset);
	hsize_t dims[H5S_MAX_RANK];
	int		rank = -1;

	if (space >= 0 && (H5Sget_simple_extent_type(space) == H5S_SIMPLE ||
					   H5Sget_simple_extent_type(space) == H5S_SCALAR))
		rank = H5Sget_simple_extent_ndims(space);
	if (rank >= 0 && rank <= TENSOR_MAX_RANK &&
		H5Sget_simple_extent_dims(space, dims, NULL) != rank)
		rank = -1;
	if (space >= 0)
		H5Sclose(space);
	if (rank < 0 || rank > TENSOR_MAX_RANK)
		return wrong(walk, ERR_DATA, "has no shape that is read");
	tensor->rank = rank;
	for (int i = 0; i < rank; i++)
	{
		if (dims[i] > INT64_MAX)
			return wrong(walk, ERR_DATA, "has an impossible shape");
		tensor->shape[i] = (int64_t) dims[i];
	}
	return shape_count(tensor->shape, rank, &tensor->numbers) ||
		   wrong(walk, ERR_DATA, "has an impossible shape");
}

/* Where the numbers lie: plainly in this file. */
static bool
read_place(const Walk *walk, hid_t dataset, CheckpointTensor *tensor)
{
	hid_t plan = H5Dget_create_plist(dataset);
	bool  plain = plan >= 0 && H5Pget_layout(plan) == H5D_CONTIGUOUS &&
				 H5Pget_external_count(plan) == 0 && H5Pget_nfilters(plan) == 0;
	int64_t bytes;
	haddr_t at;

	if (plan >= 0)
		H5Pclose(plan);
	if (!plain)
	{
		wrong(walk, ERR_UNSUPPORTED, "is compressed, in pieces or in another file");
		return error_hint(walk->error, "Save the model with save_pretrained().");
	}
	if (tensor->numbers == 0)
		return true;
	at = H5Dget_offset(dataset);
	if (at == HADDR_UNDEF || at > walk->file->map.size ||
		__builtin_mul_overflow(tensor->numbers, (int64_t) dtype_size(tensor->dtype), &bytes) ||
		(uint64_t) bytes > walk->file->map.size - at)
		return wrong(walk, ERR_DATA, "has numbers outside the file");
	tensor->storage = (size_t) at;
	return true;
}

/* The weight's name in the path of a dataset: from the component on that is a layer, and so at the top, too; NULL
 * when it has none.  The layer by which it was reached need not be the same: then it shares the weight. */
static const char *
weight_name(const Walk *walk, bool *shared)
{
	size_t		layer = strcspn(walk->path, "/");
	const char *name = walk->path + layer;

	while (*name == '/')
	{
		char   root[MAX_PATH];
		size_t length = strcspn(++name, "/");

		snprintf(root, sizeof root, "%.*s", (int) length, name);
		if (length > 0 && name[length] == '/' && H5Lexists(walk->root, root, H5P_DEFAULT) > 0)
		{
			*shared = length != layer || memcmp(walk->path, name, length) != 0;
			return name;
		}
		name += length;
	}
	return NULL;
}

static bool
add_dataset(const Walk *walk, hid_t dataset)
{
	CheckpointTensor tensor = {.name = walk->path};
	bool			 shared = false;

	if (!walk->file->shard)
		tensor.name = weight_name(walk, &shared);
	if (tensor.name == NULL)
		return wrong(walk, ERR_DATA, "is not named as Keras names weights");
	return shared || (read_type(walk, dataset, &tensor.dtype) &&
					  read_shape(walk, dataset, &tensor) && read_place(walk, dataset, &tensor) &&
					  checkpoint_add(walk->checkpoint, walk->file, tensor, true, walk->error));
}

static bool walk_group(Walk *walk, hid_t group);

static bool
visit_object(Walk *walk, hid_t group, const char *name)
{
	hid_t	   object = H5Oopen(group, name, H5P_DEFAULT);
	H5I_type_t type = object >= 0 ? H5Iget_type(object) : H5I_BADID;
	bool	   ok;

	if (type == H5I_GROUP)
		ok = walk_group(walk, object);
	else if (type == H5I_DATASET)
		ok = add_dataset(walk, object);
	else
		ok = wrong(walk, ERR_DATA, "is neither a group nor a dataset");
	if (object >= 0)
		H5Oclose(object);
	return ok;
}

/* One link of a group: 0 to go on, negative to stop with an error. */
static herr_t
visit_link(hid_t group, const char *name, const H5L_info_t *info, void *argument)
{
	Walk  *walk = argument;
	size_t before = walk->length;
	int	   added =
		snprintf(walk->path + before, MAX_PATH - before, "%s%s", before > 0 ? "/" : "", name);
	bool ok;

	if (added < 0 || (size_t) added >= MAX_PATH - before)
		ok = wrong(walk, ERR_LIMIT, "has a name that is too long");
	else if (++walk->links > MAX_LINKS)
		ok = wrong(walk, ERR_LIMIT, "is one object too many");
	else if (info->type != H5L_TYPE_HARD)
		ok = wrong(walk, ERR_UNSUPPORTED, "is a link to somewhere else");
	else if (before == 0 && strcmp(name, "top_level_model_weights") == 0)
		ok = true;
	else
	{
		walk->length += (size_t) added;
		ok = visit_object(walk, group, name);
	}
	walk->length = before;
	walk->path[before] = '\0';
	return ok ? 0 : -1;
}

static bool
walk_group(Walk *walk, hid_t group)
{
	bool ok;

	if (walk->depth == MAX_DEPTH)
		return wrong(walk, ERR_LIMIT, "lies too deep");
	walk->depth++;
	ok = H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, visit_link, walk) >= 0;
	walk->depth--;
	if (!ok && walk->error->code == ERR_NONE)
		wrong(walk, ERR_DATA, "can't be listed");
	return ok;
}

static hid_t
open_library_file(const char *path)
{
	hid_t access = H5Pcreate(H5P_FILE_ACCESS);
	hid_t id = -1;

	if (access >= 0 && H5Pset_fapl_sec2(access) >= 0 &&
		H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) >= 0)
		id = H5Fopen(path, H5F_ACC_RDONLY, access);
	if (access >= 0)
		H5Pclose(access);
	return id;
}

static bool
hdf5_open(Checkpoint *checkpoint, CheckpointFile *file, Error *error)
{
	Walk walk = {.checkpoint = checkpoint, .file = file, .error = error};
	bool ok;

	file->naming = NAMING_KERAS;
	*error = (Error){0};
	H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
	walk.root = open_library_file(file->path);
	if (walk.root < 0)
		return error_set(error, ERR_DATA, "\"%s\" is damaged: it is not an HDF5 file", file->path);
	ok = visit_object(&walk, walk.root, "/");
	H5Fclose(walk.root);
	return ok;
}

static bool
hdf5_read(CheckpointFile *file, const CheckpointTensor *tensor, size_t offset, size_t size,
		  void *buffer, Error *error)
{
	memcpy(buffer, file->map.data + tensor->storage + offset, size);
	return true;
}

const CheckpointFormat hdf5_format = {
	.single = "tf_model.h5",
	.index = "tf_model.h5.index.json",
	.open = hdf5_open,
	.read = hdf5_read,
};
