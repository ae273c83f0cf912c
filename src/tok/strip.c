/*
 * strip.c: a normalizer that drops whitespace at the ends of a text.
 */
#include "tok/component.h"

static bool
strip_normalize(const Component *component, Run *run, const Text *in, Text *out)
{
	size_t begin = in->length, end = 0;

	for (size_t at = 0; at < in->length;)
	{
		size_t from = at;

		if (is_whitespace(text_next(in->bytes, &at)))
			continue;
		if (begin > from)
			begin = from;
		end = at;
	}
	if (run->continues || !(component->record->flags & STRIP_LEFT))
		begin = 0;
	if (!(component->record->flags & STRIP_RIGHT))
		end = in->length;
	if (begin >= end)
		return true;
	if (!run_tick(run, in->length) || !text_reserve(out, run->arena, end - begin, run->error))
		return false;
	text_copy(out, in, begin, end);
	return true;
}

const ComponentType strip_type = {
	.kind = NORMALIZER_STRIP,
	.name = "Strip",
	.open = no_table,
	.normalize = strip_normalize,
};
