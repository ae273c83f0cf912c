/*
 * window_work.h: the windows of a long text, computed some at a time.
 *
 * However long the text is, as many windows as make up one request are in memory at once.
 */
#ifndef PG_WINDOW_WORK_H
#define PG_WINDOW_WORK_H

#include "pg/work.h"

#include "task/windows.h"

/* Takes a window and what the model made of it; its memory is free to be reused after that. */
typedef bool (*WindowResult)(void *argument, const Encoding *window, const float4 *results,
							 Error *error);

/*
 * Computes the first n windows, each with the targets (n_targets; 0: none) of its kind of result, and hands them to
 * result() in their order.  Their texts' tokens may be in backend_arena(); windows themselves are in window_arena().
 */
extern void windows_compute(ModelHandle *handle, const WorkKind *kind, const Windows *windows,
							size_t n, const int32 *targets, int n_targets, WindowResult result,
							void *argument);

/* All tokens of a UTF-8 text in backend_arena(), which the caller has reset; words: with their words. */
extern void window_tokens(ModelHandle *handle, const char *text, size_t length, bool words,
						  Tokens *tokens);

#endif
