/*
 * test_model.c: configs, classes, the names of tensors, batches.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>

#include "test_models.h"

#define INT(name, value)                                                                           \
	{                                                                                              \
		.key = name, .type = PARAM_INT, .integer = value, .number = value                          \
	}
#define STRING(name, value)                                                                        \
	{                                                                                              \
		.key = name, .type = PARAM_STRING, .string = value                                         \
	}
#define LIST(name, value)                                                                          \
	{                                                                                              \
		.key = name, .type = PARAM_LIST, .string = value                                           \
	}
#define COUNT(array) ((int) (sizeof(array) / sizeof *(array)))

/* Configures, expecting failure with this code and text; the text may be the beginning of the
 * message. */
static void
refuse(const ConfigParam *items, int n, const char *architecture, ErrorCode code,
	   const char *message)
{
	Params params = {items, n};
	Model  model;
	Error  error;

	assert_false(model_configure(&model, &params, architecture, &error));
	assert_int_equal(error.code, code);
	if (strncmp(error.message, message, strlen(message)) != 0)
		fail_msg("\"%s\" is not \"%s\"", error.message, message);
	model_close(&model);
}

static void
defaults_are_bert_base(void **state)
{
	const ConfigParam items[] = {STRING("model_type", "bert")};
	Params			  params = {items, 1};
	Model			  model;
	Error			  error;
	(void) state;

	TEST_MUST(model_configure(&model, &params, NULL, &error), error);
	assert_ptr_equal(model.family, &family_bert);
	assert_string_equal(model.architecture, "BertModel");
	assert_int_equal(model.head, HEAD_BASE);
	assert_int_equal(model.hidden_size, 768);
	assert_int_equal(model.n_layers, 12);
	assert_int_equal(model.vocab_size, 30522);
	assert_int_equal(model.type_vocab_size, 2);
	assert_int_equal(model.max_tokens, 512);
	assert_int_equal(model.n_positions, 512);
	model_close(&model);
}

static void
class_is_the_options_then_the_configs_then_the_base(void **state)
{
	const ConfigParam with_head[] = {LIST("architectures", "[\"BertForMaskedLM\", \"Other\"]"),
									 STRING("model_type", "bert")};
	const ConfigParam without_type[] = {LIST("architectures", "[ \"BertModel\" ]")};
	const ConfigParam empty_list[] = {LIST("architectures", "[]"), STRING("model_type", "bert")};
	const ConfigParam custom[] = {LIST("architectures", "[\"MyBert\"]"),
								  STRING("model_type", "bert")};
	const ConfigParam broken[] = {LIST("architectures", "[\"Bert"), STRING("model_type", "bert")};
	const ConfigParam unknown[] = {STRING("model_type", "gpt9")};
	Params			  params = {with_head, 2};
	Model			  model;
	Error			  error;
	(void) state;

	TEST_MUST(model_configure(&model, &params, NULL, &error), error);
	assert_int_equal(model.head, HEAD_MASKED_LM);
	model_close(&model);
	TEST_MUST(model_configure(&model, &params, "BertModel", &error), error);
	assert_int_equal(model.head, HEAD_BASE);
	model_close(&model);
	params = (Params){without_type, 1};
	TEST_MUST(model_configure(&model, &params, NULL, &error), error);
	assert_ptr_equal(model.family, &family_bert);
	model_close(&model);
	params = (Params){empty_list, 2};
	TEST_MUST(model_configure(&model, &params, NULL, &error), error);
	assert_string_equal(model.architecture, "BertModel");
	model_close(&model);
	refuse(custom, 2, NULL, ERR_UNSUPPORTED,
		   "architecture \"MyBert\" is not one of model type \"bert\"");
	refuse(broken, 2, NULL, ERR_DATA, "config.json: \"architectures\" is no list of names");
	refuse(unknown, 1, NULL, ERR_UNSUPPORTED, "model type \"gpt9\" is not supported");
	refuse(NULL, 0, NULL, ERR_DATA, "config.json has neither \"model_type\" nor \"architectures\"");
	refuse(NULL, 0, "GptNine", ERR_UNSUPPORTED, "architecture \"GptNine\" is not supported");
}

static void
every_class_has_a_family_and_a_head(void **state)
{
	(void) state;
	for (const Family *const *family = families; *family != NULL; family++)
	{
		assert_ptr_equal(family_find((*family)->model_type), *family);
		assert_int_equal((*family)->architectures[0].head, HEAD_BASE);
		for (const Architecture *item = (*family)->architectures; item->name != NULL; item++)
			assert_string_not_equal(head_name(item->head), "unknown");
	}
	assert_null(family_find("gpt9"));
	assert_string_equal(head_name(HEAD_QUESTION_ANSWERING), "question_answering");
}

static void
numbers_that_do_not_go_together_are_refused(void **state)
{
	const ConfigParam heads[] = {INT("hidden_size", 100), STRING("model_type", "bert"),
								 INT("num_attention_heads", 7)};
	const ConfigParam zero[] = {INT("hidden_size", 0), STRING("model_type", "bert")};
	const ConfigParam huge[] = {STRING("model_type", "bert"), INT("vocab_size", INT_MAX)};
	const ConfigParam eps[] = {{.key = "layer_norm_eps", .type = PARAM_DOUBLE, .number = NAN},
							   STRING("model_type", "bert")};
	const ConfigParam act[] = {STRING("hidden_act", "swoosh"), STRING("model_type", "bert")};
	const ConfigParam position[] = {STRING("model_type", "bert"),
									STRING("position_embedding_type", "rotary")};
	const ConfigParam pruned[] = {STRING("model_type", "bert"), LIST("pruned_heads.3", "[0, 2]")};
	const ConfigParam not_pruned[] = {STRING("model_type", "bert"), LIST("pruned_heads", "{}")};
	const ConfigParam type[] = {STRING("hidden_size", "many"), STRING("model_type", "bert")};
	Params			  params = {not_pruned, 2};
	Model			  model;
	Error			  error;
	(void) state;

	refuse(heads, COUNT(heads), NULL, ERR_DATA,
		   "hidden_size 100 is not a multiple of num_attention_heads 7");
	refuse(zero, COUNT(zero), NULL, ERR_DATA, "");
	refuse(huge, COUNT(huge), NULL, ERR_DATA, "");
	refuse(eps, COUNT(eps), NULL, ERR_DATA, "layer_norm_eps nan is not between 0 and 1");
	refuse(act, COUNT(act), NULL, ERR_UNSUPPORTED, "");
	refuse(position, COUNT(position), NULL, ERR_UNSUPPORTED,
		   "position_embedding_type \"rotary\" is not supported");
	refuse(pruned, COUNT(pruned), NULL, ERR_UNSUPPORTED,
		   "a model with pruned attention heads (layer 3) is not supported");
	refuse(type, COUNT(type), NULL, ERR_DATA, "");
	TEST_MUST(model_configure(&model, &params, NULL, &error), error);
	model_close(&model);
}

/* ---- the names of tensors ---- */

typedef struct ListBinder
{
	Binder binder;
	char   text[8192];
} ListBinder;

static bool
list_tensor(Binder *binder, const TensorSpec *spec, void *destination)
{
	ListBinder *list = (ListBinder *) binder;
	size_t		used = strlen(list->text);

	(void) destination;
	used += (size_t) snprintf(list->text + used, sizeof list->text - used, "%s%s =", spec->name,
							  spec->optional ? "?" : "");
	for (int i = 0; i < spec->n_parts; i++)
		used +=
			(size_t) snprintf(list->text + used, sizeof list->text - used, " %s %dx%d%s",
							  spec->parts[i], spec->rows[i], spec->columns, spec->bias ? "+b" : "");
	snprintf(list->text + used, sizeof list->text - used, "\n");
	return true;
}

static const ConfigParam small[] = {
	STRING("hidden_act", "relu"), INT("hidden_size", 8),
	INT("intermediate_size", 12), INT("max_position_embeddings", 6),
	STRING("model_type", "bert"), INT("num_attention_heads", 2),
	INT("num_hidden_layers", 1),  STRING("position_embedding_type", "absolute"),
	INT("vocab_size", 10)};

static void
tensors_have_the_checkpoints_names(void **state)
{
	ConfigParam items[COUNT(small)];
	Params		params = {items, COUNT(small)};
	ListBinder	list = {.binder = {.tensor = list_tensor}};
	Model		model;
	Error		error;
	(void) state;

	memcpy(items, small, sizeof small);
	list.binder.error = &error;
	TEST_MUST(model_configure(&model, &params, NULL, &error), error);
	TEST_MUST(model_bind(&model, &list.binder), error);
	model_close(&model);
	assert_string_equal(
		list.text,
		"embeddings.word_embeddings = embeddings.word_embeddings.weight 10x8\n"
		"embeddings.position_embeddings = embeddings.position_embeddings.weight 6x8\n"
		"embeddings.token_type_embeddings = embeddings.token_type_embeddings.weight 2x8\n"
		"embeddings.LayerNorm.weight = embeddings.LayerNorm.weight 8x1\n"
		"embeddings.LayerNorm.bias = embeddings.LayerNorm.bias 8x1\n"
		"encoder.layer.0.attention.self.query_key_value ="
		" encoder.layer.0.attention.self.query.weight 8x8+b"
		" encoder.layer.0.attention.self.key.weight 8x8+b"
		" encoder.layer.0.attention.self.value.weight 8x8+b\n"
		"encoder.layer.0.attention.output.dense = encoder.layer.0.attention.output.dense.weight "
		"8x8+b\n"
		"encoder.layer.0.attention.output.LayerNorm.weight ="
		" encoder.layer.0.attention.output.LayerNorm.weight 8x1\n"
		"encoder.layer.0.attention.output.LayerNorm.bias ="
		" encoder.layer.0.attention.output.LayerNorm.bias 8x1\n"
		"encoder.layer.0.intermediate.dense = encoder.layer.0.intermediate.dense.weight 12x8+b\n"
		"encoder.layer.0.output.dense = encoder.layer.0.output.dense.weight 8x12+b\n"
		"encoder.layer.0.output.LayerNorm.weight = encoder.layer.0.output.LayerNorm.weight 8x1\n"
		"encoder.layer.0.output.LayerNorm.bias = encoder.layer.0.output.LayerNorm.bias 8x1\n"
		"pooler.dense? = pooler.dense.weight 8x8+b\n");

	items[7].string = "relative_key";
	list.text[0] = '\0';
	TEST_MUST(model_configure(&model, &params, NULL, &error), error);
	assert_int_equal(model.n_positions, 0);
	TEST_MUST(model_bind(&model, &list.binder), error);
	model_close(&model);
	assert_null(strstr(list.text, "position_embeddings"));
	assert_non_null(strstr(list.text,
						   "encoder.layer.0.attention.self.distance_embedding ="
						   " encoder.layer.0.attention.self.distance_embedding.weight 11x4\n"));
}

static void
images_binder_checks_what_it_finds(void **state)
{
	const Kernels *kernels;
	TestModel	   test;
	ImageBinder	   binder;
	Matrix		   matrix;
	Table		   table;
	const float	  *weight, *bias;
	Error		   error;
	(void) state;

	kernels = kernels_select(ISA_GENERIC, &error);
	test_model_open(&test, small, COUNT(small), PRECISION_FP32, false, kernels);
	assert_false(test.model.has_pooler);
	image_binder_init(&binder, &test.image, &error);
	TEST_MUST(
		bind_matrix(&binder.binder, &matrix, 12, 8, true, "encoder.layer.%d.intermediate.dense", 0),
		error);
	assert_false(
		bind_matrix(&binder.binder, &matrix, 13, 8, true, "encoder.layer.0.intermediate.dense"));
	assert_int_equal(error.code, ERR_DATA);
	assert_string_equal(
		error.message,
		"tensor \"encoder.layer.0.intermediate.dense\" is 12 x 8, but 13 x 8 is needed");
	assert_false(
		bind_matrix(&binder.binder, &matrix, 12, 8, false, "encoder.layer.0.intermediate.dense"));
	assert_string_equal(
		error.message,
		"tensor \"encoder.layer.0.intermediate.dense\" has a bias, but none is needed");
	assert_false(bind_matrix(&binder.binder, &matrix, 8, 8, true, "pooler.dense"));
	assert_int_equal(error.code, ERR_NOT_FOUND);
	assert_true(bind_optional_matrix(&binder.binder, &matrix, 8, 8, true, "pooler.dense"));
	assert_false(bind_table(&binder.binder, &table, 11, 8, "embeddings.word_embeddings"));
	assert_int_equal(error.code, ERR_DATA);
	assert_false(bind_norm(&binder.binder, &weight, &bias, 9, "embeddings.LayerNorm"));
	assert_int_equal(error.code, ERR_DATA);
	assert_true(bind_norm(&binder.binder, &weight, NULL, 8, "embeddings.LayerNorm"));
	assert_false(bind_table(&binder.binder, &table, 11, 8, "%0300d", 1));
	assert_int_equal(error.code, ERR_LIMIT);
	test_model_close(&test);
	test_model_open(&test, small, COUNT(small), PRECISION_FP32, true, kernels);
	assert_true(test.model.has_pooler);
	test_model_close(&test);
}

/* ---- batches ---- */

static void
expect(const Model *model, Batch batch, ErrorCode code, const char *message)
{
	Error error = {.code = ERR_NONE};
	bool  good = model_check(model, &batch, &error);

	assert_int_equal(good, code == ERR_NONE);
	assert_int_equal(error.code, code);
	if (!good)
		assert_string_equal(error.message, message);
}

static void
batches_are_checked(void **state)
{
	Params		  params = {small, COUNT(small)};
	const int32_t ids[] = {0, 9, 3, 4, 5, 6, 7}, wrong[] = {1, 2, 10, 4, 5, 6, 7};
	const int32_t negative[] = {1, 2, 3, -1, 5, 6, 7}, types[] = {0, 1, 0, 1, 0, 1, 0};
	const int32_t two[] = {0, 1, 0, 2, 0, 1, 0}, far[] = {0, 1, 2, 3, 6, 5, 4};
	const int32_t offsets[] = {0, 2, 7}, empty[] = {0, 0, 7}, back[] = {0, 6, 5, 7},
				  whole[] = {0, 7};
	const int32_t beyond[] = {0, 9, 7};
	Model		  model;
	Error		  error;
	Batch		  good = {.n_seqs = 2, .n_tokens = 7, .offsets = offsets, .input_ids = ids}, batch;
	(void) state;

	TEST_MUST(model_configure(&model, &params, NULL, &error), error);
	expect(&model, good, ERR_NONE, "");
	batch = good, batch.token_type_ids = types, batch.position_ids = types;
	expect(&model, batch, ERR_NONE, "");
	batch = good, batch.input_ids = wrong;
	expect(&model, batch, ERR_ARGUMENT, "input id 10 is not between 0 and 9");
	assert_false(model_check(&model, &batch, &error));
	assert_string_equal(error.detail, "It is at token 0 of sequence 1, both counted from 0.");
	batch = good, batch.input_ids = negative;
	expect(&model, batch, ERR_ARGUMENT, "input id -1 is not between 0 and 9");
	batch = good, batch.token_type_ids = two;
	expect(&model, batch, ERR_ARGUMENT, "token type id 2 is not between 0 and 1");
	batch = good, batch.position_ids = far;
	expect(&model, batch, ERR_ARGUMENT, "position id 6 is not between 0 and 5");
	batch = good, batch.offsets = empty;
	expect(&model, batch, ERR_ARGUMENT, "sequence 0 has 0 tokens, but at least 1 is needed");
	batch = good, batch.offsets = back, batch.n_seqs = 3;
	expect(&model, batch, ERR_ARGUMENT, "sequence 1 has -1 tokens, but at least 1 is needed");
	batch = good, batch.offsets = whole, batch.n_seqs = 1;
	expect(&model, batch, ERR_LIMIT, "sequence 0 has 7 tokens, but at most 6 are allowed");
	batch = good, batch.offsets = beyond;
	expect(&model, batch, ERR_LIMIT, "sequence 0 has 9 tokens, but at most 6 are allowed");
	batch = good, batch.n_tokens = 6;
	expect(&model, batch, ERR_ARGUMENT, "2 sequences do not make up 6 tokens");
	batch = good, batch.n_seqs = 0;
	expect(&model, batch, ERR_ARGUMENT, "0 sequences do not make up 7 tokens");
	model.n_positions = 0;
	batch = good, batch.position_ids = types;
	expect(&model, batch, ERR_ARGUMENT, "a model of type \"bert\" takes no position_ids");
	model_close(&model);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_bert_base),
		cmocka_unit_test(class_is_the_options_then_the_configs_then_the_base),
		cmocka_unit_test(every_class_has_a_family_and_a_head),
		cmocka_unit_test(numbers_that_do_not_go_together_are_refused),
		cmocka_unit_test(tensors_have_the_checkpoints_names),
		cmocka_unit_test(images_binder_checks_what_it_finds),
		cmocka_unit_test(batches_are_checked),
	};

	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
