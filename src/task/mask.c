/*
 * mask.c: masks, targets and filled prompts.
 */
#include "task/mask.h"

bool
mask_positions(const Tokenizer *tokenizer, Arena *arena, const Encoding *encoding,
			   int32_t **positions, int *n, Error *error)
{
	size_t		length = 0;
	const char *mask = tokenizer_token(tokenizer, tokenizer->mask_id, &length);

	if (tokenizer->mask_id < 0 || mask == NULL)
		return error_set(error, ERR_ARGUMENT, "the tokenizer has no mask token");
	*positions = arena_alloc_raw(arena, (size_t) encoding->n + 1, sizeof **positions);
	if (*positions == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for %d tokens", encoding->n);
	*n = 0;
	for (int i = 0; i < encoding->n; i++)
		if (encoding->ids[i] == tokenizer->mask_id)
			(*positions)[(*n)++] = i;
	if (*n > 0)
		return true;
	error_set(error, ERR_ARGUMENT, "the input has no mask token");
	return error_hint(error, "Write \"%s\" where a token is to be put.", mask);
}

bool
mask_target(const Tokenizer *tokenizer, Arena *arena, const char *target, size_t length,
			int32_t *id, Error *error)
{
	EncodeOptions options = {0};
	Encoding	  encoding;
	size_t		  shown = length < 100 ? length : 100;

	*id = tokenizer_id(tokenizer, target, length);
	if (*id >= 0)
		return true;
	if (!tokenizer_encode(tokenizer, arena, target, length, NULL, 0, &options, &encoding, error))
		return false;
	if (encoding.n == 1 && encoding.ids[0] != tokenizer->unk_id)
	{
		*id = encoding.ids[0];
		return true;
	}
	while (shown < length && shown > 0 && ((uint8_t) target[shown] & 0xC0) == 0x80)
		shown--;
	error_set(error, ERR_ARGUMENT, "target \"%.*s\" is not in the vocabulary", (int) shown, target);
	if (encoding.n > 1)
		error_detail(error, "It is %d tokens.", encoding.n);
	return false;
}

bool
mask_sequence(const Tokenizer *tokenizer, Arena *arena, const Encoding *encoding, int position,
			  int32_t id, bool only, char **text, size_t *length, Error *error)
{
	int32_t *ids = arena_alloc_raw(arena, (size_t) encoding->n + 1, sizeof *ids);
	int		 n = 0;

	if (ids == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for %d tokens", encoding->n);
	for (int i = 0; i < encoding->n; i++)
	{
		ids[n] = i == position ? id : encoding->ids[i];
		n += ids[n] != tokenizer->pad_id;
	}
	return tokenizer_decode(tokenizer, arena, ids, n, only, text, length, error);
}
