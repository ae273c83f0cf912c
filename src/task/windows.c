/*
 * windows.c: where windows begin and end.
 *
 * A Windows is the caller's; nothing is written after windows_open.
 */
#include "task/windows.h"

/* The windows of part i, of which n tokens go into one. */
static bool
lay_out(Windows *windows, int i, size_t n, long stride, Error *error)
{
	size_t all = windows->parts[i] ? windows->parts[i]->kept : 0, later, begun;

	windows->room[i] = n;
	windows->step[i] = n;
	windows->n_windows[i] = 1;
	if (n == all)
		return true;
	if (n == 0)
		return error_set(error, ERR_ARGUMENT, "there is no room for any of %zu tokens", all);
	if (stride >= (long) n)
		return error_set(error, ERR_ARGUMENT,
						 "stride must be less than the %zu tokens of a window, not %ld", n, stride);
	windows->step[i] = (size_t) ((long) n - stride);
	later = (all - n + windows->step[i] - 1) / windows->step[i];
	begun = (all - 1) / windows->step[i]; /* fewer when the text ends between two windows */
	windows->n_windows[i] += later < begun ? later : begun;
	return true;
}

bool
windows_open(Windows *windows, const Tokenizer *tokenizer, const Tokens *first,
			 const Tokens *second, const EncodeOptions *options, long stride, Error *error)
{
	size_t room, n[2] = {first->kept, second ? second->kept : 0};

	*windows = (Windows){.tokenizer = tokenizer,
						 .parts = {first, second},
						 .add_special_tokens = options->add_special_tokens,
						 .from_end = options->truncate == TRUNCATE_START};
	if (!content_room(tokenizer, second, options, &room, error) ||
		!truncate_parts(tokenizer, options->strategy, room, n, second, error) ||
		!lay_out(windows, 0, n[0], stride, error) || !lay_out(windows, 1, n[1], stride, error))
		return false;
	if (__builtin_mul_overflow(windows->n_windows[0], windows->n_windows[1], &windows->n))
		return error_set(error, ERR_LIMIT, "two texts of %zu and %zu tokens have too many windows",
						 first->kept, second->kept);
	return true;
}

static TokenSpan
window_span(const Windows *windows, int i, size_t index)
{
	size_t all = windows->parts[i]->kept, begin = index * windows->step[i];
	size_t n = all - begin < windows->room[i] ? all - begin : windows->room[i];

	if (windows->from_end)
		begin = all - begin - n;
	return (TokenSpan){windows->parts[i], begin, n};
}

bool
windows_get(const Windows *windows, size_t i, Arena *arena, Encoding *encoding, Error *error)
{
	size_t	  later = (windows->n_windows[0] - 1) * windows->n_windows[1];
	size_t	  a = 0, b = 0;
	TokenSpan first, second;

	if (i > later)
		b = i - later;
	else if (i > 0)
	{
		a = 1 + (i - 1) / windows->n_windows[1];
		b = (i - 1) % windows->n_windows[1];
	}
	first = window_span(windows, 0, a);
	if (windows->parts[1])
		second = window_span(windows, 1, b);
	if (!tokenizer_assemble(windows->tokenizer, arena, &first, windows->parts[1] ? &second : NULL,
							windows->add_special_tokens, encoding, error))
		return false;
	encoding->n_whole = encoding->n;
	return true;
}
