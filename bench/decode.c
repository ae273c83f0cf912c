/*
 * decode.c: tokens a second of an image's decoder, as the engine computes them.
 *
 *	   make build/bench-decode && build/bench-decode IMAGE [streams [prompt [new [threads [isa]]]]]
 *
 * Greedy, prompts without anything in common, all streams at once.  What a step reads, the weights and
 * the caches, over its time is the share of memory bandwidth that bench/run shows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "task/decoder.h"

#define STREAMS_MAX 256

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

static void
must(bool ok, const Error *error)
{
	if (ok)
		return;
	fprintf(stderr, "bench-decode: %s\n", error->message);
	exit(1);
}

static int
number(char **argv, int argc, int i, int otherwise)
{
	return i < argc ? atoi(argv[i]) : otherwise;
}

/* Bytes of the matrices and vectors that a step reads; a table's rows are few. */
static double
weight_bytes(const Image *image)
{
	double bytes = 0.0;

	for (int i = 0; i < image->n_sections; i++)
		if (image->sections[i].type == SECTION_MATRIX || image->sections[i].type == SECTION_VECTOR)
			bytes += (double) image->sections[i].size;
	return bytes;
}

int
main(int argc, char **argv)
{
	static Decoding *decodings[STREAMS_MAX];
	int				 streams = number(argv, argc, 2, 1), n_prompt = number(argv, argc, 3, 32);
	int	  n_new = number(argv, argc, 4, 64), threads = number(argv, argc, 5, team_default_size());
	Image image;
	Model model;
	Error error;
	Isa	  isa = ISA_AUTO;
	const Kernels	 *kernels;
	Team			 *team = team_create(threads, NULL, &error);
	Decoder			 *decoder;
	double			  start, decode_start, end;
	int				  steps = 0;
	GenerationOptions options;

	if (argc < 2 || streams < 1 || streams > STREAMS_MAX)
	{
		fprintf(stderr, "usage: bench-decode IMAGE [streams [prompt [new [threads [isa]]]]]\n");
		return 2;
	}
	kernels = argc <= 6 || isa_from_name(argv[6], &isa) ? kernels_select(isa, &error) : NULL;
	must(kernels != NULL && team != NULL, &error);
	must(image_open(&image, argv[1], &error), &error);
	must(model_open(&model, &image, kernels, &error), &error);
	decoder = decoder_create(team, (size_t) 8 << 30, DECODER_PAGE_TOKENS, &error);
	must(decoder != NULL, &error);
	generation_options_init(&options);
	/* those that are first go on until the last has begun */
	options.max_new_tokens = options.min_new_tokens = n_new + 1 + streams * (n_prompt / 128 + 2);
	for (int i = 0; i < streams; i++)
	{
		int32_t		  *prompt = malloc((size_t) n_prompt * sizeof *prompt);
		DecodingInputs inputs = {.model = &model,
								 .generation = {.options = &options,
												.prompt = prompt,
												.n_prompt = n_prompt,
												.n_vocab = head_outputs(&model),
												.kernels = kernels}};

		for (int j = 0; j < n_prompt; j++)
			prompt[j] =
				(17 * (i * n_prompt + j) * (i + j) + 31 * j) % (model.vocab_size - 100) + 50;
		must(decoder_begin(decoder, &inputs, &decodings[i], &error) && decodings[i] != NULL,
			 &error);
	}
	start = seconds();
	for (bool all = false; !all;)
	{
		must(decoder_step(decoder, decodings, streams, NULL, &error), &error);
		all = true;
		for (int i = 0; i < streams; i++)
			all &= decodings[i]->n_prompt_done == n_prompt;
	}
	decode_start = seconds();
	for (; steps < n_new; steps++)
		must(decoder_step(decoder, decodings, streams, NULL, &error), &error);
	end = seconds();
	printf("%d streams, %d + %d tokens, %d threads, %s: prompts %.0f tokens/s, decoding %.1f "
		   "tokens/s, "
		   "%.2f ms a step, %.1f GB/s of weights\n",
		   streams, n_prompt, n_new, threads, kernels->name,
		   streams * n_prompt / (decode_start - start), streams * steps / (end - decode_start),
		   (end - decode_start) / steps * 1e3,
		   weight_bytes(&image) * steps / (end - decode_start) * 1e-9);
	return 0;
}
