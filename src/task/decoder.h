/*
 * decoder.h: many generations side by side through one model, step by step.
 *
 * A Decoder owns what is kept of their tokens, in pages (task/page_pool.h), and the memory of its steps.
 * Every step computes what its decodings have ready as one batch without padding: a token of each live
 * sequence, and parts of prompts.  Decodings join and leave at every step.  A prompt that begins with
 * full pages that some other prompt began with takes those as they are.
 *
 * What a decoding gives depends on nothing but its inputs: not on its neighbours, on how its prompt was
 * cut, on the size of a page or on the team.
 */
#ifndef TASK_DECODER_H
#define TASK_DECODER_H

#include "task/generation.h"
#include "task/page_pool.h"

#define DECODER_PAGE_TOKENS CACHE_PANEL

typedef struct Decoder Decoder;

/* All of it must outlive the decoding. */
typedef struct DecodingInputs
{
	const Model		*model; /* a decoder with the head of a causal language model */
	GenerationInputs generation;
	/* RoCBert: (n_prompt) or NULL; the last one of the prompt counts for what is generated, too. */
	const int32_t *shape_ids, *pronunciation_ids;
} DecodingInputs;

/* One generation under way; to be read only. */
typedef struct Decoding
{
	DecodingInputs inputs;
	Generation	  *generation;
	int			   n_prompt_done; /* prompt tokens in the cache */
	int			   n_shared;	  /* of them, those that another prompt had computed */
	int			   n_step_tokens; /* of all its sequences, that the last step computed */
	bool		   finished;	  /* its cache is free again; error says whether it failed */
	Error		   error;		  /* ERR_NONE: it did not */
} Decoding;

/* cache: bytes of all pages; page_tokens: a multiple of CACHE_PANEL.  The team stays the caller's and must
 * outlive the decoder. */
extern Decoder *decoder_create(Team *team, size_t cache, int page_tokens, Error *error);
extern void		decoder_free(Decoder *decoder);

extern PagePool *decoder_pages(Decoder *decoder);

/* Bytes of cache that a decoding may come to need; SIZE_MAX when that overflows. */
extern size_t decoder_bytes(const Decoder *decoder, const DecodingInputs *inputs);

/* Begins a decoding.  *decoding NULL: its cache has to wait until others end.  ERR_LIMIT when it would never
 * fit, or the model has fewer positions. */
extern bool decoder_begin(Decoder *decoder, const DecodingInputs *inputs, Decoding **decoding,
						  Error *error);

/* Gives a decoding's memory back, whatever its state. */
extern void decoder_end(Decoder *decoder, Decoding *decoding);

/* A step of decodings of one model, none of which is finished.  At least one of them gets on; what fails alone
 * says so in its own error.  False: all of them failed; after ERR_CANCELLED they can only be ended. */
extern bool decoder_step(Decoder *decoder, Decoding *const *decodings, int n, atomic_bool *cancel,
						 Error *error);

/* Tokens that the last step computed. */
extern int decoder_step_tokens(const Decoder *decoder);

/* The model goes; nothing decodes with it any more. */
extern void decoder_forget(Decoder *decoder, const Model *model);

#endif
