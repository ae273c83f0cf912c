/*
 * msgpack.c: the format of flax_model.msgpack, as Flax serialises a tree of parameters.
 *
 * Maps of strings within one another; a leaf is an extension of type 1 (or 3, without dimensions), whose payload
 * is again msgpack: [shape, numpy's name of the type, the numbers row-major].  What is longer than 2^30 bytes is a
 * map instead: {"__msgpack_chunked_array__": true, "shape": {"0": n, ...}, "chunks": {"0": array, ...}}.
 *
 * Containers are counted here, so that nothing is allocated for what a file only claims to hold; libmsgpack
 * decodes the rest and leaves strings and bytes where they are in the file's map.
 */
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "import/checkpoint.h"

#define MAX_DEPTH 32
#define MAX_PATH 2048
#define MAX_PIECES (1 << 20)
#define ARRAY_TYPE 1
#define SCALAR_TYPE 3

typedef struct Piece
{
	const uint8_t *data; /* in the map; NULL: not seen yet */
	size_t		   size;
} Piece;

typedef struct MsgpackFile
{
	Piece *pieces; /* a tensor's follow one another; its storage is the first */
	size_t n, capacity;
} MsgpackFile;

/* Bytes being decoded. */
typedef struct Span
{
	const uint8_t *data;
	size_t		   size, at;
} Span;

typedef struct Array
{
	DType	dtype;
	int		rank;
	int64_t shape[TENSOR_MAX_RANK];
	int64_t numbers;
	Piece	piece;
} Array;

typedef struct Walk
{
	Checkpoint	   *checkpoint;
	CheckpointFile *file;
	Error		   *error;
	char			path[MAX_PATH]; /* of the map's entry being read */
	size_t			length;
	int				depth;
} Walk;

static bool
wrong(const Walk *walk, const char *what)
{
	return error_set(walk->error, ERR_DATA, "\"%s\" is damaged: \"%.200s\" %s", walk->file->path,
					 walk->path, what);
}

/* ---- values ---- */

static uint32_t
big_endian(const uint8_t *bytes, int n)
{
	uint32_t value = 0;

	for (int i = 0; i < n; i++)
		value = value << 8 | bytes[i];
	return value;
}

static bool
at_map(const Span *span)
{
	uint8_t byte = span->at < span->size ? span->data[span->at] : 0;

	return (byte & 0xf0) == 0x80 || byte == 0xde || byte == 0xdf;
}

static bool
at_array(const Span *span)
{
	uint8_t byte = span->at < span->size ? span->data[span->at] : 0;

	return (byte & 0xf0) == 0x90 || byte == 0xdc || byte == 0xdd;
}

/* The number of entries of a map or an array, whose bytes can be there. */
static bool
read_count(const Walk *walk, Span *span, uint32_t *count)
{
	const uint8_t *at = span->data + span->at;
	size_t		   left = span->size - span->at;
	int			   width = *at < 0xa0 ? 0 : *at == 0xdc || *at == 0xde ? 2 : 4;
	size_t		   each = at_map(span) ? 2 : 1;

	if (left < 1 + (size_t) width)
		return wrong(walk, "is cut off");
	*count = width == 0 ? *at & 0x0f : big_endian(at + 1, width);
	span->at += 1 + (size_t) width;
	return *count <= (span->size - span->at) / each || wrong(walk, "is cut off");
}

/* A value that is no container. */
static bool
read_object(const Walk *walk, Span *span, msgpack_object *object)
{
	msgpack_unpacked	  unpacked;
	msgpack_unpack_return result;

	if (at_map(span) || at_array(span))
		return wrong(walk, "holds a map or an array in the wrong place");
	msgpack_unpacked_init(&unpacked);
	result = msgpack_unpack_next(&unpacked, (const char *) span->data, span->size, &span->at);
	*object = unpacked.data;
	msgpack_unpacked_destroy(&unpacked);
	return result == MSGPACK_UNPACK_SUCCESS || result == MSGPACK_UNPACK_EXTRA_BYTES ||
		   wrong(walk, "is cut off");
}

/* A string, or bytes: older writers did not tell them apart. */
static bool
read_bytes(const Walk *walk, Span *span, Piece *bytes)
{
	msgpack_object object;

	if (!read_object(walk, span, &object))
		return false;
	if (object.type == MSGPACK_OBJECT_STR)
		*bytes = (Piece){(const uint8_t *) object.via.str.ptr, object.via.str.size};
	else if (object.type == MSGPACK_OBJECT_BIN)
		*bytes = (Piece){(const uint8_t *) object.via.bin.ptr, object.via.bin.size};
	else
		return wrong(walk, "holds something else than a string");
	return true;
}

static bool
read_dimension(const Walk *walk, Span *span, int64_t *dimension)
{
	msgpack_object object;

	if (!read_object(walk, span, &object))
		return false;
	if (object.type != MSGPACK_OBJECT_POSITIVE_INTEGER || object.via.u64 > INT64_MAX)
		return wrong(walk, "has an impossible shape");
	*dimension = (int64_t) object.via.u64;
	return true;
}

/* The key of a map that stands for a list: a number below n. */
static bool
read_index(const Walk *walk, Span *span, uint32_t n, uint32_t *index)
{
	Piece	 key;
	uint64_t value = 0;

	if (!read_bytes(walk, span, &key))
		return false;
	for (size_t i = 0; i < key.size && value < n; i++)
	{
		if (key.data[i] < '0' || key.data[i] > '9')
			return wrong(walk, "has an entry without a number");
		value = value * 10 + (uint64_t) (key.data[i] - '0');
	}
	*index = (uint32_t) value;
	return (key.size > 0 && value < n) || wrong(walk, "has an entry without a number");
}

static bool
is_text(const Piece *piece, const char *text)
{
	return piece->size == strlen(text) && memcmp(piece->data, text, piece->size) == 0;
}

/* ---- arrays ---- */

static bool
read_array_fields(const Walk *walk, Span *span, Array *array)
{
	uint32_t count;
	Piece	 type;

	if (!at_array(span) || !read_count(walk, span, &count) || count != 3 || !at_array(span))
		return wrong(walk, "is no array of Flax");
	if (!read_count(walk, span, &count))
		return false;
	if (count > TENSOR_MAX_RANK)
		return wrong(walk, "has too many dimensions");
	array->rank = (int) count;
	for (int i = 0; i < array->rank; i++)
		if (!read_dimension(walk, span, &array->shape[i]))
			return false;
	if (!read_bytes(walk, span, &type))
		return false;
	if (!dtype_from_numpy((const char *) type.data, type.size, &array->dtype))
		return error_set(walk->error, ERR_UNSUPPORTED, "tensor \"%.200s\" has dtype %.*s",
						 walk->path, type.size < 20 ? (int) type.size : 20,
						 (const char *) type.data);
	return read_bytes(walk, span, &array->piece);
}

/* The leaf at span. */
static bool
read_array(const Walk *walk, Span *span, Array *array)
{
	msgpack_object object;
	Span		   payload;
	int64_t		   bytes;

	if (!read_object(walk, span, &object))
		return false;
	if (object.type != MSGPACK_OBJECT_EXT ||
		(object.via.ext.type != ARRAY_TYPE && object.via.ext.type != SCALAR_TYPE))
		return wrong(walk, "holds something else than an array");
	payload = (Span){(const uint8_t *) object.via.ext.ptr, object.via.ext.size, 0};
	if (!read_array_fields(walk, &payload, array))
		return false;
	if (payload.at != payload.size || !shape_count(array->shape, array->rank, &array->numbers) ||
		__builtin_mul_overflow(array->numbers, (int64_t) dtype_size(array->dtype), &bytes) ||
		(uint64_t) bytes != array->piece.size)
		return wrong(walk, "has numbers that do not fit its shape");
	return true;
}

/* Room for n pieces, NULL as yet; the number of the first. */
static bool
reserve_pieces(const Walk *walk, size_t n, size_t *first)
{
	MsgpackFile *flax = walk->file->state;

	if (n > MAX_PIECES || flax->n + n > MAX_PIECES)
		return error_set(walk->error, ERR_LIMIT, "\"%s\" has more than %d arrays", walk->file->path,
						 MAX_PIECES);
	if (flax->n + n > flax->capacity)
	{
		size_t capacity = 2 * (flax->n + n) + 1024;
		Piece *pieces = realloc(flax->pieces, capacity * sizeof *pieces);

		if (pieces == NULL)
			return error_set(walk->error, ERR_MEMORY, "out of memory for %zu arrays", capacity);
		flax->pieces = pieces;
		flax->capacity = capacity;
	}
	*first = flax->n;
	memset(flax->pieces + *first, 0, n * sizeof *flax->pieces);
	flax->n += n;
	return true;
}

static bool
add_array(const Walk *walk, const Array *array, size_t first)
{
	CheckpointTensor tensor = {.name = walk->path,
							   .dtype = array->dtype,
							   .rank = array->rank,
							   .numbers = array->numbers,
							   .storage = first};

	memcpy(tensor.shape, array->shape, sizeof tensor.shape);
	return checkpoint_add(walk->checkpoint, walk->file, tensor, true, walk->error);
}

static bool
read_leaf(const Walk *walk, Span *span)
{
	MsgpackFile *flax = walk->file->state;
	Array		 array = {0};
	size_t		 first;

	if (!read_array(walk, span, &array) || !reserve_pieces(walk, 1, &first))
		return false;
	flax->pieces[first] = array.piece;
	return add_array(walk, &array, first);
}

/* ---- arrays in chunks ---- */

static bool
read_chunked_shape(const Walk *walk, Span *span, Array *array)
{
	uint32_t count, index, seen = 0;

	if (!at_map(span) || !read_count(walk, span, &count) || count > TENSOR_MAX_RANK)
		return wrong(walk, "has an impossible shape");
	array->rank = (int) count;
	for (uint32_t i = 0; i < count; i++)
	{
		if (!read_index(walk, span, count, &index) ||
			!read_dimension(walk, span, &array->shape[index]))
			return false;
		seen |= 1u << index;
	}
	return seen == (1u << count) - 1 || wrong(walk, "has an impossible shape");
}

/* Adds up the chunks' numbers and types into array. */
static bool
read_chunks(const Walk *walk, Span *span, Array *array, size_t *first)
{
	MsgpackFile *flax = walk->file->state;
	uint32_t	 count, index;
	int64_t		 numbers = 0;

	if (!at_map(span) || !read_count(walk, span, &count) || count == 0)
		return wrong(walk, "has no chunks");
	if (!reserve_pieces(walk, count, first))
		return false;
	for (uint32_t i = 0; i < count; i++)
	{
		Array chunk = {0};

		if (!read_index(walk, span, count, &index) || !read_array(walk, span, &chunk))
			return false;
		if (flax->pieces[*first + index].data != NULL || (i > 0 && chunk.dtype != array->dtype) ||
			__builtin_add_overflow(numbers, chunk.numbers, &numbers))
			return wrong(walk, "has chunks that do not go together");
		flax->pieces[*first + index] = chunk.piece;
		array->dtype = chunk.dtype;
	}
	array->numbers = numbers;
	return true;
}

/* The rest of a chunked array's map, behind its first key. */
static bool
read_chunked(const Walk *walk, Span *span, uint32_t entries)
{
	msgpack_object marker;
	Array		   array = {0};
	Piece		   key;
	size_t		   first = 0;
	int64_t		   numbers;
	bool		   shape = false, chunks = false;

	if (!read_object(walk, span, &marker))
		return false;
	if (marker.type != MSGPACK_OBJECT_BOOLEAN || !marker.via.boolean)
		return wrong(walk, "is no array of Flax");
	for (uint32_t i = 1; i < entries; i++)
	{
		if (!read_bytes(walk, span, &key))
			return false;
		if (is_text(&key, "shape") && !shape)
			shape = read_chunked_shape(walk, span, &array);
		else if (is_text(&key, "chunks") && !chunks)
			chunks = read_chunks(walk, span, &array, &first);
		else
			return wrong(walk, "is no array of Flax");
		if (!(is_text(&key, "shape") ? shape : chunks))
			return false;
	}
	if (!shape || !chunks || !shape_count(array.shape, array.rank, &numbers) ||
		numbers != array.numbers)
		return wrong(walk, "has chunks that do not fit its shape");
	return add_array(walk, &array, first);
}

/* ---- the tree ---- */

static bool read_value(Walk *walk, Span *span);

/* Reads the entry's key, which is added to the path, and value.  *chunked: the map was an array in chunks, and is
 * read to its end. */
static bool
read_entry(Walk *walk, Span *span, uint32_t entries, bool first, bool *chunked)
{
	size_t before = walk->length;
	Piece  key;
	bool   ok;

	if (!read_bytes(walk, span, &key))
		return false;
	*chunked = first && is_text(&key, "__msgpack_chunked_array__");
	if (*chunked)
		return read_chunked(walk, span, entries);
	if (key.size == 0 || key.size >= MAX_PATH - before - 1 || memchr(key.data, 0, key.size) != NULL)
		return wrong(walk, "has an entry with an impossible name");
	if (before > 0)
		walk->path[walk->length++] = '/';
	memcpy(walk->path + walk->length, key.data, key.size);
	walk->length += key.size;
	walk->path[walk->length] = '\0';
	ok = read_value(walk, span);
	walk->length = before;
	walk->path[before] = '\0';
	return ok;
}

static bool
read_value(Walk *walk, Span *span)
{
	uint32_t entries;
	bool	 chunked = false;

	if (!at_map(span))
		return read_leaf(walk, span);
	if (walk->depth == MAX_DEPTH)
		return wrong(walk, "lies too deep");
	if (!read_count(walk, span, &entries))
		return false;
	walk->depth++;
	for (uint32_t i = 0; i < entries && !chunked; i++)
		if (!read_entry(walk, span, entries, i == 0, &chunked))
			return false;
	walk->depth--;
	return true;
}

/* ---- the format ---- */

static bool
msgpack_open(Checkpoint *checkpoint, CheckpointFile *file, Error *error)
{
	Walk walk = {.checkpoint = checkpoint, .file = file, .error = error};
	Span span = {file->map.data, file->map.size, 0};

	file->naming = NAMING_FLAX;
	file->state = calloc(1, sizeof(MsgpackFile));
	if (file->state == NULL)
		return error_set(error, ERR_MEMORY, "out of memory opening \"%s\"", file->path);
	if (!at_map(&span))
		return error_set(error, ERR_DATA, "\"%s\" is damaged: it does not hold a msgpack map",
						 file->path);
	if (!read_value(&walk, &span))
		return false;
	return span.at == span.size ||
		   error_set(error, ERR_DATA, "\"%s\" is damaged: it has %zu bytes behind its end",
					 file->path, span.size - span.at);
}

static bool
msgpack_read(CheckpointFile *file, const CheckpointTensor *tensor, size_t offset, size_t size,
			 void *buffer, Error *error)
{
	const MsgpackFile *flax = file->state;
	uint8_t			  *out = buffer;

	for (const Piece *piece = flax->pieces + tensor->storage; size > 0; piece++)
	{
		size_t n;

		if (offset >= piece->size)
		{
			offset -= piece->size;
			continue;
		}
		n = piece->size - offset < size ? piece->size - offset : size;
		memcpy(out, piece->data + offset, n);
		out += n;
		size -= n;
		offset = 0;
	}
	return true;
}

static void
msgpack_close(CheckpointFile *file)
{
	MsgpackFile *flax = file->state;

	if (flax != NULL)
		free(flax->pieces);
	free(flax);
}

const CheckpointFormat msgpack_format = {
	.single = "flax_model.msgpack",
	.index = "flax_model.msgpack.index.json",
	.open = msgpack_open,
	.read = msgpack_read,
	.close = msgpack_close,
};
