/*
 * generation_defaults.h: the token ids that a model's files name for generation.
 *
 * As Transformers reads them: from generation_config.json where there is one, else from config.json with
 * its class's own values for what that does not say.
 */
#ifndef TASK_GENERATION_DEFAULTS_H
#define TASK_GENERATION_DEFAULTS_H

#include "task/generation.h"

/* Fills eos_token_ids, forced_eos_token_id, suppress_tokens and bad_words_ids of the options, and the id
 * of padding, -1: none.  Lists live in the arena.  ERR_DATA names a value that is no id. */
extern bool generation_defaults(const Image *image, Arena *arena, GenerationOptions *options,
								int *pad_token_id, Error *error);

/* Reads JSON text: a list of lists of ids; what names it in errors.  ids (offsets[*n]), offsets (*n + 1). */
extern bool id_lists_read(const char *text, const char *what, Arena *arena, const int32_t **ids,
						  const int32_t **offsets, int *n, Error *error);

#endif
