/*
 * pattern.c: what is done where a pattern matches: Split, and Replace as a normalizer and as a decoder.
 *
 * The tables begin with a RegexTable.  PRE_TOKENIZER_SPLIT: args[0] is the SplitBehavior, and with SPLIT_INVERT what
 * does not match are the delimiters.  The other two: behind it is the string that matches are replaced by.  A text
 * that is empty has no matches.
 */
#include "tok/split.h"

static bool
replace_open(Component *component, const void *data, size_t size)
{
	size_t used;

	if (!regex_open(&component->regex, data, size, &used))
		return false;
	component->bytes = (const char *) data + used;
	component->length = size - used;
	return true;
}

static bool
split_open(Component *component, const void *data, size_t size)
{
	return replace_open(component, data, size) && component->length == 0 &&
		   component->record->args[0] >= 0 && component->record->args[0] < SPLIT_BEHAVIORS;
}

/* The component's search, in another text. */
static RegexSearch *
begin_search(const Component *component, Run *run, const char *bytes, size_t length)
{
	RegexSearch *search = run->scratch[component->index];

	if (!search)
	{
		search = run->scratch[component->index] = arena_alloc(run->arena, 1, sizeof *search);
		if (!search)
		{
			error_set(run->error, ERR_MEMORY, "out of memory for a regular expression");
			return NULL;
		}
	}
	return regex_begin(search, &component->regex, run->arena, run, bytes, length, run->error)
			   ? search
			   : NULL;
}

static bool
split_piece(const Component *component, Run *run, const Text *text, const Piece *piece, Pieces *out)
{
	bool	 invert = (component->record->flags & SPLIT_INVERT) != 0, found;
	Splitter splitter = {
		.run = run, .out = out, .behavior = (SplitBehavior) component->record->args[0]};
	RegexSearch *search =
		begin_search(component, run, text->bytes + piece->begin, piece->end - piece->begin);
	size_t done = piece->begin, begin, end;

	if (!search)
		return false;
	for (;;)
	{
		if (!regex_next(search, &found, &begin, &end))
			return false;
		if (!found)
			break;
		begin += piece->begin;
		if ((done < begin && !splitter_add(&splitter, done, begin, invert)) ||
			!splitter_add(&splitter, begin, end + piece->begin, !invert))
			return false;
		done = end + piece->begin;
	}
	return (done == piece->end || splitter_add(&splitter, done, piece->end, invert)) &&
		   splitter_end(&splitter);
}

static bool
split_split(const Component *component, Run *run, const Pieces *in, Pieces *out)
{
	return run_split_pieces(component, run, in, out, split_piece);
}

const ComponentType split_type = {
	.kind = PRE_TOKENIZER_SPLIT,
	.name = "Split",
	.open = split_open,
	.split = split_split,
};

/* The string, which stands for the last character that it replaces, or else for the one before it. */
static bool
put_string(const Component *component, Run *run, uint32_t origin, Text *out)
{
	if (!text_reserve(out, run->arena, component->length, run->error))
		return false;
	for (size_t i = 0; i < component->length; i++)
	{
		out->bytes[out->length] = component->bytes[i];
		out->origin[out->length++] = origin;
	}
	return true;
}

static bool
replace_normalize(const Component *component, Run *run, const Text *in, Text *out)
{
	size_t		 begin, end, done = 0, first = out->length;
	RegexSearch *search;
	bool		 found;

	if (in->length == 0)
		return true;
	search = begin_search(component, run, in->bytes, in->length);
	if (!search)
		return false;
	for (;;)
	{
		uint32_t origin;

		if (!regex_next(search, &found, &begin, &end))
			return false;
		if (!found)
			break;
		if (!text_reserve(out, run->arena, begin - done, run->error))
			return false;
		text_copy(out, in, done, begin);
		if (begin < end)
			origin = in->origin[end - 1];
		else
			origin = out->length > first ? out->origin[out->length - 1] : in->origin[0];
		if (!put_string(component, run, origin, out))
			return false;
		done = end;
	}
	if (!text_reserve(out, run->arena, in->length - done, run->error))
		return false;
	text_copy(out, in, done, in->length);
	return true;
}

const ComponentType replace_type = {
	.kind = NORMALIZER_REPLACE,
	.name = "Replace",
	.open = replace_open,
	.normalize = replace_normalize,
};

static bool
replace_fragment(const Component *component, Decoding *decoding, RegexSearch *search,
				 Fragment *fragment)
{
	size_t begin, end, done = 0, n = 0, room;
	char  *bytes = NULL;
	bool   found;

	if (fragment->length == 0)
		return true;
	if (__builtin_mul_overflow(component->length + 1, fragment->length + 1, &room))
		return error_set(decoding->error, ERR_LIMIT, "decoded text is too long");
	if (!regex_begin(search, &component->regex, decoding->arena, NULL, fragment->bytes,
					 fragment->length, decoding->error))
		return false;
	for (;;)
	{
		if (!regex_next(search, &found, &begin, &end))
			return false;
		if (!found)
			break;
		if (!decoding_tick(decoding, end - begin + 1) ||
			(!bytes && !(bytes = decoding_bytes(decoding, room))))
			return false;
		memcpy(bytes + n, fragment->bytes + done, begin - done);
		n += begin - done;
		memcpy(bytes + n, component->bytes, component->length);
		n += component->length;
		done = end;
	}
	if (!bytes)
		return true;
	memcpy(bytes + n, fragment->bytes + done, fragment->length - done);
	fragment->bytes = bytes;
	fragment->length = n + fragment->length - done;
	return true;
}

static bool
replace_decode(const Component *component, Decoding *decoding)
{
	RegexSearch search = {0};

	for (size_t i = 0; i < decoding->n; i++)
		if (!replace_fragment(component, decoding, &search, &decoding->fragments[i]))
			return false;
	return true;
}

const ComponentType replace_decoder_type = {
	.kind = DECODER_REPLACE,
	.name = "Replace decoder",
	.open = replace_open,
	.decode = replace_decode,
};
