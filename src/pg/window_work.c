/*
 * window_work.c: windows into requests.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "pg/window_work.h"

#define MOST_WINDOWS 256
#define MOST_TOKENS 16384

static void
get_window(ModelHandle *handle, const Windows *windows, size_t i, Encoding *window)
{
	Error error;

	arena_reset(window_arena());
	if (!windows_get(windows, i, window_arena(), window, &error))
		report_error(&error, handle->name);
}

/* Adds windows from first on, as many as one request should have; returns the one behind them. */
static size_t
add_windows(Work *work, const Windows *windows, size_t first, size_t n, const int32 *targets,
			int n_targets)
{
	Size   share = request_payload_share();
	size_t i = first;

	work_clear(work);
	while (i < n && i - first < MOST_WINDOWS && work->counts.n_tokens < MOST_TOKENS &&
		   (i == first || work_size(work) < share))
	{
		Encoding window;
		WorkItem item;

		CHECK_FOR_INTERRUPTS();
		get_window(work->handle, windows, i++, &window);
		item = (WorkItem){.n_tokens = window.n,
						  .n_targets = n_targets,
						  .ids = window.ids,
						  .type_ids = window.type_ids,
						  .shape_ids = window.shape_ids,
						  .pronunciation_ids = window.pronunciation_ids,
						  .targets = targets};
		work_add(work, &item);
	}
	return i;
}

void
windows_compute(ModelHandle *handle, const WorkKind *kind, const Windows *windows, size_t n,
				const int32 *targets, int n_targets, WindowResult result, void *argument)
{
	Work work;

	work_init(&work, handle, kind);
	for (size_t first = 0, last; first < n; first = last)
	{
		last = add_windows(&work, windows, first, n, targets, n_targets);
		work_run(&work);
		for (size_t i = first; i < last; i++)
		{
			Encoding window;
			Error	 error;

			CHECK_FOR_INTERRUPTS();
			get_window(handle, windows, i, &window);
			if (!result(argument, &window, work_result(&work, (int) (i - first)), &error))
				report_error(&error, handle->name);
		}
	}
}

void
window_tokens(ModelHandle *handle, const char *text, size_t length, bool words, Tokens *tokens)
{
	EncodeOptions options = {.wants_words = words, .interrupted = interrupt_pending};
	Error		  error;

	*tokens = (Tokens){.limit = SIZE_MAX};
	if (tokenizer_tokens(&handle->tokenizer, backend_arena(), text, length, &options, tokens,
						 &error))
		return;
	CHECK_FOR_INTERRUPTS();
	report_error(&error, handle->name);
}
