/*
 * tokenizer_model.h: what the models that find tokens inside of words have in common.
 */
#ifndef IMPORT_TOKENIZER_MODEL_H
#define IMPORT_TOKENIZER_MODEL_H

#include "import/tokenizer_build.h"

/* The ids of "<0x00>" .. "<0xFF>", -1 for those that the vocabulary lacks. */
extern void build_byte_ids(const TokenizerBuild *build, int32_t ids[256]);

/* Called when the other tables are made (TokenizerBuild.finish): sets the bits of the ids whose strings, as pieces of
 * their own, become that one token. */
extern bool mark_whole_tokens(TokenizerBuild *build, uint32_t *bits, size_t n_words, Error *error);

/* Called likewise: where nothing but the model cuts a text, finds the character that a space becomes.  When no token
 * goes across the place before one, texts may be cut there; sets MODEL_CONTINUES, and the model's MODEL_ARG_MARK to
 * the character. */
extern bool cut_by_model(TokenizerBuild *build, Error *error);

#endif
