/*
 * past.c: packing and unpacking caches.
 */
#include "task/past.h"

#include <stddef.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define PAST_MAGIC "infpast" /* with its NUL: 8 bytes */

typedef struct PastHeader
{
	char	 magic[8];
	uint64_t checksum; /* XXH3-64 of the bytes behind it */
	uint64_t model;	   /* the image's checksum */
	int32_t	 n_seqs, length, source;
	int32_t	 reserved;
} PastHeader;

_Static_assert(sizeof(PastHeader) == 40, "header without holes");

#define COVERED offsetof(PastHeader, model) /* where the checksum's bytes begin */

size_t
past_size(const Model *model, int n_seqs, int length, int source)
{
	size_t size = cache_floats(&model->cache, length, source);

	if (__builtin_mul_overflow(size, (size_t) n_seqs * sizeof(float), &size) ||
		__builtin_add_overflow(size, sizeof(PastHeader), &size))
		return 0;
	return size;
}

bool
past_read(const Model *model, const uint8_t *data, size_t size, Past *past, Error *error)
{
	PastHeader header;

	if (size < sizeof header || memcmp(data, PAST_MAGIC, sizeof header.magic) != 0)
	{
		error_set(error, ERR_DATA, "past is not what infer.forward returned: it has %zu bytes",
				  size);
		return error_hint(error, "Pass the field past of an earlier result unchanged.");
	}
	memcpy(&header, data, sizeof header);
	if (header.checksum != XXH3_64bits(data + COVERED, size - COVERED))
		return error_set(error, ERR_DATA,
						 "past was changed: its checksum is %016llx instead of %016llx",
						 (unsigned long long) XXH3_64bits(data + COVERED, size - COVERED),
						 (unsigned long long) header.checksum);
	if (header.model != model->image->checksum)
		return error_set(error, ERR_ARGUMENT,
						 "past comes from another model: it names %016llx, this model is %016llx",
						 (unsigned long long) header.model,
						 (unsigned long long) model->image->checksum);
	if (header.n_seqs < 1 || header.length < 1 || header.source < 0 ||
		header.length > model->max_columns ||
		past_size(model, header.n_seqs, header.length, header.source) != size)
		return error_set(error, ERR_DATA, "past has %zu bytes, but %d sequences of %d tokens", size,
						 header.n_seqs, header.length);
	*past = (Past){.n_seqs = header.n_seqs,
				   .length = header.length,
				   .source = header.source,
				   .floats = data + sizeof header};
	return true;
}

void
past_caches(const Model *model, uint8_t *out, int n_seqs, int length, int source, Cache *caches)
{
	float *floats = (float *) (out + sizeof(PastHeader));

	for (int i = 0; i < n_seqs; i++)
		caches[i] =
			(Cache){.data = floats + cache_floats(&model->cache, length, source) * (size_t) i,
					.capacity = length,
					.source = source};
}

void
past_finish(const Model *model, uint8_t *out, int n_seqs, int length, int source)
{
	size_t	   size = past_size(model, n_seqs, length, source);
	PastHeader header = {.magic = PAST_MAGIC,
						 .model = model->image->checksum,
						 .n_seqs = n_seqs,
						 .length = length,
						 .source = source};

	memcpy(out, &header, sizeof header);
	header.checksum = XXH3_64bits(out + COVERED, size - COVERED);
	memcpy(out, &header, sizeof header);
}

/* What belongs to the encoder's positions, of which both caches have as many. */
static void
copy_source(int width, int source, const float *old, float *new)
{
	memcpy(new, old, (size_t) width * (size_t) source * sizeof(float));
}

void
past_copy(const Model *model, const Past *past, int sequence, Cache *cache)
{
	const CacheLayout *layout = &model->cache;
	size_t			   size = cache_floats(layout, past->length, past->source);
	Cache			   from = {.data = (float *) past->floats + size * (size_t) sequence,
							   .capacity = past->length,
							   .source = past->source};

	cache_copy(layout, &from, cache, past->length);
	for (int i = 0; i < layout->n_layers; i++)
	{
		CacheLayer old = cache_layer(layout, &from, i), new = cache_layer(layout, cache, i);

		memcpy(new.state, old.state, (size_t) layout->state * sizeof(float));
		if (cache->source == 0)
			continue;
		copy_source(layout->cross_key_width, past->source, old.cross_keys, new.cross_keys);
		copy_source(layout->cross_value_width, past->source, old.cross_values, new.cross_values);
	}
	cache->length = past->length;
	cache->has_source = cache->source > 0;
}
