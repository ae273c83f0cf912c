/*
 * test_import.c: folders into images: every container, settings, options, refusals; and that nothing is left behind.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "import/embedder.h"
#include "import/import.h"
#include "import/json.h"
#include "import/scratch.h"
#include "import_util.h"
#include "task/golden.h"

#define FAMILIES "test/reference/families"

static const char *const tiny_model[] = {"config.json", "model.safetensors", NULL};
static const char *const tiny_tokenizer[] = {"tokenizer.json", "tokenizer_config.json", "vocab.txt",
											 "special_tokens_map.json", NULL};

static Arena		arena; /* of the last import */
static ImportReport report;

/* Imports into target, with options "name=value", ended by NULL. */
static bool
try_import(const char *directory, const char *const *options, Error *error)
{
	ImportOptions parsed;

	arena_reset(&arena);
	import_options_init(&parsed);
	for (; options != NULL && *options != NULL; options++)
	{
		char  name[64];
		char *equals;

		snprintf(name, sizeof name, "%s", *options);
		equals = strchr(name, '=');
		assert_non_null(equals);
		*equals = '\0';
		if (!import_option(&parsed, &arena, name, strchr(*options, '=') + 1, error))
			return false;
	}
	return import_model(directory, &parsed, &(ImportTarget){.directory = target}, &arena, &report,
						error);
}

static void
import(const char *directory, const char *option)
{
	Error			  error;
	const char *const options[] = {option, NULL};

	if (!try_import(directory, options, &error))
		fail_msg("%s: %s", directory, error.message);
}

static void
assert_refused(const char *directory, const char *option, ErrorCode code, const char *text)
{
	Error			  error = {0};
	const char *const options[] = {option, NULL};

	if (try_import(directory, options, &error))
		fail_msg("%s was imported", directory);
	if (error.code != code || strstr(error.message, text) == NULL)
		fail_msg("%s: got %s: %s", directory, error_code_name(error.code), error.message);
	assert_int_equal(count_files(), 0);
}

/* The last image, opened. */
static Image
open_image(void)
{
	Image image;
	Error error;

	if (!image_open(&image, report.path, &error))
		fail_msg("%s", error.message);
	return image;
}

static const char *
model_string(const Image *image, const char *key)
{
	const ConfigParam *param = params_find(&image->model, key);

	return param != NULL ? param->string : NULL;
}

static int
model_int(const Image *image, const char *key)
{
	const ConfigParam *param = params_find(&image->model, key);

	return param != NULL ? (int) param->integer : -1;
}

/* ---- containers ---- */

static void
every_container_gives_the_same_image(void **state)
{
	static const char *const folders[] = {
		"safetensors", "safetensors_sharded", "torch",	 "torch_sharded",
		"torch_old",   "old_names",			  "views",	 "views_old",
		"parameters",  "torch_deflated",	  "float16", "float16_torch",
		"bfloat16",	   "bfloat16_torch",	  "float64", "float64_torch"};
	char digest[DIGEST_HEX] = "";
	(void) state;

	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
	{
		char directory[256];

		snprintf(directory, sizeof directory, FORMATS "/%s", folders[i]);
		import(directory, NULL);
		if (*digest == '\0')
			strcpy(digest, report.digest);
		assert_string_equal(report.digest, digest);
		assert_int_equal(report.tensors.n_unused, strcmp(folders[i], "old_names") == 0 ? 1 : 0);
	}
	assert_int_equal(count_files(), 1);
	assert_non_null(strstr(report.path, digest));
}

/* As a Keras model writes that was never called: the names in the file lack their first component, a layer's. */
static void
names_without_a_layer_are_found(void **state)
{
	static const char *const config[] = {"config.json", NULL};
	static const char		 named[] = FAMILIES "/formats/bert-tf-safetensors";
	char					 digest[DIGEST_HEX], path[512], *text;
	const char				*name;
	uint8_t					*bytes;
	json_t					*header, *shortened = json_object(), *entry;
	uint64_t				 length;
	size_t					 size;
	Error					 error;
	FILE					*out;
	(void) state;

	import(named, NULL);
	strcpy(digest, report.digest);
	bytes = (uint8_t *) file_read(&arena, FAMILIES "/formats/bert-tf-safetensors/model.safetensors",
								  1 << 20, &size, &error);
	assert_non_null(bytes);
	memcpy(&length, bytes, sizeof length);
	header = json_loadb((char *) bytes + 8, length, 0, NULL);
	json_object_foreach(header, name, entry)
		json_object_set(shortened, name_without_root(name), entry);
	assert_int_equal(json_object_size(shortened), json_object_size(header));
	text = json_dumps(shortened, 0);
	copy_files(named, "", config);
	snprintf(path, sizeof path, "%s/model.safetensors", folder);
	out = fopen(path, "wb");
	assert_non_null(out);
	fwrite(&(uint64_t){strlen(text)}, sizeof length, 1, out);
	fputs(text, out);
	fwrite(bytes + 8 + length, 1, size - 8 - length, out);
	fclose(out);
	free(text);
	json_decref(header);
	json_decref(shortened);
	import(folder, NULL);
	assert_string_equal(report.digest, digest);
	assert_int_equal(report.tensors.n_unused, 0);
}

static void
unused_tensors_are_named(void **state)
{
	(void) state;
	import(FORMATS "/old_names", NULL);
	assert_int_equal(report.tensors.n_unused, 1);
	assert_string_equal(report.tensors.unused[0], "cls.predictions.bias");
}

static void
bad_folders_are_refused(void **state)
{
	static const struct
	{
		const char *folder;
		ErrorCode	code;
		const char *text;
	} cases[] = {
		{"command", ERR_UNSUPPORTED, "\"os.system\""},
		{"storage_missing", ERR_DATA, "no storage \"3\""},
		{"storage_short", ERR_DATA, "storage \"3\" has another size"},
		{"byte_order", ERR_UNSUPPORTED, "little-endian"},
		{"not_a_number", ERR_DATA, "\"pooler.dense.weight\" has a number that is not finite"},
		{"tensor_missing", ERR_NOT_FOUND, "\"encoder.layer.0.intermediate.dense.bias\""},
		{"shape", ERR_DATA, "has shape [24, 16], but the config asks for [16, 24]"},
		{"shard_missing", ERR_NOT_FOUND, "model-00002-of-00002.safetensors"},
		{"shard_elsewhere", ERR_DATA, "names no file"},
		{"model_type", ERR_UNSUPPORTED, "\"fnord\""},
		{"config", ERR_DATA, "config.json is not valid JSON"},
	};
	(void) state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
	{
		char directory[256];

		snprintf(directory, sizeof directory, FORMATS "/bad/%s", cases[i].folder);
		assert_refused(directory, NULL, cases[i].code, cases[i].text);
	}
	assert_int_equal(access("/tmp/pg_infer_was_here", F_OK), -1);
}

/* Cutting a checkpoint anywhere is noticed. */
static void
cut_checkpoints_are_refused(void **state)
{
	static const char *const files[] = {"safetensors/model.safetensors", "torch/pytorch_model.bin",
										"torch_old/pytorch_model.bin"};
	(void) state;

	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
	{
		const char *const names[] = {"config.json", strchr(files[i], '/') + 1, NULL};
		char			  source[256], copy[256];
		struct stat		  status;

		snprintf(source, sizeof source, FORMATS "/%.*s", (int) (strchr(files[i], '/') - files[i]),
				 files[i]);
		copy_files(source, "", names);
		snprintf(copy, sizeof copy, "%s/%s", folder, names[1]);
		assert_int_equal(stat(copy, &status), 0);
		for (off_t size = status.st_size - 1; size > 0; size -= 1 + size / 20)
		{
			Error error;

			assert_int_equal(truncate(copy, size), 0);
			assert_false(try_import(folder, NULL, &error));
			assert_int_equal(error.code, ERR_DATA);
			assert_int_equal(count_files(), 0);
		}
		unlink(copy);
	}
}

/* ---- images ---- */

static void
golden_output_replays_with_every_instruction_set(void **state)
{
	static const char *const precisions[] = {"precision=fp32", "precision=bf16", "precision=int8"};
	static const Isa		 isas[] = {ISA_AVX512, ISA_AVX2, ISA_GENERIC};
	(void) state;

	for (size_t p = 0; p < 3; p++)
	{
		import(TINY, precisions[p]);
		for (size_t i = 0; i < 3; i++)
		{
			Session session;
			Error	error;
			int		n;
			float	deviation;

			if (!isa_supported(isas[i]))
				continue;
			assert_true(
				session_open(&session, report.path, kernels_select(isas[i], &error), 2, &error));
			assert_true(golden_replay(session.runner, &session.model, &n, &deviation, &error));
			assert_int_equal(n, GOLDEN_SEQUENCES * 32);
			assert_true(deviation == 0.0f);
			session_close(&session);
		}
	}
}

static void
a_changed_golden_output_is_noticed(void **state)
{
	Session		   session;
	const Section *section;
	Error		   error;
	FILE		  *file;
	float		   value;
	int			   n;
	(void) state;

	import(TINY, NULL);
	assert_true(session_open(&session, report.path, session_exact_kernels(&error), 1, &error));
	section = image_find(&session.image, SECTION_GOLDEN, "golden.output");
	memcpy(&value, section->data, sizeof value);
	file = fopen(report.path, "r+b");
	assert_non_null(file);
	fseek(file, (long) (section->data - session.image.map.data), SEEK_SET);
	value += 0.5f;
	fwrite(&value, sizeof value, 1, file);
	fclose(file);
	assert_true(golden_replay(session.runner, &session.model, &n, &value, &error));
	assert_float_equal(value, 0.5, 1e-6);
	assert_false(image_verify(&session.image, NULL, NULL, &error));
	assert_non_null(strstr(error.message, "golden.output"));
	session_close(&session);
}

static void
reduced_precision_is_measured(void **state)
{
	Image		image;
	const char *card;
	(void) state;

	import(TINY, "precision=bf16");
	assert_true(report.measured);
	assert_int_equal(report.deviation.n_tokens, 3 + 17 + 64);
	assert_true(report.deviation.hidden_states.largest > 1e-5);
	assert_true(report.deviation.hidden_states.relative < 0.02);
	assert_true(report.deviation.hidden_states.cosine > 0.999);
	assert_true(report.deviation.hidden_states.cosine < 1.0);
	assert_false(report.deviation.has_logits);
	image = open_image();
	card = (const char *) image_find(&image, SECTION_TEXT, "README.md")->data;
	assert_non_null(strstr(card, "Stored as bf16. "));
	assert_string_equal(model_string(&image, "precision"), "bf16");
	image_close(&image);
	import(TINY, NULL);
	assert_false(report.measured);
	image = open_image();
	assert_null(image_find(&image, SECTION_TEXT, "README.md"));
	image_close(&image);
}

static void
vectors_are_those_of_sentence_transformers(void **state)
{
	json_t	*cases;
	Embedder embedder;
	Error	 error;
	Arena	 texts;
	(void) state;

	import(TINY, NULL);
	assert_true(embedder_open(&embedder, report.path, kernels_select(ISA_AUTO, &error), 1, &error));
	embedder.encode.truncate = TRUNCATE_END;
	cases = json_read("test/reference/tiny_bert.json", JSON_CONFIG_LIMIT, &error);
	assert_true(json_array_size(cases) > 0);
	arena_init(&texts, 0);
	for (size_t i = 0; i < json_array_size(cases); i++)
	{
		const json_t *item = json_array_get(cases, i);
		const char	 *text = json_string_value(json_object_get(item, "text"));
		const json_t *expected = json_object_get(item, "embedding");
		RunItem		 *run;
		long		  n_tokens;
		float		  out[32];

		assert_int_equal(json_array_size(expected), 32);
		assert_true(embedder_encode(&embedder, &texts, &text, 1, &run, &n_tokens, &error));
		assert_true(embedder_run(&embedder, run, 1, out, &error));
		for (size_t j = 0; j < 32; j++)
			assert_float_equal(out[j], json_number_value(json_array_get(expected, j)), 2e-6);
	}
	json_decref(cases);
	arena_free(&texts);
	embedder_close(&embedder);
}

static void
settings_of_a_sentence_folder_are_stored(void **state)
{
	Image image;
	(void) state;

	import(TINY, NULL);
	image = open_image();
	assert_string_equal(model_string(&image, "family"), "bert");
	assert_string_equal(model_string(&image, "architecture"), "BertModel");
	assert_string_equal(model_string(&image, "pooling"), "mean");
	assert_string_equal(model_string(&image, "truncate"), "error");
	assert_int_equal(model_int(&image, "normalize"), 1);
	assert_int_equal(model_int(&image, "max_length"), 48);
	assert_int_equal(model_int(&image, "hidden_size"), 32);
	assert_int_equal(model_int(&image, "has_weights"), 1);
	assert_int_equal(model_int(&image, "has_tokenizer"), 1);
	assert_int_equal(model_int(&image, "has_fast"), 1);
	assert_null(model_string(&image, "default_prompt"));
	assert_int_equal(model_int(&image, "parameters"), (int) report.tensors.parameters);
	assert_non_null(
		strstr((const char *) image_find(&image, SECTION_TEXT, "config.json")->data, "\"bert\""));
	image_close(&image);
}

static void
a_folder_may_lack_weights_or_tokenizer(void **state)
{
	Image image;
	(void) state;

	copy_files(TINY, "", tiny_tokenizer);
	import(folder, NULL);
	assert_false(report.has_weights);
	assert_true(report.has_tokenizer);
	image = open_image();
	assert_int_equal(model_int(&image, "has_weights"), 0);
	assert_int_equal(model_int(&image, "max_length"), 64);
	assert_null(image_find(&image, SECTION_GOLDEN, "golden.ids"));
	image_close(&image);
	unlink(report.path);
	assert_refused(folder, "precision=int8", ERR_NOT_FOUND, "no weights");
	remove_tree(folder);
	mkdir(folder, 0777);
	copy_files(TINY, "", tiny_model);
	import(folder, NULL);
	assert_true(report.has_weights);
	assert_false(report.has_tokenizer);
	image = open_image();
	assert_int_equal(model_int(&image, "max_length"), 64);
	assert_int_equal(model_int(&image, "normalize"), 0);
	image_close(&image);
	unlink(report.path);
	remove_tree(folder);
	mkdir(folder, 0777);
	assert_refused(folder, NULL, ERR_NOT_FOUND, "neither weights nor a tokenizer");
	copy_files(TINY, "", (const char *const[]){"model.safetensors", NULL});
	assert_refused(folder, NULL, ERR_NOT_FOUND, "no config.json");
	assert_refused("/nonexistent", NULL, ERR_NOT_FOUND, "/nonexistent");
	assert_refused("Makefile", NULL, ERR_ARGUMENT, "is not a directory");
}

static void
options_override_the_folder(void **state)
{
	static const char *const options[] = {"pooling=cls",
										  "normalize=false",
										  "max_length=20",
										  "truncate=\"start\"",
										  "description=small",
										  "prompts={\"query\": \"query: \", \"passage\": \"\"}",
										  "labels=[\"a\", \"b\"]",
										  "architecture=null",
										  NULL};
	Image					 image;
	Error					 error;
	(void) state;

	assert_true(try_import(TINY, options, &error));
	image = open_image();
	assert_string_equal(model_string(&image, "pooling"), "cls");
	assert_string_equal(model_string(&image, "truncate"), "start");
	assert_string_equal(model_string(&image, "description"), "small");
	assert_int_equal(model_int(&image, "normalize"), 0);
	assert_int_equal(model_int(&image, "max_length"), 20);
	assert_int_equal(image_strings(&image, "prompts"), 4);
	assert_string_equal(image_string(&image, "prompts", 1), "query: ");
	assert_int_equal(image_strings(&image, "labels"), 2);
	assert_string_equal(image_string(&image, "labels", 1), "b");
	image_close(&image);
}

static void
wrong_options_are_refused(void **state)
{
	(void) state;
	assert_refused(TINY, "precision=fp8", ERR_ARGUMENT, "must be fp32, bf16 or int8");
	assert_refused(TINY, "precision=8", ERR_ARGUMENT, "option precision is 8");
	assert_refused(TINY, "max_length=0", ERR_ARGUMENT, "positive integer");
	assert_refused(TINY, "max_length=1.5", ERR_ARGUMENT, "positive integer");
	assert_refused(TINY, "max_length=65", ERR_LIMIT, "positions for 64 tokens");
	assert_refused(TINY, "max_length=1", ERR_ARGUMENT,
				   "max_length is 1, but the tokenizer adds 2 special tokens");
	assert_refused(TINY, "config=[1]", ERR_ARGUMENT, "an object");
	assert_refused(TINY, "config={\"hidden_size\": 8}", ERR_DATA, "asks for [178, 8]");
	assert_refused(TINY, "forward_ema=true", ERR_ARGUMENT, "no moving average");
	assert_refused(TINY, "truncate=middle", ERR_ARGUMENT, "error, end or start");
	assert_refused(TINY, "pooling=sum", ERR_ARGUMENT, "mean, cls");
	assert_refused(TINY, "normalize=1", ERR_ARGUMENT, "true or false");
	assert_refused(TINY, "use_fast=yes", ERR_ARGUMENT, "true or false");
	assert_refused(TINY, "prompts=[]", ERR_ARGUMENT, "object of strings");
	assert_refused(TINY, "prompts={\"a\": 1}", ERR_ARGUMENT, "object of strings");
	assert_refused(TINY, "labels=[]", ERR_ARGUMENT, "array of strings");
	assert_refused(TINY, "labels=[1]", ERR_ARGUMENT, "array of strings");
	assert_refused(TINY, "labels={}", ERR_ARGUMENT, "array of strings");
	assert_refused(TINY, "description=[1]", ERR_ARGUMENT, "a string");
	assert_refused(TINY, "colour=red", ERR_ARGUMENT, "unrecognized option \"colour\"");
	assert_refused(TINY, "architecture=FnordModel", ERR_UNSUPPORTED, "\"FnordModel\"");
}

static void
a_pooler_must_be_there_to_pool(void **state)
{
	Image image;
	(void) state;

	import(TINY, "pooling=pooler");
	image = open_image();
	assert_string_equal(model_string(&image, "pooling"), "pooler");
	image_close(&image);
}

/* ---- folders ---- */

/* A sentence-transformers folder with these modules and this pooling, over the tiny model. */
static void
make_folder(const char *modules, const char *pooling)
{
	remove_tree(folder);
	mkdir(folder, 0777);
	copy_files(TINY, "", tiny_model);
	copy_files(TINY, "", tiny_tokenizer);
	put_text("modules.json", modules);
	put_text("1_Pooling/config.json", pooling);
}

#define MODULE(path, type)                                                                         \
	"{\"path\": \"" path "\", \"type\": \"sentence_transformers.models." type "\"}"
#define USUAL "[" MODULE("", "Transformer") ", " MODULE("1_Pooling", "Pooling") "]"

static void
pooling_modes_are_understood(void **state)
{
	static const struct
	{
		const char *config;
		const char *pooling; /* NULL: refused */
		const char *text;
	} cases[] = {
		{"{}", "mean", NULL},
		{"{\"pooling_mode_mean_tokens\": true}", "mean", NULL},
		{"{\"pooling_mode_mean_tokens\": false, \"pooling_mode_cls_token\": true}", "cls", NULL},
		{"{\"pooling_mode_mean_tokens\": false, \"pooling_mode_max_tokens\": true}", "max", NULL},
		{"{\"pooling_mode_mean_tokens\": false, \"pooling_mode_lasttoken\": true}", "last", NULL},
		{"{\"pooling_mode_cls_token\": true}", NULL, "beside another mode"},
		{"{\"pooling_mode_mean_tokens\": false, \"pooling_mode_mean_sqrt_len_tokens\": true}", NULL,
		 "pooling_mode_mean_sqrt_len_tokens"},
		{"{\"pooling_mode_mean_tokens\": false, \"pooling_mode_weightedmean_tokens\": true}", NULL,
		 "pooling_mode_weightedmean_tokens"},
		{"{\"include_prompt\": false}", NULL, "without the prompt"},
	};
	(void) state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
	{
		make_folder(USUAL, cases[i].config);
		if (cases[i].pooling == NULL)
			assert_refused(folder, NULL, ERR_UNSUPPORTED, cases[i].text);
		else
		{
			Image image;

			import(folder, NULL);
			image = open_image();
			assert_string_equal(model_string(&image, "pooling"), cases[i].pooling);
			assert_int_equal(model_int(&image, "normalize"), 0);
			image_close(&image);
			unlink(report.path);
		}
	}
	make_folder(USUAL, "{\"pooling_mode_mean_tokens\": false}");
	assert_refused(folder, NULL, ERR_DATA, "no pooling mode");
	make_folder(USUAL, "[]");
	assert_refused(folder, NULL, ERR_DATA, "JSON object");
}

static void
other_modules_are_named(void **state)
{
	(void) state;
	make_folder("[" MODULE("", "Transformer") ", " MODULE("1_Pooling", "Pooling") ", " MODULE(
					"2_Dense", "Dense") "]",
				"{}");
	assert_refused(folder, NULL, ERR_UNSUPPORTED, "sentence_transformers.models.Dense");
	make_folder("[" MODULE("", "Transformer") ", " MODULE("2_Normalize", "Normalize") "]", "{}");
	assert_refused(folder, NULL, ERR_UNSUPPORTED, "module 1");
	make_folder("[{\"path\": \"\", \"type\": \"os.system\"}]", "{}");
	assert_refused(folder, NULL, ERR_UNSUPPORTED, "os.system");
	make_folder("[" MODULE("../elsewhere", "Transformer") "]", "{}");
	assert_refused(folder, NULL, ERR_DATA, "../elsewhere");
	make_folder("[" MODULE("/etc", "Transformer") "]", "{}");
	assert_refused(folder, NULL, ERR_DATA, "/etc");
	make_folder("[]", "{}");
	assert_refused(folder, NULL, ERR_DATA, "list of modules");
	make_folder("[5]", "{}");
	assert_refused(folder, NULL, ERR_DATA, "path");
}

static void
the_transformer_may_lie_below(void **state)
{
	Image image;
	(void) state;

	copy_files(TINY, "0_Transformer", tiny_model);
	copy_files(TINY, "0_Transformer", tiny_tokenizer);
	put_text("0_Transformer/sentence_roberta_config.json",
			 "{\"max_seq_length\": 10, \"do_lower_case\": true}");
	put_text("modules.json",
			 "[" MODULE("0_Transformer", "Transformer") ", " MODULE(
				 "1_Pooling", "Pooling") ", " MODULE("2_Normalize", "Normalize") "]");
	put_text("1_Pooling/config.json", "{}");
	put_text("README.md", "# caf\xc3\xa9 \xff\n");
	import(folder, NULL);
	image = open_image();
	assert_int_equal(model_int(&image, "max_length"), 10);
	assert_int_equal(model_int(&image, "normalize"), 1);
	assert_string_equal((const char *) image_find(&image, SECTION_TEXT, "README.md")->data,
						"# caf\xc3\xa9 \xef\xbf\xbd\n");
	image_close(&image);
}

static void
prompts_are_stored(void **state)
{
	Image image;
	(void) state;

	make_folder(USUAL, "{}");
	put_text("config_sentence_transformers.json",
			 "{\"prompts\": {\"query\": \"query: \", \"passage\": \"passage: \"},"
			 "\"default_prompt_name\": \"passage\"}");
	import(folder, NULL);
	image = open_image();
	assert_int_equal(image_strings(&image, "prompts"), 4);
	assert_string_equal(image_string(&image, "prompts", 0), "query");
	assert_string_equal(image_string(&image, "prompts", 3), "passage: ");
	assert_string_equal(model_string(&image, "default_prompt"), "passage");
	image_close(&image);
	unlink(report.path);
	put_text("config_sentence_transformers.json", "{\"default_prompt_name\": \"fnord\"}");
	assert_refused(folder, NULL, ERR_DATA, "fnord");
	put_text("config_sentence_transformers.json", "{\"prompts\": {\"query\": 1}}");
	assert_refused(folder, NULL, ERR_DATA, "query");
}

static void
labels_must_be_counted_from_0(void **state)
{
	static const char config[] =
		"{\"model_type\": \"bert\", \"id2label\": {\"0\": \"NEGATIVE\", \"%s\": \"POSITIVE\"}}";
	char  text[256];
	Image image;
	(void) state;

	copy_files(TINY, "", tiny_tokenizer);
	snprintf(text, sizeof text, config, "1");
	put_text("config.json", text);
	import(folder, NULL);
	image = open_image();
	assert_int_equal(image_strings(&image, "labels"), 2);
	assert_string_equal(image_string(&image, "labels", 1), "POSITIVE");
	image_close(&image);
	unlink(report.path);
	assert_refused(folder, "labels=[\"a\", \"b\", \"c\"]", ERR_ARGUMENT,
				   "option labels has 3 labels, but config.json has 2");
	snprintf(text, sizeof text, config, "2");
	put_text("config.json", text);
	assert_refused(folder, NULL, ERR_DATA, "none of number 1");
}

/* ---- JSON ---- */

static bool
params_of(const char *text, Params *params, Error *error)
{
	json_t *json = json_parse(text, strlen(text), "text", error);
	bool	ok = json != NULL && json_params(json, &arena, params, error);

	json_decref(json);
	return ok;
}

static void
configs_are_flattened(void **state)
{
	Params params;
	Error  error;
	char   deep[200] = "";
	(void) state;

	arena_reset(&arena);
	assert_true(params_of("{\"b\": {\"y\": 1.0, \"x\": -2.5}, \"a\": [1, \"q\"], \"c\": {}, "
						  "\"d\": null, \"n\": 1000000000000000019884624838656, \"n\": 7}",
						  &params, &error));
	assert_int_equal(params.n, 6);
	assert_string_equal(params_find(&params, "a")->string, "[1.0,\"q\"]");
	assert_int_equal(params_find(&params, "b.y")->type, PARAM_INT);
	assert_int_equal(params_find(&params, "b.y")->integer, 1);
	assert_true(params_find(&params, "b.x")->number == -2.5);
	assert_string_equal(params_find(&params, "c")->string, "{}");
	assert_int_equal(params_find(&params, "d")->type, PARAM_NULL);
	assert_int_equal(params_find(&params, "n")->integer, 7);
	assert_true(params_of("{\"n\": 1000000000000000019884624838656}", &params, &error));
	assert_int_equal(params_find(&params, "n")->type, PARAM_DOUBLE);
	assert_false(params_of("{\"a.b\": 1, \"a\": {\"b\": 2}}", &params, &error));
	assert_string_equal(error.message, "\"a.b\" is given twice");
	for (int i = 0; i < 10; i++)
		strcat(deep, "{\"a\":");
	strcat(deep, "1}}}}}}}}}}");
	assert_false(params_of(deep, &params, &error));
	assert_int_equal(error.code, ERR_LIMIT);
	assert_false(params_of("{\"a\": \xff}", &params, &error));
	assert_int_equal(error.code, ERR_DATA);
}

/* ---- scratch files ---- */

static void
signals_remove_scratch_files(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGSEGV, SIGXCPU};
	(void) state;

	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
	{
		char  stem[256];
		pid_t child;
		int	  status;

		snprintf(stem, sizeof stem, "%s/x", target);
		child = fork();
		if (child == 0)
		{
			Error		error;
			const char *name;
			FILE	   *file;

			scratch_catch_signals();
			name = scratch_name(stem, "tmp", &error);
			file = fopen(name, "w");
			if (file == NULL || fputs("x", file) < 0 || fclose(file) != 0 || count_files() != 1)
				_exit(1);
			raise(signals[i]);
			_exit(2);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == signals[i]);
		assert_int_equal(count_files(), 0);
	}
}

/* A file that may not grow is an error like any other. */
static void
a_full_disk_leaves_nothing(void **state)
{
	pid_t child = fork();
	int	  status;
	(void) state;

	if (child == 0)
	{
		struct rlimit limit = {50000, 50000};
		Error		  error;

		scratch_catch_signals();
		if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || try_import(TINY, NULL, &error) ||
			error.code != ERR_IO || strstr(error.message, "could not write") == NULL)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(count_files(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_container_gives_the_same_image, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_without_a_layer_are_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(unused_tensors_are_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bad_folders_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cut_checkpoints_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(golden_output_replays_with_every_instruction_set, set_up,
										tear_down),
		cmocka_unit_test_setup_teardown(a_changed_golden_output_is_noticed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reduced_precision_is_measured, set_up, tear_down),
		cmocka_unit_test_setup_teardown(vectors_are_those_of_sentence_transformers, set_up,
										tear_down),
		cmocka_unit_test_setup_teardown(settings_of_a_sentence_folder_are_stored, set_up,
										tear_down),
		cmocka_unit_test_setup_teardown(a_folder_may_lack_weights_or_tokenizer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(options_override_the_folder, set_up, tear_down),
		cmocka_unit_test_setup_teardown(wrong_options_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_pooler_must_be_there_to_pool, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pooling_modes_are_understood, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_modules_are_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_transformer_may_lie_below, set_up, tear_down),
		cmocka_unit_test_setup_teardown(prompts_are_stored, set_up, tear_down),
		cmocka_unit_test_setup_teardown(labels_must_be_counted_from_0, set_up, tear_down),
		cmocka_unit_test(configs_are_flattened),
		cmocka_unit_test_setup_teardown(signals_remove_scratch_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_disk_leaves_nothing, set_up, tear_down),
	};
	int failed;

	arena_init(&arena, 0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(&arena);
	return failed;
}
