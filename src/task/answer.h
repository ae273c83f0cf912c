/*
 * answer.h: where in a context the answer to a question stands, as Transformers' question answering pipeline finds it.
 *
 * An AnswerSearch is the caller's and its memory the arena's that it was given; windows of question and context
 * (task/windows.h) are laid out, computed and added one after the other, and the best spans of all of them are kept.
 */
#ifndef TASK_ANSWER_H
#define TASK_ANSWER_H

#include "task/windows.h"

typedef struct AnswerSpan
{
	double	score;	  /* the product of the probabilities of its start and its end */
	int32_t pos, len; /* characters of the context, counted from 0; pos -1: there is no answer */
	size_t	order;	  /* as found */
} AnswerSpan;

/* A word of a context: characters pos .. end - 1. */
typedef struct AnswerWord
{
	int32_t pos, end;
} AnswerWord;

typedef struct AnswerOptions
{
	int top_k;			  /* spans to keep, at least 1 */
	int max_answer_len;	  /* tokens of a span, at least 1 */
	int max_question_len; /* tokens of the question that the slow tokenizers keep, at least 1 */
	int max_seq_len;	  /* tokens of a window */
	int doc_stride; /* that neighbouring windows share; of a slow tokenizer, how far they are apart */
	bool handle_impossible_answer; /* "no answer" is one of the answers */
} AnswerOptions;

typedef struct AnswerSearch
{
	const Tokenizer *tokenizer;
	AnswerOptions	 options;
	Arena			*arena;
	Tokens			 question, context;
	AnswerWord		*words; /* (context.next_word) of a slow tokenizer; else NULL */
	size_t			 word_room;
	Windows			 windows;
	double			 null_score; /* of "no answer", the least of all windows */
	AnswerSpan		*spans; /* (n): a heap, the worst first; after answer_finish the best first */
	size_t			 n, room, found;
} AnswerSearch;

/*
 * Tokenizes question and context, UTF-8, and lays windows out.  A fast tokenizer's context is cut as its overflow is;
 * a slow one's goes through the tokenizer word by word, and answers are whole words.  ERR_LIMIT or ERR_ARGUMENT when
 * a window has no room for the context; no windows (windows.n 0) when a slow tokenizer's has no word.
 */
extern bool answer_open(AnswerSearch *search, Arena *arena, const Tokenizer *tokenizer,
						const char *question, size_t question_length, const char *context,
						size_t context_length, const AnswerOptions *options,
						bool (*interrupted)(void *argument), void *argument, Error *error);

/* Adds what the model made of a window: logits (n, 2) of starts and ends. */
extern bool answer_add(AnswerSearch *search, const Encoding *window, const float *logits,
					   Error *error);

/* Adds "no answer" where that is one, and sorts the spans, the best first. */
extern bool answer_finish(AnswerSearch *search, Error *error);

#endif
