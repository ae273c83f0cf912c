/*
 * charsmap.h: reads the precompiled_charsmap of a SentencePiece model.
 *
 * Its format: the size of a double array in bytes (u32), that array of u32 units (Aoe 1989, as Darts-clone packs
 * them), and texts with a NUL behind each; everything little-endian.  The array leads from what is to be replaced to
 * where the replacement begins among the texts.
 */
#ifndef IMPORT_CHARSMAP_H
#define IMPORT_CHARSMAP_H

#include "import/tokenizer_build.h"

typedef struct Charsmap
{
	TrieKey	   *rules; /* what is replaced, and where in texts its replacement begins */
	size_t		n_rules;
	const char *texts; /* valid UTF-8, NUL behind the last one */
	size_t		n_texts;
} Charsmap;

/* Everything is in the arena.  ERR_DATA at the node when it is malformed: cut, texts that are no UTF-8, rules that
 * lead nowhere, or an array that goes in circles. */
extern bool charsmap_read(Charsmap *charsmap, Arena *arena, const Node *at, const uint8_t *data,
						  size_t size, Error *error);

/* The replacement of a string, or NULL. */
extern const char *charsmap_find(const Charsmap *charsmap, const char *bytes, size_t length);

/* Whether spaces, and the ASCII letters and digits that may stand around a cut, stay what they are. */
extern bool charsmap_keeps_cuts(const Charsmap *charsmap);

/* 1 for each ASCII character that no rule replaces when another one follows. */
extern void charsmap_plain(const Charsmap *charsmap, uint8_t plain[128]);

/* The bytes that base64 (RFC 4648) stands for. */
extern bool base64_decode(Arena *arena, const Node *at, const char *text, size_t length,
						  uint8_t **data, size_t *size, Error *error);

#endif
