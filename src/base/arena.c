/*
 * arena.c: a list of chunks, filled from the front of the first.
 */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64
#define FIRST_CHUNK ((size_t) 16 * 1024)

struct ArenaChunk
{
	ArenaChunk *next;
	size_t		size; /* of data */
	size_t		used;
	_Alignas(ALIGNMENT) char data[];
};

void
arena_init(Arena *arena, size_t cap)
{
	*arena = (Arena){.cap = cap};
}

/* A chunk of at least size bytes in front of the others, or NULL. */
static ArenaChunk *
arena_grow(Arena *arena, size_t size)
{
	size_t		room = arena->cap ? arena->cap - arena->size : SIZE_MAX - arena->size;
	size_t		wanted = arena->chunks ? arena->chunks->size * 2 : FIRST_CHUNK;
	ArenaChunk *chunk;

	if (size > room)
		return NULL;
	if (wanted < size || wanted > room)
		wanted = size;
	if (wanted > SIZE_MAX - sizeof *chunk - ALIGNMENT)
		return NULL;
	wanted = (wanted + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	chunk = aligned_alloc(ALIGNMENT, sizeof *chunk + wanted);
	if (!chunk)
		return NULL;
	*chunk = (ArenaChunk){.next = arena->chunks, .size = wanted};
	arena->size += wanted;
	arena->chunks = chunk;
	return chunk;
}

void *
arena_alloc_raw(Arena *arena, size_t count, size_t size)
{
	ArenaChunk *chunk = arena->chunks;
	size_t		bytes;
	char	   *result;

	if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2)
		return NULL;
	bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	if ((!chunk || chunk->size - chunk->used < bytes) && !(chunk = arena_grow(arena, bytes)))
		return NULL;
	result = chunk->data + chunk->used;
	chunk->used += bytes;
	return result;
}

void *
arena_alloc(Arena *arena, size_t count, size_t size)
{
	void *result = arena_alloc_raw(arena, count, size);

	return result ? memset(result, 0, count * size) : NULL;
}

char *
arena_strndup(Arena *arena, const char *text, size_t length)
{
	char *copy = length < SIZE_MAX ? arena_alloc_raw(arena, length + 1, 1) : NULL;

	if (!copy)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

void
arena_reset(Arena *arena)
{
	ArenaChunk *keep = arena->chunks;

	for (ArenaChunk *chunk = arena->chunks; chunk; chunk = chunk->next)
		if (chunk->size > keep->size)
			keep = chunk;
	for (ArenaChunk *chunk = arena->chunks, *next; chunk; chunk = next)
	{
		next = chunk->next;
		if (chunk != keep)
			free(chunk);
	}
	arena->chunks = keep;
	arena->size = 0;
	if (keep)
	{
		keep->next = NULL;
		keep->used = 0;
		arena->size = keep->size;
	}
}

void
arena_free(Arena *arena)
{
	for (ArenaChunk *chunk = arena->chunks, *next; chunk; chunk = next)
	{
		next = chunk->next;
		free(chunk);
	}
	arena->chunks = NULL;
	arena->size = 0;
}
