/*
 * generation_request.h: the payload of REQUEST_GENERATE.
 *
 * The backend writes it before it submits.  The engine adds to the outputs while it generates, and the
 * backend may read what is there at any time: first n, with a barrier behind it, then as many tokens.  An engine that
 * takes over from another one writes the same tokens again.
 */
#ifndef PG_GENERATION_REQUEST_H
#define PG_GENERATION_REQUEST_H

#include "pg/pg_infer.h"

#include "task/generation.h"

/* One sequence that is returned. */
typedef struct GenerationOutput
{
	pg_atomic_uint32 n;		   /* tokens that are there, and GENERATION_OUTPUT_ENDS */
	int32			*ids;	   /* (max_new_tokens) */
	float4			*logprobs; /* (max_new_tokens); not set of beams */
	float4			 score;	   /* when the request is done */
} GenerationOutput;

#define GENERATION_OUTPUT_ENDS ((uint32) 1 << 31) /* none will follow */

/* Pointers lead into the same payload. */
typedef struct GenerationPayload
{
	GenerationOptions options; /* checked */
	int32			  n_prompt;
	const int32		 *prompt;			 /* (n_prompt) */
	const int32		 *shape_ids;		 /* (n_prompt), RoCBert, or NULL */
	const int32		 *pronunciation_ids; /* likewise */
	const void		 *grammar;			 /* (grammar_size) task/grammar.h, or NULL */
	Size			  grammar_size;
	bool			  streams; /* the backend is woken by every token */
	GenerationOutput *outputs; /* (options.num_return_sequences) */
} GenerationPayload;

/* Bytes of a payload with these inputs, whose outputs are not looked at. */
extern Size generation_payload_size(const GenerationPayload *inputs);

/* Makes a copy of the inputs with all that they point at, and with outputs that are empty. */
extern void generation_payload_fill(GenerationPayload *payload, const GenerationPayload *inputs);

/* Tokens of an output that may be read; and whether it ends with the n-th. */
extern int	generation_output_count(GenerationOutput *output);
extern bool generation_output_ends(GenerationOutput *output, int n);

/* Whether two ask for the same, but for how it is delivered. */
extern bool generation_inputs_equal(const GenerationPayload *a, const GenerationPayload *b);

/* Copies what has been generated to the outputs of a payload with the same inputs. */
extern void generation_copy_outputs(GenerationPayload *to, GenerationPayload *from);

/* Sends a request for the inputs; request_begin waits for room. */
extern Request *generation_submit(ModelHandle *handle, const GenerationPayload *inputs);

/* Generates: the inputs with their outputs, in the current memory context.  Throws the request's error. */
extern GenerationPayload *generation_run(ModelHandle *handle, const GenerationPayload *inputs);

#endif
