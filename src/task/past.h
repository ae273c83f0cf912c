/*
 * past.h: the bytes in which infer.forward returns what a decoder keeps of its tokens.
 *
 * A header, then the caches of the sequences one behind the other, each with room for just what is in
 * it.  Whoever hands them back may have changed them: nothing is taken from a past before past_read has
 * compared model, sizes and checksum.
 */
#ifndef TASK_PAST_H
#define TASK_PAST_H

#include "model/model.h"

typedef struct Past
{
	int			   n_seqs, length; /* tokens of each sequence; 0: there is no past */
	int			   source;		   /* encoder positions; 0: none were given */
	const uint8_t *floats;
} Past;

/* Bytes of a past; 0 when that overflows. */
extern size_t past_size(const Model *model, int n_seqs, int length, int source);

/* Checks bytes (4-byte aligned) and describes them. */
extern bool past_read(const Model *model, const uint8_t *data, size_t size, Past *past,
					  Error *error);

/* The caches of a past that is being written at out, 4-byte aligned; past_finish when they are
 * complete. */
extern void past_caches(const Model *model, uint8_t *out, int n_seqs, int length, int source,
						Cache *caches);
extern void past_finish(const Model *model, uint8_t *out, int n_seqs, int length, int source);

/* Copies sequence i of a past into a cache with room for more tokens. */
extern void past_copy(const Model *model, const Past *past, int sequence, Cache *cache);

#endif
