/*
 * text.c: growing texts and pieces.
 *
 * Memory is the arena's; a buffer that is outgrown stays there until the arena is reset, which at most
 * doubles what a call holds.
 */
#include "tok/text.h"

#define FIRST_ROOM ((size_t) 512)

bool
text_reserve(Text *text, Arena *arena, size_t more, Error *error)
{
	size_t	  room = text->room ? text->room : FIRST_ROOM;
	char	 *bytes;
	uint32_t *origin;

	if (more <= text->room - text->length)
		return true;
	if (more > TEXT_MAX - text->length)
		return error_set(error, ERR_LIMIT, "normalized text exceeds %zu bytes", TEXT_MAX);
	while (room - text->length < more)
		room *= 2;
	bytes = arena_alloc_raw(arena, room, 1);
	origin = arena_alloc_raw(arena, room, sizeof *origin);
	if (!bytes || !origin)
		return error_set(error, ERR_MEMORY, "out of memory for a text of %zu bytes", room);
	if (text->length > 0)
	{
		memcpy(bytes, text->bytes, text->length);
		memcpy(origin, text->origin, text->length * sizeof *origin);
	}
	text->bytes = bytes;
	text->origin = origin;
	text->room = room;
	return true;
}

bool
text_append(Text *text, Arena *arena, const char *original, size_t length, uint32_t origin,
			size_t *n_characters, Error *error)
{
	uint32_t first = origin;
	size_t	 at = 0;

	if (!text_reserve(text, arena, length, error))
		return false;
	while (at < length)
	{
		if ((uint8_t) original[at] < 0x80)
		{
			text->bytes[text->length] = original[at++];
			text->origin[text->length++] = origin++;
		}
		else
		{
			/* A malformed byte becomes three: what follows must still have its room. */
			if (!text_reserve(text, arena, length - at + 4, error))
				return false;
			text_put(text, utf8_next(original, length, &at), origin++);
		}
	}
	*n_characters = origin - first;
	return true;
}

bool
pieces_grow(Pieces *pieces, Arena *arena, Error *error)
{
	size_t room = pieces->room ? pieces->room * 2 : 512;
	Piece *items = arena_alloc_raw(arena, room, sizeof *items);

	if (!items)
		return error_set(error, ERR_MEMORY, "out of memory for %zu pieces of a text", room);
	if (pieces->n > 0)
		memcpy(items, pieces->items, pieces->n * sizeof *items);
	pieces->items = items;
	pieces->room = room;
	return true;
}
