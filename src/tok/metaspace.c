/*
 * metaspace.c: the pre-tokenizer and decoder of SentencePiece's marked spaces.
 *
 * Spaces become the mark args[0], a piece that does not begin with one may get one in front, and every mark begins a
 * new piece.  The decoder turns marks back into spaces.
 */
#include "tok/component.h"

static bool
metaspace_open(Component *component, const void *data, size_t size)
{
	int32_t mark = component->record->args[0];

	return mark > 0 && mark <= CHAR_LAST && (mark < 0xD800 || mark > 0xDFFF);
}

/* Whether this is the first piece of a text to come here. */
static bool
is_first(const Component *component, Run *run, bool *first)
{
	bool *seen = run->scratch[component->index];

	if (!seen)
	{
		seen = run->scratch[component->index] = arena_alloc(run->arena, 1, sizeof *seen);
		if (!seen)
			return error_set(run->error, ERR_MEMORY, "out of memory for a pre-tokenizer");
	}
	*first = !*seen;
	*seen = true;
	return true;
}

/* Whether a mark is to be put before a piece. */
static bool
wants_mark(const Component *component, Run *run, const Text *text, const Piece *piece, bool *wants)
{
	uint32_t flags = component->record->flags;
	size_t	 at = piece->begin;
	uint32_t character = text_next(text->bytes, &at);
	bool	 first = true;

	*wants = false;
	if ((flags & METASPACE_FIRST) && !is_first(component, run, &first))
		return false;
	if (run->continues && piece->begin == 0)
		return true;
	*wants = (flags & METASPACE_PREFIX) && first && character != ' ' &&
			 character != (uint32_t) component->record->args[0];
	return true;
}

static bool
split_at_marks(const Component *component, Run *run, const Text *text, const Piece *piece,
			   Text *result, Pieces *out)
{
	bool   splits = (component->record->flags & METASPACE_SPLIT) != 0, wants;
	char   mark[4];
	size_t n_mark = (size_t) utf8_put((uint32_t) component->record->args[0], mark);
	size_t begin = result->length;

	if (!wants_mark(component, run, text, piece, &wants) ||
		!text_reserve(result, run->arena, n_mark, run->error))
		return false;
	if (wants)
		text_put(result, (uint32_t) component->record->args[0], text->origin[piece->begin]);
	for (size_t at = piece->begin, next; at < piece->end; at = next)
	{
		bool is_space = text->bytes[at] == ' ';
		bool is_mark = is_space || (text->bytes[at] == mark[0] && piece->end - at >= n_mark &&
									memcmp(text->bytes + at, mark, n_mark) == 0);

		next = at + (is_space || !is_mark ? 1 : n_mark);
		if (!is_mark)
			while (next < piece->end && text->bytes[next] != ' ' && text->bytes[next] != mark[0])
				next++;
		if (splits && is_mark && result->length > begin)
		{
			if (!pieces_add(out, run->arena, begin, result->length, PIECE_OPEN, run->error))
				return false;
			begin = result->length;
		}
		if (!run_tick(run, next - at) ||
			!text_reserve(result, run->arena, next - at + n_mark, run->error))
			return false;
		if (is_space)
			text_put(result, (uint32_t) component->record->args[0], text->origin[at]);
		else
			text_copy(result, text, at, next);
	}
	return pieces_add(out, run->arena, begin, result->length, PIECE_OPEN, run->error);
}

static bool
metaspace_split(const Component *component, Run *run, const Pieces *in, Pieces *out)
{
	return run_rewrite_pieces(component, run, in, out, split_at_marks);
}

const ComponentType metaspace_type = {
	.kind = PRE_TOKENIZER_METASPACE,
	.name = "Metaspace",
	.open = metaspace_open,
	.split = metaspace_split,
};

/* Marks of the first token vanish under METASPACE_PREFIX, others become spaces. */
static bool
metaspace_decode(const Component *component, Decoding *decoding)
{
	char   mark[4];
	size_t n_mark = (size_t) utf8_put((uint32_t) component->record->args[0], mark);

	for (size_t i = 0; i < decoding->n; i++)
	{
		Fragment *fragment = &decoding->fragments[i];
		bool	  vanish = i == 0 && (component->record->flags & METASPACE_PREFIX);
		char	 *out;
		size_t	  n = 0;

		if (!memmem(fragment->bytes, fragment->length, mark, n_mark))
			continue;
		out = decoding_bytes(decoding, fragment->length);
		if (!out)
			return false;
		for (size_t at = 0; at < fragment->length;)
			if (fragment->length - at >= n_mark && memcmp(fragment->bytes + at, mark, n_mark) == 0)
			{
				if (!vanish)
					out[n++] = ' ';
				at += n_mark;
			}
			else
				out[n++] = fragment->bytes[at++];
		fragment->bytes = out;
		fragment->length = n;
	}
	return true;
}

const ComponentType metaspace_decoder_type = {
	.kind = DECODER_METASPACE,
	.name = "Metaspace decoder",
	.open = metaspace_open,
	.decode = metaspace_decode,
};
