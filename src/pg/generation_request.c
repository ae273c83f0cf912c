/*
 * generation_request.c: a prompt, options and room for what is generated, in one piece of shared memory.
 */
#include "pg/generation_request.h"

/* The next n bytes of a payload, which begins at base; over a NULL base they are only counted. */
static void *
take(char *base, Size *used, Size n)
{
	void *piece = base != NULL ? base + *used : NULL;

	*used = add_size(*used, MAXALIGN(n));
	return piece;
}

static const void *
take_copy(char *base, Size *used, const void *source, Size size)
{
	void *copy = source != NULL ? take(base, used, size) : NULL;

	if (copy != NULL)
		memcpy(copy, source, size);
	return copy;
}

static Size
lay_out(char *base, const GenerationPayload *inputs)
{
	const GenerationOptions *options = &inputs->options;
	Size					 used = 0, n_outputs = options->num_return_sequences;
	Size					 most = mul_size(options->max_new_tokens, sizeof(int32));
	Size					 prompt = mul_size(inputs->n_prompt, sizeof(int32));
	GenerationPayload		*payload = take(base, &used, sizeof(GenerationPayload)), counted;
	void					*lists = take(base, &used, generation_options_size(options));

	if (payload == NULL)
		payload = &counted;
	*payload = *inputs;
	if (lists != NULL)
		generation_options_pack(options, lists, &payload->options);
	payload->prompt = take_copy(base, &used, inputs->prompt, prompt);
	payload->shape_ids = take_copy(base, &used, inputs->shape_ids, prompt);
	payload->pronunciation_ids = take_copy(base, &used, inputs->pronunciation_ids, prompt);
	payload->grammar = take_copy(base, &used, inputs->grammar, inputs->grammar_size);
	payload->outputs = take(base, &used, mul_size(n_outputs, sizeof(GenerationOutput)));
	for (Size i = 0; i < n_outputs; i++)
	{
		int32  *ids = take(base, &used, most);
		float4 *logprobs = take(base, &used, most);

		if (base == NULL)
			continue;
		payload->outputs[i] = (GenerationOutput){.ids = ids, .logprobs = logprobs};
		pg_atomic_init_u32(&payload->outputs[i].n, 0);
	}
	return used;
}

Size
generation_payload_size(const GenerationPayload *inputs)
{
	return lay_out(NULL, inputs);
}

void
generation_payload_fill(GenerationPayload *payload, const GenerationPayload *inputs)
{
	lay_out((char *) payload, inputs);
}

int
generation_output_count(GenerationOutput *output)
{
	uint32 n = pg_atomic_read_u32(&output->n);

	pg_read_barrier();
	return (int) (n & ~GENERATION_OUTPUT_ENDS);
}

bool
generation_output_ends(GenerationOutput *output, int n)
{
	return pg_atomic_read_u32(&output->n) == ((uint32) n | GENERATION_OUTPUT_ENDS);
}
