/*
 * chunks.h: a document in pieces that a model takes.
 *
 * A chunk ends where a sentence does, as far as tokens allow, else where a word does, if possible one that a
 * line could end with, else between two tokens, as Unicode's text segmentation has these borders in this machine's ICU (UAX #29 and #14, with ICU's dictionaries
 * of words where scripts have no spaces).  It begins and ends at the border of a grapheme; only one that has more
 * tokens than a chunk is cut between its characters.  What is no token at either end of a chunk, as
 * whitespace, belongs to none.
 */
#ifndef TASK_CHUNKS_H
#define TASK_CHUNKS_H

#include "tok/tokenizer.h"

typedef struct Chunk
{
	size_t begin, end; /* bytes of the text */
	size_t pos, len;   /* characters, pos counted from 0 */
	size_t n_tokens;   /* of the chunk alone, special ones included */
} Chunk;

typedef struct ChunkOptions
{
	size_t max_tokens; /* special ones included; more than those */
	size_t
		overlap; /* tokens that a chunk shares with the one before, fewer where a word begins later */
	bool (*interrupted)(void *argument); /* as in EncodeOptions */
	void *argument;
} ChunkOptions;

/* Takes one chunk; false with an error stops. */
typedef bool (*ChunkSink)(void *argument, const Chunk *chunk, Error *error);

/* What cuts a text.  It owns memory and ICU's iterators, so a sink must not leave chunker_run by other ways than
 * its return unless the caller frees the chunker then. */
typedef struct Chunker Chunker;

/* ERR_ARGUMENT when max_tokens leaves no room for a text, or overlap is not less than that room.  NULL on error. */
extern Chunker *chunker_create(const Tokenizer *tokenizer, const ChunkOptions *options,
							   Error *error);
extern void		chunker_free(Chunker *chunker);

/*
 * The chunks of a text (valid UTF-8) in order, once for each chunker.  None has more than max_tokens tokens, unless
 * a single token of the text has, when it stands alone.  Memory is that of a few chunks, where the tokenizer
 * can cut texts.
 */
extern bool chunker_run(Chunker *chunker, Arena *arena, const char *text, size_t length,
						ChunkSink sink, void *argument, Error *error);

#endif
