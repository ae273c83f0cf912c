/*
 * generation.h: from a decoder's logits to the next tokens, as Transformers 4.37 generate() takes them.
 *
 * A Generation is the decoding state of one request: its prompt, its live sequences (one, a few drawn
 * side by side, or beams), what they have become so far.  It knows no caches, no threads and no clock.  Who
 * computes drives it:
 *
 *		compute the prompt; logits = the row of its last token (1 row)
 *		while (generation_step(...) && n_live > 0)
 *			sequence i of the next step is sequence moves[i].parent of this one (its cache; several
 *			may share a parent, a parent without children is over), with token moves[i].token
 *			behind it; compute those tokens; logits = a row for each of them, in this order
 *
 * A Generation and all it points into lives in one piece of memory whose size is known before.  One
 * thread at a time may step it; different Generations step side by side.  Nothing in it depends on anything
 * but its options, its prompt and the logits, so a request gives the same alone and in any batch.
 */
#ifndef TASK_GENERATION_H
#define TASK_GENERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "math/kernels.h"
#include "task/constraint.h"
#include "tok/tokenizer.h"

#define GENERATION_MAX_NEW_TOKENS (1 << 20)
#define GENERATION_MAX_SEQUENCES 256 /* beams, or sequences side by side */

typedef enum EarlyStopping
{
	EARLY_STOPPING_FALSE, /* when no better hypothesis is likely */
	EARLY_STOPPING_TRUE,  /* as soon as there are num_beams hypotheses */
	EARLY_STOPPING_NEVER  /* when no better one is possible */
} EarlyStopping;

typedef struct GenerationOptions
{
	int			  max_new_tokens, min_new_tokens;
	float		  temperature; /* 0: nothing is drawn: greedy, or beam search */
	int			  top_k;	   /* 0: all */
	float		  top_p, typical_p;
	float		  repetition_penalty;
	int			  no_repeat_ngram_size; /* 0: any may repeat */
	int			  num_beams;
	float		  length_penalty;
	EarlyStopping early_stopping;
	int			  num_return_sequences; /* of beams at most num_beams; else they are drawn */
	uint64_t	  seed;
	int			  forced_eos_token_id; /* -1: none */

	int			   n_eos;
	const int32_t *eos_token_ids; /* (n_eos) */
	int			   n_suppress;
	const int32_t *suppress_tokens; /* (n_suppress) */
	int			   n_bad_words;
	const int32_t *bad_words_offsets; /* (n_bad_words + 1) where each begins in bad_words_ids */
	const int32_t *bad_words_ids;	  /* (bad_words_offsets[n_bad_words]) */
	int			   n_stop;
	const int32_t *stop_offsets; /* (n_stop + 1) where each begins in stop_bytes */
	const char	  *stop_bytes;	 /* (stop_offsets[n_stop]) UTF-8 */
} GenerationOptions;

/* sql-api.md's defaults: greedy, 64 new tokens, no lists. */
extern void generation_options_init(GenerationOptions *options);

/* Values out of range, options that contradict each other, ids outside 0 .. n_vocab - 1: ERR_ARGUMENT with
 * the option's name and its value.  What Transformers only warns of is refused, too. */
extern bool generation_options_check(const GenerationOptions *options, int n_vocab, Error *error);

/* How many ids at the beginning of a prompt are padding: Transformers masks those that are pad_token_id,
 * unless that id ends sequences, too.  0 where nothing else is there. */
extern int generation_padding(const GenerationOptions *options, int pad_token_id,
							  const int32_t *ids, int n);

/* Whether two ask for the same. */
extern bool generation_options_equal(const GenerationOptions *a, const GenerationOptions *b);

/* "false", "true", "never". */
extern bool early_stopping_from_name(const char *name, EarlyStopping *early_stopping);

/* For a request's payload: pack writes the lists behind each other at out, 4-byte aligned, and a copy of
 * the options that points to them at *packed.  A size of 0: it overflows. */
extern size_t generation_options_size(const GenerationOptions *options);
extern void	  generation_options_pack(const GenerationOptions *options, void *out,
									  GenerationOptions *packed);

/* How a live sequence goes on. */
typedef struct GenerationMove
{
	int		parent; /* the live sequence of the step before */
	int32_t token;	/* its next input */
} GenerationMove;

/* One sequence that is returned; generated tokens only. */
typedef struct GeneratedSequence
{
	const int32_t *ids;		 /* (n) ends of sequence included */
	const float	  *logprobs; /* (n) of each token under the model's own softmax; NULL of beams */
	int			   n;
	bool		   finished;
	/* Beams: the sum of processed log-probabilities over length ^ length_penalty, Transformers'
	 * sequences_scores.  Else the sum of logprobs. */
	float score;
} GeneratedSequence;

typedef struct Generation Generation;

/* What generation_create takes; all of it must outlive the Generation. */
typedef struct GenerationInputs
{
	const GenerationOptions *options; /* checked */
	const int32_t			*prompt;  /* (n_prompt), at least 1, each inside the vocabulary */
	int						 n_prompt;
	int						 n_vocab; /* logits of a row */
	const Kernels			*kernels;
	const Tokenizer			*tokenizer;	 /* for stop strings; NULL: there are none */
	const TokenConstraint	*constraint; /* what the output has to look like; NULL: anything goes */
} GenerationInputs;

/* Most live sequences at once; each needs a cache of n_prompt + max_new_tokens - 1 tokens. */
extern int generation_max_live(const GenerationOptions *options);

/* Bytes of a Generation, and of the scratch that a thread needs to step one; 0 when that overflows. */
extern size_t generation_size(const GenerationInputs *inputs);
extern size_t generation_scratch(const GenerationInputs *inputs);

/* In generation_size() bytes, 64-byte aligned, which it never leaves; there is nothing to free. */
extern Generation *generation_create(const GenerationInputs *inputs, void *memory);

/* One row of logits (n_vocab, stride ld, overwritten) for each live sequence, and generation_scratch()
 * bytes, 64-byte aligned.  Decoding for stop strings takes from the arena, which is reset.  False with an
 * error when no token is left to choose, or out of memory; the Generation is over then. */
extern bool generation_step(Generation *generation, float *logits, long ld, void *scratch,
							Arena *arena, Error *error);

/* Sequences that want another step, at first 1: the prompt; 0: it is over.  And how they go on. */
extern int					 generation_n_live(const Generation *generation);
extern const GenerationMove *generation_moves(const Generation *generation);

/* What is returned: num_return_sequences of them, of beams the best first.  Those of beams are there when
 * it is over; others at any time, growing, in places that do not move. */
extern int				 generation_n_sequences(const Generation *generation);
extern GeneratedSequence generation_sequence(const Generation *generation, int index);

#endif
