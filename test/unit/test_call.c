/*
 * test_call.c: arguments that do not go together, and the shapes that they may have.
 *
 * What Transformers refuses is in test/reference/families; here is what else a caller can do.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "task/forward.h"
#include "test_models.h"

#define COUNT(array) ((int) (sizeof(array) / sizeof *(array)))
#define INT(name, value)                                                                           \
	{                                                                                              \
		.key = name, .type = PARAM_INT, .integer = value, .number = value                          \
	}
#define STRING(name, value)                                                                        \
	{                                                                                              \
		.key = name, .type = PARAM_STRING, .string = value                                         \
	}

static const int32_t ids[64] = {1, 2, 3, 4, 5, 6};
static const float	 ones[64] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
static const double	 labels[8] = {0, 1, 0, 1, 0, 1};

/* A small BERT of a class. */
static void
open_class(TestModel *test, const char *architecture)
{
	char			  list[100];
	const ConfigParam config[] = {{.key = "architectures", .type = PARAM_LIST, .string = list},
								  INT("hidden_size", 8),
								  INT("intermediate_size", 8),
								  INT("max_position_embeddings", 6),
								  STRING("model_type", "bert"),
								  INT("num_attention_heads", 2),
								  INT("num_hidden_layers", 3),
								  INT("vocab_size", 9)};
	Error			  error;

	snprintf(list, sizeof list, "[\"%s\"]", architecture);
	test_model_open(test, config, COUNT(config), PRECISION_FP32, false,
					kernels_select(ISA_AUTO, &error));
}

static void
refuse(const TestModel *test, const ForwardInputs *inputs, const char *message)
{
	ForwardOutputs outputs;
	Error		   error;

	if (forward_plan(&test->model, inputs, &outputs, &error))
		fail_msg("\"%s\" is not refused", message);
	assert_string_equal(error.message, message);
	assert_int_equal(forward_workspace(&test->model, inputs, 1), 0);
}

static void
accept(const TestModel *test, const ForwardInputs *inputs, ForwardOutputs *outputs)
{
	Error error;

	TEST_MUST(forward_plan(&test->model, inputs, outputs, &error), error);
	assert_true(forward_workspace(&test->model, inputs, 2) > 0);
}

static void
shapes_must_agree(void **state)
{
	TestModel			test;
	const IntArray		text = {.data = ids, .rank = 2, .dims = {2, 3}};
	const ForwardInputs plain = {.input_ids = text, .use_cache = -1};
	ForwardInputs		in;
	ForwardOutputs		out;
	(void) state;

	open_class(&test, "BertModel");
	accept(&test, &plain, &out);
	assert_int_equal(out.last_hidden_state.rank, 3);
	assert_int_equal(out.last_hidden_state.n, 2 * 3 * 8);
	assert_int_equal(out.pooler_output.n, 0);
	assert_int_equal(out.past_size, 0);
	in = plain;
	in.input_ids.rank = 0;
	refuse(
		&test, &in,
		"input_ids has the shape [0], but BertModel takes 2 dimensions, or 1 for a batch of one");
	in.input_ids.rank = 3;
	refuse(&test, &in,
		   "input_ids has the shape [2][3][0], but BertModel takes 2 dimensions, or 1 for a batch "
		   "of one");
	in = plain;
	in.input_ids.dims[1] = 0;
	refuse(&test, &in, "input_ids has a dimension of 0");
	in = plain;
	in.token_type_ids = (IntArray){.data = ids, .rank = 1, .dims = {3}};
	refuse(&test, &in, "token_type_ids has the shape [3], but must have [2][3]");
	in.token_type_ids = (IntArray){.data = ids};
	refuse(&test, &in, "token_type_ids has the shape [0], but must have [2][3]");
	in = plain;
	in.attention_mask = (FloatArray){.data = ones, .rank = 3, .dims = {2, 2, 3}};
	refuse(&test, &in, "attention_mask has the shape [2][2][3], but must have [2][3][3]");
	in.attention_mask.dims[1] = 3;
	accept(&test, &in, &out);
	in = plain;
	in.head_mask = (FloatArray){.data = ones, .rank = 1, .dims = {3}};
	refuse(&test, &in, "head_mask has the shape [3], but must have [3][2] or [2]");
	in = plain;
	in.input_ids.data = NULL;
	in.inputs_embeds = (FloatArray){.data = ones, .rank = 2, .dims = {3, 7}};
	refuse(&test, &in, "inputs_embeds are 7 numbers wide, but the model's embeddings 8");
	in.inputs_embeds.dims[1] = 8;
	accept(&test, &in, &out);
	assert_int_equal(out.last_hidden_state.dims[0], 1);
	test_model_close(&test);
}

static void
values_must_make_sense(void **state)
{
	const float			halves[6] = {1.0f, 0.5f, 1.5f}, bad[24] = {0.0f, NAN};
	TestModel			test;
	const IntArray		text = {.data = ids, .rank = 1, .dims = {3}};
	const ForwardInputs plain = {.input_ids = text, .use_cache = -1};
	ForwardInputs		in = plain;
	(void) state;

	open_class(&test, "BertModel");
	in.attention_mask = (FloatArray){.data = halves, .rank = 1, .dims = {3}};
	refuse(&test, &in, "attention_mask has the value 1.5, not 0, 1 or between");
	in = plain;
	in.head_mask = (FloatArray){.data = bad, .rank = 1, .dims = {2}};
	refuse(&test, &in, "head_mask has the value nan, which is not finite");
	in = plain;
	in.input_ids.data = NULL;
	in.inputs_embeds = (FloatArray){.data = bad, .rank = 2, .dims = {3, 8}};
	refuse(&test, &in, "inputs_embeds has the value nan, which is not finite");
	in = plain;
	in.past = (const uint8_t *) ids;
	in.past_size = 12;
	refuse(&test, &in, "BertModel takes no past");
	in = plain;
	in.input_shape_ids = text;
	refuse(&test, &in, "BertModel takes no input_shape_ids");
	in = plain;
	in.attack_input_ids = text;
	refuse(&test, &in, "BertModel takes no attack_input_ids");
	in = plain;
	in.start_positions = text;
	refuse(&test, &in, "BertModel takes no start_positions");
	test_model_close(&test);
}

static void
labels_must_fit_the_head(void **state)
{
	const double	  fractions[2] = {0.5, 1.0}, infinite[4] = {0, INFINITY};
	const IntArray	  text = {.data = ids, .rank = 2, .dims = {2, 3}};
	const DoubleArray two = {.data = labels, .rank = 1, .dims = {2}};
	const IntArray	  pairs = {.data = ids, .rank = 1, .dims = {2}};
	ForwardInputs	  in = {.input_ids = text, .labels = two, .use_cache = -1};
	ForwardOutputs	  out;
	TestModel		  test;
	(void) state;

	open_class(&test, "BertForSequenceClassification");
	accept(&test, &in, &out);
	assert_true(out.has_loss);
	in.labels.data = fractions;
	refuse(&test, &in, "label 0.5 in labels is neither a whole number between 0 and 1 nor -100");
	in.labels = (DoubleArray){.data = infinite, .rank = 2, .dims = {2, 2}};
	refuse(&test, &in, "label inf in labels is not finite");
	in.labels = (DoubleArray){.data = labels, .rank = 2, .dims = {2, 3}};
	refuse(&test, &in, "labels has the shape [2][3], but must have [2]");
	in.labels = (DoubleArray){.data = labels, .rank = 2, .dims = {2, 1}};
	accept(&test, &in, &out);
	in.encoder_hidden_states = (FloatArray){.data = ones, .rank = 3, .dims = {2, 1, 8}};
	refuse(&test, &in, "BertForSequenceClassification takes no encoder_hidden_states");
	test_model_close(&test);
	open_class(&test, "BertForNextSentencePrediction");
	in = (ForwardInputs){.input_ids = text, .labels = two, .next_sentence_label = pairs};
	refuse(&test, &in,
		   "label 2 in next_sentence_label is neither a whole number between 0 and 1 nor -100");
	in.next_sentence_label.data = ids + 60;
	refuse(&test, &in, "labels and next_sentence_label are both given, but only one can be");
	test_model_close(&test);
	open_class(&test, "BertForMultipleChoice");
	in = (ForwardInputs){.input_ids = text, .labels = {.data = labels, .rank = 1, .dims = {1}}};
	accept(&test, &in, &out);
	assert_int_equal(out.logits.rank, 2);
	assert_int_equal(out.logits.dims[1], 2);
	in.input_ids.rank = 1;
	refuse(&test, &in,
		   "input_ids has the shape [2], but BertForMultipleChoice takes 3 dimensions, or 2 for a "
		   "batch of one");
	test_model_close(&test);
}

static void
outputs_must_be_those_planned(void **state)
{
	ForwardInputs  in = {.input_ids = {.data = ids, .rank = 1, .dims = {3}}, .use_cache = -1};
	ForwardOutputs out;
	Workspace	   workspace = {.base = aligned_alloc(64, 64), .size = 64};
	float		   values[3 * 8];
	Crew		   alone = crew_alone(NULL);
	TestModel	   test;
	Error		   error;
	(void) state;

	open_class(&test, "BertModel");
	accept(&test, &in, &out);
	assert_false(forward_run(&test.model, &in, &workspace, &alone, &out, &error));
	assert_string_equal(error.message, "the outputs are not those of these inputs' plan");
	out.last_hidden_state.data = values;
	assert_false(forward_run(&test.model, &in, &workspace, &alone, &out, &error));
	assert_int_equal(error.code, ERR_MEMORY);
	free(workspace.base);
	test_model_close(&test);
}

static void
a_cancelled_call_stops(void **state)
{
	atomic_bool	   cancel = true;
	ForwardInputs  in = {.input_ids = {.data = ids, .rank = 1, .dims = {3}}, .use_cache = -1};
	Crew		   crew = crew_alone(&cancel);
	float		   values[3 * 8];
	ForwardOutputs out;
	Workspace	   workspace;
	TestModel	   test;
	Error		   error;
	(void) state;

	open_class(&test, "BertModel");
	accept(&test, &in, &out);
	out.last_hidden_state.data = values;
	workspace.size = forward_workspace(&test.model, &in, 1);
	workspace.base = aligned_alloc(64, (workspace.size + 63) / 64 * 64);
	assert_false(forward_run(&test.model, &in, &workspace, &crew, &out, &error));
	assert_int_equal(error.code, ERR_CANCELLED);
	free(workspace.base);
	test_model_close(&test);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes_must_agree),		cmocka_unit_test(values_must_make_sense),
		cmocka_unit_test(labels_must_fit_the_head), cmocka_unit_test(outputs_must_be_those_planned),
		cmocka_unit_test(a_cancelled_call_stops),
	};

	return cmocka_run_group_tests_name("call", tests, NULL, NULL);
}
