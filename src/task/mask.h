/*
 * mask.h: what stands between a prompt with masks and the tokens that a model puts there, as Transformers'
 * fill-mask pipeline has it.
 */
#ifndef TASK_MASK_H
#define TASK_MASK_H

#include "tok/tokenizer.h"

/* The tokens of an encoding that are masks, in the arena; ERR_ARGUMENT when there are none, or when the tokenizer has
 * no mask token. */
extern bool mask_positions(const Tokenizer *tokenizer, Arena *arena, const Encoding *encoding,
						   int32_t **positions, int *n, Error *error);

/* The id of a target: a token of the vocabulary, or a text that is one token.  ERR_ARGUMENT otherwise. */
extern bool mask_target(const Tokenizer *tokenizer, Arena *arena, const char *target, size_t length,
						int32_t *id, Error *error);

/* Decodes the encoding with a token in a mask's place.  Special tokens are left out when that was the only one, so
 * that other masks can be seen.  NUL-terminated, in the arena. */
extern bool mask_sequence(const Tokenizer *tokenizer, Arena *arena, const Encoding *encoding,
						  int position, int32_t id, bool only, char **text, size_t *length,
						  Error *error);

#endif
