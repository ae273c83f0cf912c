/*
 * test_decoder.c: many generations at once give what each alone gives.
 *
 * Alone is the simplest way: a whole prompt, then one sequence after the other, each with a cache that
 * has no pages, copied whole when sequences part.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "task/decoder.h"
#include "test_models.h"

#define VOCAB 43
#define MOST_PROMPT 300
#define MOST_NEW 20
#define MOST_SEQUENCES 4
#define REQUESTS 7
#define CACHE ((size_t) 64 << 20)
#define COUNT(array) ((int) (sizeof(array) / sizeof *(array)))

#define CLASS(name)                                                                                \
	{                                                                                              \
		.key = "architectures", .type = PARAM_LIST, .string = "[\"" name "\"]"                     \
	}
#define INT(name, value)                                                                           \
	{                                                                                              \
		.key = name, .type = PARAM_INT, .integer = value, .number = value                          \
	}
#define BOOL(name, value)                                                                          \
	{                                                                                              \
		.key = name, .type = PARAM_BOOL, .integer = value                                          \
	}
#define STRING(name, value)                                                                        \
	{                                                                                              \
		.key = name, .type = PARAM_STRING, .string = value                                         \
	}

#define SIZES                                                                                      \
	INT("hidden_size", 32), INT("intermediate_size", 52), BOOL("is_decoder", 1),                   \
		INT("max_position_embeddings", 400)

static const ConfigParam opt[] = {
	CLASS("OPTForCausalLM"),	   INT("ffn_dim", 50),
	INT("hidden_size", 60),		   INT("max_position_embeddings", 400),
	STRING("model_type", "opt"),   INT("num_attention_heads", 3),
	INT("num_hidden_layers", 2),   INT("vocab_size", VOCAB),
	INT("word_embed_proj_dim", 33)};
static const ConfigParam bert[] = {
	CLASS("BertLMHeadModel"),	  SIZES,
	STRING("model_type", "bert"), INT("num_attention_heads", 4),
	INT("num_hidden_layers", 2),  STRING("position_embedding_type", "relative_key_query"),
	INT("vocab_size", VOCAB)};
static const ConfigParam roberta[] = {CLASS("RobertaPreLayerNormForCausalLM"),
									  SIZES,
									  STRING("model_type", "roberta-prelayernorm"),
									  INT("num_attention_heads", 4),
									  INT("num_hidden_layers", 2),
									  INT("vocab_size", VOCAB)};
static const ConfigParam roberta_relative[] = {CLASS("RobertaPreLayerNormForCausalLM"),
											   SIZES,
											   STRING("model_type", "roberta-prelayernorm"),
											   INT("num_attention_heads", 4),
											   INT("num_hidden_layers", 2),
											   STRING("position_embedding_type", "relative_key"),
											   INT("vocab_size", VOCAB)};
static const ConfigParam roc_bert[] = {CLASS("RoCBertForCausalLM"),
									   BOOL("concat_input", 0),
									   SIZES,
									   STRING("model_type", "roc_bert"),
									   INT("num_attention_heads", 4),
									   INT("num_hidden_layers", 2),
									   INT("pronunciation_embed_dim", 32),
									   INT("pronunciation_vocab_size", VOCAB),
									   INT("shape_embed_dim", 32),
									   INT("shape_vocab_size", VOCAB),
									   INT("vocab_size", VOCAB)};
static const ConfigParam roformer[] = {
	CLASS("RoFormerForCausalLM"),	  SIZES,
	STRING("model_type", "roformer"), INT("num_attention_heads", 4),
	INT("num_hidden_layers", 2),	  BOOL("rotary_value", 1),
	INT("vocab_size", VOCAB)};
static const ConfigParam mega[] = {
	CLASS("MegaForCausalLM"),	   BOOL("bidirectional", 0),
	INT("ema_projection_size", 5), INT("hidden_size", 36),
	INT("intermediate_size", 44),  BOOL("is_decoder", 1),
	INT("max_positions", 400),	   STRING("model_type", "mega"),
	INT("num_hidden_layers", 2),   INT("shared_representation_size", 12),
	INT("vocab_size", VOCAB)};
static const ConfigParam mega_laplace[] = {CLASS("MegaForCausalLM"),
										   STRING("attention_activation", "laplace"),
										   BOOL("bidirectional", 0),
										   INT("ema_projection_size", 3),
										   INT("hidden_size", 36),
										   INT("intermediate_size", 44),
										   BOOL("is_decoder", 1),
										   INT("max_positions", 400),
										   STRING("model_type", "mega"),
										   INT("num_hidden_layers", 2),
										   STRING("relative_positional_bias", "simple"),
										   INT("shared_representation_size", 12),
										   INT("vocab_size", VOCAB)};

static const struct
{
	const char		  *name;
	const ConfigParam *items;
	int				   n;
} subjects[] = {
	{"opt", opt, COUNT(opt)},
	{"bert", bert, COUNT(bert)},
	{"roberta", roberta, COUNT(roberta)},
	{"roberta, relative", roberta_relative, COUNT(roberta_relative)},
	{"roc_bert", roc_bert, COUNT(roc_bert)},
	{"roformer", roformer, COUNT(roformer)},
	{"mega", mega, COUNT(mega)},
	{"mega, laplace", mega_laplace, COUNT(mega_laplace)},
};

/* ---- requests ---- */

typedef struct Request
{
	int32_t			  prompt[MOST_PROMPT];
	GenerationOptions options;
	DecodingInputs	  inputs;
} Request;

/* What is generated. */
typedef struct Answer
{
	int		n;
	int		lengths[MOST_SEQUENCES];
	int32_t ids[MOST_SEQUENCES][MOST_NEW];
	float	logprobs[MOST_SEQUENCES][MOST_NEW], scores[MOST_SEQUENCES];
} Answer;

static const struct
{
	int	  n_prompt, n_new, beams, returned;
	float temperature;
} kinds[REQUESTS] = {
	{1, 20, 1, 1, 0},	{300, 9, 1, 1, 0}, {37, 20, 4, 2, 0},  {16, 20, 1, 3, 1.5f},
	{290, 12, 3, 3, 0}, {48, 1, 1, 1, 0},  {150, 20, 1, 2, 1},
};

/* Prompts begin alike, as far as common says; some of their tokens are padding. */
static void
make_request(Request *request, const Model *model, int kind, int common, uint64_t seed)
{
	static const int32_t eos = 5;
	uint64_t			 first = 17;

	for (int i = 0; i < MOST_PROMPT; i++)
		request->prompt[i] =
			(int32_t) ((test_random(i < common ? &first : &seed) + 1.0f) / 2.0f * VOCAB);
	generation_options_init(&request->options);
	request->options.max_new_tokens = kinds[kind].n_new;
	request->options.num_beams = kinds[kind].beams;
	request->options.num_return_sequences = kinds[kind].returned;
	request->options.temperature = kinds[kind].temperature;
	request->options.seed = 99 + (uint64_t) kind;
	request->options.n_eos = 1;
	request->options.eos_token_ids = &eos;
	request->inputs = (DecodingInputs){.model = model,
									   .generation = {.options = &request->options,
													  .prompt = request->prompt,
													  .n_prompt = kinds[kind].n_prompt,
													  .n_vocab = VOCAB,
													  .kernels = model->kernels}};
	if (model->shape_vocab_size > 0 && kind % 3 != 0)
	{
		request->inputs.shape_ids = request->prompt;
		request->inputs.pronunciation_ids = kind % 3 == 1 ? request->prompt : NULL;
	}
}

static void
take_answer(const Generation *generation, Answer *answer)
{
	*answer = (Answer){.n = generation_n_sequences(generation)};
	assert_in_range(answer->n, 1, MOST_SEQUENCES);
	for (int i = 0; i < answer->n; i++)
	{
		GeneratedSequence sequence = generation_sequence(generation, i);

		assert_in_range(sequence.n, 1, MOST_NEW);
		answer->lengths[i] = sequence.n;
		answer->scores[i] = sequence.score;
		for (int j = 0; j < sequence.n; j++)
		{
			answer->ids[i][j] = sequence.ids[j];
			answer->logprobs[i][j] = sequence.logprobs != NULL ? sequence.logprobs[j] : 0.0f;
		}
	}
}

/* ---- alone ---- */

/* Tokens behind a cache by one thread; the last one's logits. */
static void
forward_alone(const Request *request, Cache *cache, const int32_t *ids, int n, float *logits)
{
	const DecodingInputs *inputs = &request->inputs;
	const Model			 *model = inputs->model;
	int32_t				  offsets[2] = {0, n}, last = n - 1;
	int					  glyph = cache->length > 0 ? inputs->generation.n_prompt - 1 : 0;
	Crew				  crew = crew_alone(NULL);
	Output				  output;
	Workspace			  workspace;
	Batch				  batch = {.n_seqs = 1,
								   .n_tokens = n,
								   .offsets = offsets,
								   .input_ids = ids,
								   .caches = cache,
								   .max_keys = cache->length + n,
								   .logits = logits,
								   .n_logit_tokens = 1,
								   .logit_tokens = &last};

	if (inputs->shape_ids != NULL)
		batch.shape_ids = inputs->shape_ids + glyph;
	if (inputs->pronunciation_ids != NULL)
		batch.pronunciation_ids = inputs->pronunciation_ids + glyph;
	workspace.size = model->family->workspace(model, &batch, 1);
	workspace.base = aligned_alloc(64, (workspace.size + 63) / 64 * 64);
	memset(workspace.base, 0xFF, workspace.size);
	assert_true(model_forward(model, &batch, &workspace, &crew, &output));
	free(workspace.base);
}

static void
generate_alone(const Request *request, Answer *answer)
{
	const DecodingInputs *inputs = &request->inputs;
	const CacheLayout	 *layout = &inputs->model->cache;
	int					  capacity = inputs->generation.n_prompt + MOST_NEW;
	size_t				  size = cache_floats(layout, capacity, 0) * sizeof(float);
	size_t		scratch_size = (generation_scratch(&inputs->generation) + 63) / 64 * 64 + 64;
	size_t		memory_size = (generation_size(&inputs->generation) + 63) / 64 * 64;
	void	   *scratch = aligned_alloc(64, scratch_size), *memory = aligned_alloc(64, memory_size);
	Cache		caches[MOST_SEQUENCES], next[MOST_SEQUENCES];
	float		logits[MOST_SEQUENCES][VOCAB];
	Arena		arena;
	Error		error;
	Generation *generation = generation_create(&inputs->generation, memory);

	arena_init(&arena, 0);
	for (int i = 0; i < MOST_SEQUENCES; i++)
	{
		caches[i] = (Cache){.data = malloc(size), .capacity = capacity};
		next[i] = (Cache){.data = malloc(size), .capacity = capacity};
	}
	forward_alone(request, &caches[0], request->prompt, inputs->generation.n_prompt, logits[0]);
	for (;;)
	{
		const GenerationMove *moves;
		int					  n;

		TEST_MUST(generation_step(generation, logits[0], VOCAB, scratch, &arena, &error), error);
		n = generation_n_live(generation);
		moves = generation_moves(generation);
		assert_in_range(n, 0, MOST_SEQUENCES);
		if (n == 0)
			break;
		for (int i = 0; i < n; i++)
		{
			memcpy(next[i].data, caches[moves[i].parent].data, size);
			next[i].length = caches[moves[i].parent].length;
		}
		for (int i = 0; i < n; i++)
		{
			Cache other = caches[i];

			caches[i] = next[i];
			next[i] = other;
			forward_alone(request, &caches[i], &moves[i].token, 1, logits[i]);
		}
	}
	take_answer(generation, answer);
	for (int i = 0; i < MOST_SEQUENCES; i++)
	{
		free(caches[i].data);
		free(next[i].data);
	}
	arena_free(&arena);
	free(scratch);
	free(memory);
}

/* ---- together ---- */

/* Requests that begin one after the other, each `apart` steps later, until all have ended. */
static void
generate_together(Decoder *decoder, const Request *requests, int n, int apart, Answer *answers,
				  int *shared)
{
	Decoding *running[REQUESTS], *decoding;
	int		  which[REQUESTS], n_running = 0, begun = 0;
	Error	  error;

	for (int step = 0; n_running > 0 || begun < n; step++)
	{
		int step_tokens = 0;

		while (begun < n && step >= begun * apart)
		{
			TEST_MUST(decoder_begin(decoder, &requests[begun].inputs, &decoding, &error), error);
			assert_non_null(decoding);
			running[n_running] = decoding;
			which[n_running++] = begun++;
		}
		if (n_running == 0)
			continue;
		TEST_MUST(decoder_step(decoder, running, n_running, NULL, &error), error);
		assert_true(decoder_step_tokens(decoder) > 0);
		for (int i = 0; i < n_running; i++)
			step_tokens += running[i]->n_step_tokens;
		assert_int_equal(step_tokens, decoder_step_tokens(decoder));
		for (int i = n_running - 1; i >= 0; i--)
		{
			if (!running[i]->finished)
				continue;
			TEST_MUST(running[i]->error.code == ERR_NONE, running[i]->error);
			take_answer(running[i]->generation, &answers[which[i]]);
			shared[which[i]] = running[i]->n_shared;
			decoder_end(decoder, running[i]);
			n_running--;
			memmove(&running[i], &running[i + 1], (size_t) (n_running - i) * sizeof *running);
			memmove(&which[i], &which[i + 1], (size_t) (n_running - i) * sizeof *which);
		}
	}
	assert_int_equal(page_pool_reserved(decoder_pages(decoder)), 0);
	assert_int_equal(page_pool_held(decoder_pages(decoder)), 0);
}

static void
open_subject(TestModel *test, int i, Precision precision)
{
	Error		   error;
	const Kernels *kernels = kernels_select(ISA_AUTO, &error);

	TEST_MUST(kernels != NULL, error);
	test_model_open(test, subjects[i].items, subjects[i].n, precision, true, kernels);
}

static void
assert_same_answers(const char *name, int setting, const Answer *alone, const Answer *together)
{
	for (int i = 0; i < REQUESTS; i++)
		if (memcmp(&alone[i], &together[i], sizeof *alone) != 0)
			fail_msg("%s: request %d differs in setting %d", name, i, setting);
}

static void
together_is_as_alone(void **state)
{
	static const struct
	{
		int threads, page_tokens, apart, common;
	} settings[] = {
		{1, 32, 0, 0}, {3, 32, 2, 100}, {2, 96, 1, 130}, {1, 32, 3, 40}, {2, 64, 4, 300}};
	static Request requests[REQUESTS];
	static Answer  alone[REQUESTS], together[REQUESTS];
	int			   shared[REQUESTS];
	(void) state;

	for (int s = 0; s < COUNT(subjects); s++)
		for (int i = 0; i < COUNT(settings); i++)
		{
			Error	  error;
			Team	 *team = team_create(settings[i].threads, NULL, &error);
			Decoder	 *decoder = decoder_create(team, CACHE, settings[i].page_tokens, &error);
			TestModel test;

			open_subject(&test, s, i % 2 == 0 ? PRECISION_FP32 : PRECISION_INT8);
			for (int kind = 0; kind < REQUESTS; kind++)
			{
				make_request(&requests[kind], &test.model, kind, settings[i].common,
							 1000 + (uint64_t) kind);
				generate_alone(&requests[kind], &alone[kind]);
			}
			generate_together(decoder, requests, REQUESTS, settings[i].apart, together, shared);
			assert_same_answers(subjects[s].name, i, alone, together);
			generate_together(decoder, requests, REQUESTS, 0, together, shared);
			assert_same_answers(subjects[s].name, i, alone, together);
			assert_true(shared[1] > 0); /* its own prompt, a second time */
			decoder_free(decoder);
			team_destroy(team);
			test_model_close(&test);
		}
}

/* Prompts that begin alike are computed once, also when they come at the same time. */
static void
common_beginnings_are_computed_once(void **state)
{
	static Request requests[REQUESTS];
	static Answer  answers[REQUESTS];
	int			   shared[REQUESTS], first = 0;
	Error		   error;
	Team		  *team = team_create(2, NULL, &error);
	(void) state;

	for (int s = 0; s < COUNT(subjects); s++)
	{
		Decoder	 *decoder = decoder_create(team, CACHE, DECODER_PAGE_TOKENS, &error);
		TestModel test;

		open_subject(&test, s, PRECISION_FP32);
		for (int i = 0; i < REQUESTS; i++)
		{
			make_request(&requests[i], &test.model, 1, 200, 1000 + (uint64_t) i);
			requests[i].inputs.shape_ids = requests[i].inputs.pronunciation_ids = NULL;
		}
		generate_together(decoder, requests, REQUESTS, 0, answers, shared);
		first = 0;
		for (int i = 0; i < REQUESTS; i++)
			first += shared[i] == 0;
		assert_int_equal(first, 1);
		for (int i = 0; i < REQUESTS; i++)
			if (shared[i] > 0)
				assert_in_range(shared[i], 128, 192);
		decoder_free(decoder);
		test_model_close(&test);
	}
	team_destroy(team);
}

/* ---- memory ---- */

static void
what_does_not_fit_waits(void **state)
{
	static Request requests[2];
	Decoding	  *first, *second;
	Error		   error;
	Team		  *team = team_create(1, NULL, &error);
	Decoder		  *decoder = decoder_create(team, CACHE, DECODER_PAGE_TOKENS, &error);
	size_t		   need;
	TestModel	   test;
	(void) state;

	open_subject(&test, 0, PRECISION_FP32);
	make_request(&requests[0], &test.model, 2, 0, 1);
	make_request(&requests[1], &test.model, 4, 0, 2);
	need = decoder_bytes(decoder, &requests[1].inputs);
	assert_true(need > decoder_bytes(decoder, &requests[0].inputs));
	page_pool_set_limit(decoder_pages(decoder), need);
	TEST_MUST(decoder_begin(decoder, &requests[0].inputs, &first, &error), error);
	assert_non_null(first);
	TEST_MUST(decoder_begin(decoder, &requests[1].inputs, &second, &error), error);
	assert_null(second);
	TEST_MUST(decoder_step(decoder, &first, 1, NULL, &error), error);
	decoder_end(decoder, first);
	assert_int_equal(page_pool_held(decoder_pages(decoder)), 0);
	TEST_MUST(decoder_begin(decoder, &requests[1].inputs, &second, &error), error);
	assert_non_null(second);
	while (!second->finished)
		TEST_MUST(decoder_step(decoder, &second, 1, NULL, &error), error);
	TEST_MUST(second->error.code == ERR_NONE, second->error);
	decoder_end(decoder, second);

	page_pool_set_limit(decoder_pages(decoder), need - 1);
	assert_false(decoder_begin(decoder, &requests[1].inputs, &second, &error));
	assert_int_equal(error.code, ERR_LIMIT);
	decoder_forget(decoder, &test.model);
	decoder_free(decoder);
	team_destroy(team);
	test_model_close(&test);
}

static void
more_than_the_model_has_is_refused(void **state)
{
	static Request request;
	Decoding	  *decoding;
	Error		   error;
	Team		  *team = team_create(1, NULL, &error);
	Decoder		  *decoder = decoder_create(team, CACHE, DECODER_PAGE_TOKENS, &error);
	TestModel	   test;
	(void) state;

	open_subject(&test, 0, PRECISION_FP32);
	make_request(&request, &test.model, 1, 0, 1);
	request.options.max_new_tokens = 102;
	assert_false(decoder_begin(decoder, &request.inputs, &decoding, &error));
	assert_int_equal(error.code, ERR_LIMIT);
	assert_string_equal(
		error.message,
		"300 tokens of a prompt and 102 new ones exceed the 400 positions of the model");
	request.options.max_new_tokens = 101;
	TEST_MUST(decoder_begin(decoder, &request.inputs, &decoding, &error), error);
	decoder_end(decoder, decoding);
	request.prompt[7] = VOCAB;
	assert_false(decoder_begin(decoder, &request.inputs, &decoding, &error));
	assert_int_equal(error.code, ERR_ARGUMENT);
	decoder_free(decoder);
	team_destroy(team);
	test_model_close(&test);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(together_is_as_alone),
		cmocka_unit_test(common_beginnings_are_computed_once),
		cmocka_unit_test(what_does_not_fit_waits),
		cmocka_unit_test(more_than_the_model_has_is_refused),
	};

	return cmocka_run_group_tests_name("decoder", tests, NULL, NULL);
}
