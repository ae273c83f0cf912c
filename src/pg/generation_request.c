/*
 * generation_request.c: a prompt, options and room for what is generated, in one piece of shared memory.
 */
#include "pg/ahead.h"
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

static bool
same_ids(const int32 *a, const int32 *b, int n)
{
	if (a == NULL || b == NULL)
		return a == b;
	return memcmp(a, b, n * sizeof(int32)) == 0;
}

bool
generation_inputs_equal(const GenerationPayload *a, const GenerationPayload *b)
{
	return a->n_prompt == b->n_prompt && same_ids(a->prompt, b->prompt, a->n_prompt) &&
		   same_ids(a->shape_ids, b->shape_ids, a->n_prompt) &&
		   same_ids(a->pronunciation_ids, b->pronunciation_ids, a->n_prompt) &&
		   (a->grammar == NULL) == (b->grammar == NULL) &&
		   (a->grammar == NULL || (a->grammar_size == b->grammar_size &&
								   memcmp(a->grammar, b->grammar, a->grammar_size) == 0)) &&
		   generation_options_equal(&a->options, &b->options);
}

void
generation_copy_outputs(GenerationPayload *to, GenerationPayload *from)
{
	for (int i = 0; i < to->options.num_return_sequences; i++)
	{
		GenerationOutput *output = &from->outputs[i], *copy = &to->outputs[i];
		int				  n = generation_output_count(output);

		memcpy(copy->ids, output->ids, n * sizeof(int32));
		memcpy(copy->logprobs, output->logprobs, n * sizeof(float4));
		copy->score = output->score;
		pg_atomic_write_u32(&copy->n, pg_atomic_read_u32(&output->n));
	}
}

Request *
generation_submit(ModelHandle *handle, const GenerationPayload *inputs)
{
	Request *request = request_begin(handle, REQUEST_GENERATE, generation_payload_size(inputs));

	generation_payload_fill(request_payload(request), inputs);
	request_submit(request);
	return request;
}

GenerationPayload *
generation_run(ModelHandle *handle, const GenerationPayload *inputs)
{
	GenerationPayload *copy;
	Request			  *request;

	ahead_take_generation(handle, inputs);
	copy = palloc(generation_payload_size(inputs));
	generation_payload_fill(copy, inputs);
	if (ahead_give_generation(handle, copy))
		return copy;
	request = generation_submit(handle, inputs);
	request_wait(request);
	generation_copy_outputs(copy, request_payload(request));
	request_end(request);
	return copy;
}
