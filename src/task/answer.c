/*
 * answer.c: windows of a context, and the spans in them.
 *
 * The rules are those of QuestionAnsweringPipeline of Transformers 4.37, and of its SQuAD features where the
 * tokenizer is a slow one.
 */
#include "task/answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "math/precise.h"
#include "tok/component.h"

/* A logit that takes no part. */
#define MASKED (-10000.0)

/* ---- windows ---- */

/* What SQuAD's features take for whitespace. */
static bool
is_word_end(uint32_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0x202F;
}

/* The tokens of one word of a context, which is characters pos .. end - 1. */
static bool
add_word(AnswerSearch *search, Arena *scratch, const char *text, size_t length, uint32_t pos,
		 uint32_t end, const EncodeOptions *options, Error *error)
{
	Tokens	tokens = {.limit = SIZE_MAX};
	Tokens *context = &search->context;

	arena_reset(scratch);
	if (!tokenizer_tokens(search->tokenizer, scratch, text, length, options, &tokens, error))
		return false;
	if ((size_t) context->next_word == search->word_room)
	{
		size_t		room = search->word_room ? search->word_room * 2 : 256;
		AnswerWord *words = arena_alloc_raw(search->arena, room, sizeof *words);

		if (words == NULL)
			return error_set(error, ERR_MEMORY, "out of memory for %zu words", room);
		if (context->next_word > 0)
			memcpy(words, search->words, (size_t) context->next_word * sizeof *words);
		search->words = words;
		search->word_room = room;
	}
	search->words[context->next_word] = (AnswerWord){(int32_t) pos, (int32_t) end};
	for (size_t i = 0; i < tokens.kept; i++)
		if (!tokens_add(context, search->arena, tokens.ids[i], pos, end, error))
			return false;
	context->next_word++;
	return true;
}

/* The byte-level tokenizers put a space before every word, but one that begins with what str.isspace of Python takes
 * for whitespace. */
static bool
takes_prefix_space(const Tokenizer *tokenizer, const char *word, size_t length)
{
	const Component *component = tokenizer->components + tokenizer->n_normalizers;
	size_t			 at = 0;
	uint32_t		 first = utf8_next(word, length, &at);

	if (is_python_space(first))
		return false;
	for (int i = 0; i < tokenizer->n_pre_tokenizers; i++)
		if (component[i].record->kind == PRE_TOKENIZER_BYTE_LEVEL)
			return true;
	return false;
}

/* The context of a slow tokenizer, word by word. */
static bool
add_words(AnswerSearch *search, const char *context, size_t length, const EncodeOptions *options,
		  Error *error)
{
	size_t	 at = 0;
	uint32_t character = 0;
	Arena	 scratch;
	bool	 ok = true;

	arena_init(&scratch, 0);
	search->context = (Tokens){.limit = SIZE_MAX, .wants_words = true};
	while (ok && at < length)
	{
		size_t	 begin = at, end = at, prefix;
		uint32_t pos = character;
		char	*word;

		while (at < length && !is_word_end(utf8_next(context, length, &at)))
		{
			end = at;
			character++;
		}
		/* the whitespace behind it, or at the end a character too many, which nobody reads */
		character++;
		if (end == begin)
			continue;
		prefix = takes_prefix_space(search->tokenizer, context + begin, end - begin) ? 1 : 0;
		word = malloc(prefix + (end - begin));
		if (word == NULL)
		{
			ok = error_set(error, ERR_MEMORY, "out of memory for a word of %zu bytes", end - begin);
			break;
		}
		memset(word, ' ', prefix);
		memcpy(word + prefix, context + begin, end - begin);
		ok = add_word(search, &scratch, word, prefix + (end - begin), pos,
					  pos + (uint32_t) utf8_count(context + begin, end - begin), options, error);
		free(word);
	}
	arena_free(&scratch);
	return ok;
}

/* The stride that makes windows begin doc_stride tokens apart, as SQuAD's features do: below 0 where a
 * window has fewer, and the tokens between two windows are in none. */
static long
slow_stride(const AnswerSearch *search, size_t room)
{
	return (long) room - (long) search->question.kept - search->options.doc_stride;
}

bool
answer_open(AnswerSearch *search, Arena *arena, const Tokenizer *tokenizer, const char *question,
			size_t question_length, const char *context, size_t context_length,
			const AnswerOptions *options, bool (*interrupted)(void *argument), void *argument,
			Error *error)
{
	bool		  fast = (tokenizer->tables->flags & TOKENIZER_FAST) != 0;
	size_t		  special = (size_t) tokenizer_template_size(tokenizer, true);
	size_t		  room;
	long		  stride = options->doc_stride;
	EncodeOptions encode = {.add_special_tokens = true,
							.max_length = options->max_seq_len,
							.truncate = TRUNCATE_END,
							.strategy = TRUNCATE_SECOND,
							.wants_words = true,
							.interrupted = interrupted,
							.argument = argument};

	*search = (AnswerSearch){
		.tokenizer = tokenizer, .options = *options, .arena = arena, .null_score = 1000000.0};
	search->question.limit = fast ? SIZE_MAX : (size_t) options->max_question_len;
	search->context.limit = SIZE_MAX;
	if (!tokenizer_tokens(tokenizer, arena, question, question_length, &encode, &search->question,
						  error))
		return false;
	if (fast)
	{
		if (!tokenizer_tokens(tokenizer, arena, context, context_length, &encode, &search->context,
							  error))
			return false;
	}
	else
	{
		if (!add_words(search, context, context_length, &encode, error) ||
			!content_room(tokenizer, true, &encode, &room, error))
			return false;
		if (search->context.kept == 0)
			return true;
		stride = slow_stride(search, room);
	}
	if (search->question.kept + special >= (size_t) options->max_seq_len &&
		search->question.kept + special + search->context.kept > (size_t) options->max_seq_len)
		return error_set(
			error, ERR_LIMIT,
			"the question has %zu tokens, which with %zu special ones leave no room for "
			"the context in a window of %d",
			search->question.kept, special, options->max_seq_len);
	return windows_open(&search->windows, tokenizer, &search->question, &search->context, &encode,
						stride, error);
}

/* ---- spans ---- */

/* Whether a token's logits count: the context's, and those of [CLS], which stands for "no answer"; of a slow
 * tokenizer the first one's, and no special token's in the context. */
static bool
takes_part(const AnswerSearch *search, const Encoding *window, int i)
{
	const Tokenizer *tokenizer = search->tokenizer;
	int				 cls = i;

	if ((tokenizer->tables->flags & TOKENIZER_FAST) == 0)
		for (cls = 0; cls < i && window->ids[cls] != tokenizer->cls_id;)
			cls++;
	if (cls == i && tokenizer->cls_id >= 0 && window->ids[i] == tokenizer->cls_id)
		return true;
	return window->sequence[i] == 2 && ((tokenizer->tables->flags & TOKENIZER_FAST) ||
										!tokenizer_is_special(tokenizer, window->ids[i]));
}

/* Softmax of column c (0 starts, 1 ends) of the logits of those that take part. */
static void
probabilities(const AnswerSearch *search, const Encoding *window, const float *logits, int c,
			  double *out)
{
	double max, sum = 0.0;

	for (int i = 0; i < window->n; i++)
		out[i] = takes_part(search, window, i) ? (double) logits[2 * i + c] : MASKED;
	max = out[0];
	for (int i = 1; i < window->n; i++)
		if (out[i] > max)
			max = out[i];
	for (int i = 0; i < window->n; i++)
		sum += out[i] = precise_exp(out[i] - max);
	for (int i = 0; i < window->n; i++)
		out[i] /= sum;
}

/* Of two spans, the one that is dropped first. */
static bool
is_worse(const AnswerSpan *a, const AnswerSpan *b)
{
	return a->score < b->score || (a->score == b->score && a->order > b->order);
}

static void
sift_down(AnswerSpan *heap, size_t n, size_t at)
{
	AnswerSpan span = heap[at];

	for (size_t child = 2 * at + 1; child < n; child = 2 * at + 1)
	{
		if (child + 1 < n && is_worse(&heap[child + 1], &heap[child]))
			child++;
		if (!is_worse(&heap[child], &span))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = span;
}

static void
sift_up(AnswerSpan *heap, size_t at)
{
	AnswerSpan span = heap[at];

	while (at > 0 && is_worse(&span, &heap[(at - 1) / 2]))
	{
		heap[at] = heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap[at] = span;
}

static bool
keep_span(AnswerSearch *search, AnswerSpan span, Error *error)
{
	span.order = search->found++;
	if (search->n == (size_t) search->options.top_k)
	{
		if (is_worse(&search->spans[0], &span))
		{
			search->spans[0] = span;
			sift_down(search->spans, search->n, 0);
		}
		return true;
	}
	if (search->n == search->room)
	{
		size_t		room = search->room ? search->room * 2 : 16;
		AnswerSpan *spans = arena_alloc_raw(search->arena, room, sizeof *spans);

		if (spans == NULL)
			return error_set(error, ERR_MEMORY, "out of memory for %zu answers", room);
		if (search->n > 0)
			memcpy(spans, search->spans, search->n * sizeof *spans);
		search->spans = spans;
		search->room = room;
	}
	search->spans[search->n] = span;
	sift_up(search->spans, search->n++);
	return true;
}

/* Tokens start .. end with the rest of their words, as far as the window has it. */
static AnswerSpan
span_of(const AnswerSearch *search, const Encoding *window, int start, int end, double score)
{
	int first = start, last = end;

	if (search->words)
	{
		int32_t pos = search->words[window->words[start]].pos;

		return (AnswerSpan){
			.score = score, .pos = pos, .len = search->words[window->words[end]].end - pos};
	}
	while (first > 0 && window->sequence[first - 1] == 2 &&
		   window->words[first - 1] == window->words[start])
		first--;
	while (last + 1 < window->n && window->sequence[last + 1] == 2 &&
		   window->words[last + 1] == window->words[end])
		last++;
	return (AnswerSpan){.score = score,
						.pos = window->pos[first],
						.len = window->pos[last] + window->len[last] - window->pos[first]};
}

bool
answer_add(AnswerSearch *search, const Encoding *window, const float *logits, Error *error)
{
	double *starts = malloc((size_t) window->n * 2 * sizeof *starts);
	double *ends = starts + window->n;
	bool	ok = true;

	if (starts == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for %d tokens", window->n);
	probabilities(search, window, logits, 0, starts);
	probabilities(search, window, logits, 1, ends);
	if (starts[0] * ends[0] < search->null_score)
		search->null_score = starts[0] * ends[0];
	starts[0] = ends[0] = 0.0;
	for (int start = 0; ok && start < window->n; start++)
	{
		int limit = window->n - start < search->options.max_answer_len
						? window->n
						: start + search->options.max_answer_len;

		if (window->sequence[start] != 2)
			continue;
		for (int end = start; ok && end < limit; end++)
		{
			double score = starts[start] * ends[end];

			if (window->sequence[end] == 2 && score > 0.0 &&
				(search->n < (size_t) search->options.top_k || score > search->spans[0].score))
				ok = keep_span(search, span_of(search, window, start, end, score), error);
		}
	}
	free(starts);
	return ok;
}

static int
compare_spans(const void *a, const void *b)
{
	return is_worse(a, b) ? 1 : -1;
}

bool
answer_finish(AnswerSearch *search, Error *error)
{
	AnswerSpan none = {.score = search->null_score, .pos = -1};

	if (search->options.handle_impossible_answer && search->windows.n > 0 &&
		!keep_span(search, none, error))
		return false;
	if (search->n > 0)
		qsort(search->spans, search->n, sizeof *search->spans, compare_spans);
	return true;
}
