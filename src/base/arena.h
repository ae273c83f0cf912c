/*
 * arena.h: memory that is given back all at once.
 *
 * An Arena belongs to whoever initialised it and to one thread at a time.  Chunks come from malloc and
 * are kept over arena_reset, so that steady use allocates nothing; the cap bounds what one input can take.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

typedef struct ArenaChunk ArenaChunk;

typedef struct Arena
{
	ArenaChunk *chunks; /* the one in use first */
	size_t		size;	/* bytes held in chunks */
	size_t		cap;	/* size never exceeds it; 0: no cap */
} Arena;

/* An empty arena; allocates nothing yet. */
extern void arena_init(Arena *arena, size_t cap);

/* Zeroed memory, aligned to 64 bytes; NULL when out of memory or over the cap, or when count * size
 * overflows.  Valid until the next arena_reset. */
extern void *arena_alloc(Arena *arena, size_t count, size_t size);

/* As arena_alloc, without zeroing. */
extern void *arena_alloc_raw(Arena *arena, size_t count, size_t size);

/* A copy of length bytes with a NUL behind them, or NULL. */
extern char *arena_strndup(Arena *arena, const char *text, size_t length);

/* Everything allocated so far becomes free; the largest chunk is kept for reuse. */
extern void arena_reset(Arena *arena);

/* Gives all memory back to the system. */
extern void arena_free(Arena *arena);

#endif
