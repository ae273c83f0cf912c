/*
 * truncate.c: how many tokens of a text or a pair stay.
 */
#include "tok/tokens.h"

int
tokenizer_template_size(const Tokenizer *tokenizer, bool pair)
{
	const TemplateTable *template = tokenizer->template;
	TemplateList list = pair ? TEMPLATE_PAIR : TEMPLATE_SINGLE;
	int			 n = 0;

	for (uint32_t i = template->begin[list]; i < template->begin[list + 1]; i++)
		n += template->items[i].id >= 0;
	return n;
}

bool
content_room(const Tokenizer *tokenizer, bool pair, const EncodeOptions *options, size_t *room,
			 Error *error)
{
	int special = options->add_special_tokens ? tokenizer_template_size(tokenizer, pair) : 0;

	*room = SIZE_MAX;
	if (options->max_length <= 0)
		return true;
	if (special > options->max_length)
		return error_set(error, ERR_ARGUMENT,
						 "max_length is %d, but the special tokens alone are %d",
						 options->max_length, special);
	*room = (size_t) (options->max_length - special);
	return true;
}

/* longest_first.  The fast tokenizers give the odd one to the longer part, the slow ones take one at a time,
 * from the second when both are equal. */
static void
share_room(size_t room, bool fast, size_t *n, size_t *n_pair)
{
	bool   swap = *n > *n_pair;
	size_t shorter = swap ? *n_pair : *n, longer = swap ? *n : *n_pair;
	size_t half = room / 2;

	if (shorter + longer <= room)
		return;
	if (shorter <= half)
		longer = room - shorter;
	else
	{
		shorter = half;
		longer = room - half;
		if (!fast)
			swap = true;
	}
	*n = swap ? longer : shorter;
	*n_pair = swap ? shorter : longer;
}

bool
truncate_parts(const Tokenizer *tokenizer, TruncateStrategy strategy, size_t room, size_t *n,
			   bool pair, Error *error)
{
	size_t too_much = n[0] + n[1] - room;
	int	   part = strategy == TRUNCATE_SECOND;

	if (n[0] + n[1] <= room)
		return true;
	if (strategy == TRUNCATE_LONGEST)
	{
		share_room(room, (tokenizer->tables->flags & TOKENIZER_FAST) != 0, &n[0], &n[1]);
		return true;
	}
	if (part == 1 && !pair)
		return error_set(error, ERR_ARGUMENT, "there is no second text to truncate");
	if (n[part] <= too_much)
		return error_set(error, ERR_LIMIT,
						 "%s text has %zu tokens, but %zu would have to be cut from it",
						 part == 0 ? "first" : "second", n[part], too_much);
	n[part] -= too_much;
	return true;
}
