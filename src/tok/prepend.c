/*
 * prepend.c: a normalizer that puts a string before a text that is not empty.
 *
 * Its table is the string, which stands for the first character of the text.  With PREPEND_UNLESS_SPACE a text that
 * begins with whitespace, as Python has it, stays as it is; with PREPEND_TO_EMPTY an empty one becomes the string.
 */
#include "tok/component.h"

static bool
prepend_open(Component *component, const void *data, size_t size)
{
	component->bytes = data;
	component->length = size;
	return true;
}

static bool
prepend_normalize(const Component *component, Run *run, const Text *in, Text *out)
{
	size_t	 at = 0;
	uint32_t first;

	if (in->length == 0 && !(component->record->flags & PREPEND_TO_EMPTY))
		return true;
	if (!text_reserve(out, run->arena, in->length + component->length, run->error))
		return false;
	first = in->length > 0 ? text_next(in->bytes, &at) : 0;
	if (!run->continues &&
		(!(component->record->flags & PREPEND_UNLESS_SPACE) || !is_python_space(first)))
		for (size_t i = 0; i < component->length; i++)
		{
			out->bytes[out->length] = component->bytes[i];
			out->origin[out->length++] = in->length > 0 ? in->origin[0] : 0;
		}
	text_copy(out, in, 0, in->length);
	return true;
}

const ComponentType prepend_type = {
	.kind = NORMALIZER_PREPEND,
	.name = "Prepend",
	.open = prepend_open,
	.normalize = prepend_normalize,
};
