/*
 * quotes.c: how the slow classes of ALBERT and XLNet prepare a text: `` and '' become ", and with QUOTES_SPACES runs of
 * whitespace, as Python has it, become one space, at the ends none.
 */
#include "tok/component.h"

static bool
quotes_normalize(const Component *component, Run *run, const Text *in, Text *out)
{
	bool   joins = (component->record->flags & QUOTES_SPACES) != 0, waits = false;
	bool   begun = run->continues && in->bytes == run->text[run->current].bytes;
	size_t place = 0; /* of the space that waits */

	if (!text_reserve(out, run->arena, in->length, run->error))
		return false;
	for (size_t at = 0, next; at < in->length; at = next)
	{
		char	 c = in->bytes[at];
		uint32_t character;

		next = at;
		character = text_next(in->bytes, &next);
		if (!run_tick(run, next - at))
			return false;
		if (joins && is_python_space(character))
		{
			place = waits ? place : at;
			waits = begun;
			continue;
		}
		if (waits)
			text_put(out, ' ', in->origin[place]);
		waits = false;
		begun = true;
		if ((c == '`' || c == '\'') && next < in->length && in->bytes[next] == c)
		{
			next++;
			text_put(out, '"', in->origin[at]);
		}
		else
			text_copy(out, in, at, next);
	}
	return true;
}

const ComponentType quotes_type = {
	.kind = NORMALIZER_QUOTES,
	.name = "quotes",
	.open = no_table,
	.normalize = quotes_normalize,
};
