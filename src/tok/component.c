/*
 * component.c: the list of component kinds, and what they share while running.
 */
#include "tok/component.h"

static const ComponentType *const types[] = {
	&char_map_type,	 &compose_type,			  &bert_pre_tokenizer_type, &words_type,
	&wordpiece_type, &wordpiece_decoder_type, &words_decoder_type,
};

const ComponentType *
component_type(uint32_t kind)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if ((uint32_t) types[i]->kind == kind)
			return types[i];
	return NULL;
}

bool
run_interrupted(Run *run)
{
	run->ticks = 0;
	if (!run->options->interrupted || !run->options->interrupted(run->options->argument))
		return false;
	error_set(run->error, ERR_CANCELLED, "tokenization was cancelled");
	return true;
}

bool
tokens_grow(Tokens *tokens, Arena *arena, Error *error)
{
	size_t	 room = tokens->room ? tokens->room * 2 : 256;
	int32_t *ids, *pos, *len;

	if (room > tokens->limit)
		room = tokens->limit;
	ids = arena_alloc_raw(arena, room, sizeof *ids);
	pos = arena_alloc_raw(arena, room, sizeof *pos);
	len = arena_alloc_raw(arena, room, sizeof *len);
	if (!ids || !pos || !len)
		return error_set(error, ERR_MEMORY, "out of memory for %zu tokens", room);
	if (tokens->kept > 0)
	{
		memcpy(ids, tokens->ids, tokens->kept * sizeof *ids);
		memcpy(pos, tokens->pos, tokens->kept * sizeof *pos);
		memcpy(len, tokens->len, tokens->kept * sizeof *len);
	}
	tokens->ids = ids;
	tokens->pos = pos;
	tokens->len = len;
	tokens->room = room;
	return true;
}
