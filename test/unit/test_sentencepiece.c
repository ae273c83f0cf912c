/*
 * test_sentencepiece.c: malformed SentencePiece models and Unigram tokenizers are refused by name, and long texts give
 * the same tokens whether they are cut or not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "import/sentencepiece.h"
#include "test_tokenizers.h"

#define FIXTURES "test/reference/tokenizers"

/* ---- the protocol buffer ---- */

/* Pieces: "<unk>" of type 2, "a" with score -1. */
#define UNK "\x0A\x09\x0A\x05<unk>\x18\x02"
#define PIECE                                                                                      \
	"\x0A\x08\x0A\x01"                                                                             \
	"a"                                                                                            \
	"\x15\x00\x00\x80\xBF"

static const struct
{
	const char *data;
	size_t		size;
	ErrorCode	code;
	const char *message; /* a part of it; NULL: it is good */
} models[] = {
#define MODEL(bytes) bytes, sizeof bytes - 1
	{MODEL(UNK PIECE), ERR_NONE, NULL},
	{MODEL(UNK PIECE "\x12\x02\x18\x02"
					 "\x1A\x02\x18\x00"),
	 ERR_NONE, NULL},
	{MODEL(""), ERR_DATA, "pieces: expected one unknown piece, found 0"},
	{MODEL(PIECE), ERR_DATA, "pieces: expected one unknown piece, found 0"},
	{MODEL(UNK UNK), ERR_DATA, "pieces: expected one unknown piece, found 2"},
	{MODEL(UNK "\x0A\x20"
			   "a"),
	 ERR_DATA, "the model is malformed at its byte 13"},
	{MODEL(UNK "\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), ERR_DATA, "malformed"},
	{MODEL(UNK "\x0F\x00"), ERR_DATA, "malformed"},
	{MODEL(UNK "\x02\x00"), ERR_DATA, "malformed"},
	{MODEL(UNK "\x08\x01"), ERR_DATA, "pieces[1]: expected a message"},
	{MODEL(UNK "\x0A\x02\x08\x01"), ERR_DATA, "pieces[1]: expected a string"},
	{MODEL(UNK "\x0A\x03\x0A\x01\xFF"), ERR_DATA, "pieces[1]: expected valid UTF-8"},
	{MODEL(UNK "\x0A\x00"), ERR_DATA, "pieces[1]: expected a piece that is not empty"},
	{MODEL(UNK "\x0A\x08\x0A\x01"
			   "a"
			   "\x15\x00\x00\xC0\x7F"),
	 ERR_DATA, "pieces[1]: expected a finite number"},
	{MODEL(UNK "\x0A\x05\x0A\x01"
			   "a"
			   "\x10\x01"),
	 ERR_DATA, "pieces[1]: expected a number"},
	{MODEL(UNK "\x0A\x05\x0A\x01"
			   "a"
			   "\x18\x09"),
	 ERR_DATA, "pieces[1]: 9 is no type"},
	{MODEL(UNK PIECE "\x12\x02\x18\x04"), ERR_UNSUPPORTED,
	 "trainer_spec.model_type: type 4 is not supported"},
	{MODEL(UNK PIECE "\x12\x03\xC0\x01\x01"), ERR_UNSUPPORTED,
	 "trainer_spec.treat_whitespace_as_suffix is not supported"},
	{MODEL(UNK PIECE "\x12\x03\x1A\x01"
					 "x"),
	 ERR_DATA, "trainer_spec.model_type: expected an integer"},
	{MODEL(UNK PIECE "\x1A\x02\x10\x00"), ERR_DATA, "normalizer_spec: expected a message"},
	{MODEL(UNK PIECE "\x2A\x03\x12\x01"
					 "x"),
	 ERR_UNSUPPORTED, "denormalizer_spec.precompiled_charsmap is not supported"},
#undef MODEL
};

static void
test_reader(void **state)
{
	const Node at = {.key = "spiece.model"};

	for (size_t i = 0; i < sizeof models / sizeof *models; i++)
	{
		SentencePieceModel model;
		Arena			   arena;
		Error			   error = {0};
		/* Exactly as large as it is, for a sanitizer. */
		uint8_t *data = malloc(models[i].size ? models[i].size : 1);

		memcpy(data, models[i].data, models[i].size);
		arena_init(&arena, 0);
		if (sentencepiece_read(&model, &arena, &at, data, models[i].size, &error))
		{
			if (models[i].message)
				fail_msg("model %zu: no error, expected \"%s\"", i, models[i].message);
			assert_int_equal(model.n, 2);
			assert_string_equal(model.pieces[1].text.bytes, "a");
			assert_true(model.pieces[1].score == -1);
		}
		else if (!models[i].message || !strstr(error.message, models[i].message) ||
				 error.code != models[i].code || strncmp(error.message, "spiece.model: ", 14) != 0)
			fail_msg("model %zu: \"%s\"", i, error.message);
		arena_free(&arena);
		free(data);
	}
}

/* Every beginning of a good model is an error or a model, never more than its bytes. */
static void
test_cut_models(void **state)
{
	static const char good[] = UNK PIECE "\x12\x08\x18\x01\x18\x02\xAA\x02\x01x";
	const Node					   at = {.key = "spiece.model"};

	for (size_t n = 0; n < sizeof good; n++)
	{
		SentencePieceModel model;
		Arena			   arena;
		Error			   error = {0};
		uint8_t			  *data = malloc(n ? n : 1);

		memcpy(data, good, n);
		arena_init(&arena, 0);
		if (!sentencepiece_read(&model, &arena, &at, data, n, &error))
			assert_int_equal(error.code, ERR_DATA);
		arena_free(&arena);
		free(data);
	}
}

/* ---- tokenizer.json ---- */

#define UNIGRAM(options, vocab)                                                                    \
	"{\"model\": {\"type\": \"Unigram\"" options ", \"vocab\": " vocab "}}"
#define WITH(component)                                                                            \
	"{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", 0]]}, " component "}"
#define CHARSMAP(text)                                                                             \
	WITH("\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"" text "\"}")

static const struct
{
	const char *json, *message;
} refused[] = {
	{UNIGRAM("", "{}"), "$.model.vocab: expected an array, found an object"},
	{UNIGRAM("", "[1]"), "$.model.vocab[0]: expected an array"},
	{UNIGRAM("", "[[\"a\"]]"), "$.model.vocab[0]: expected a token and a score, found 1 values"},
	{UNIGRAM("", "[[1, 2]]"), "$.model.vocab[0][0]: expected a string"},
	{UNIGRAM("", "[[\"a\", \"b\"]]"), "$.model.vocab[0][1]: expected a number"},
	{UNIGRAM(", \"unk_id\": 1", "[[\"a\", 0]]"), "$.model.unk_id: 1 is outside 0 .. 0"},
	{UNIGRAM(", \"unk_id\": \"a\"", "[[\"a\", 0]]"), "$.model.unk_id: expected an integer"},
	{UNIGRAM(", \"byte_fallback\": 1", "[[\"a\", 0]]"),
	 "$.model.byte_fallback: expected a boolean"},
	{WITH("\"pre_tokenizer\": {\"type\": \"Metaspace\"}"),
	 "$.pre_tokenizer: \"replacement\" is missing"},
	{WITH("\"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"ab\"}"),
	 "$.pre_tokenizer.replacement: expected one character, found \"ab\""},
	{WITH("\"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"_\", "
		  "\"prepend_scheme\": \"last\"}"),
	 "$.pre_tokenizer.prepend_scheme: \"last\" is no scheme"},
	{CHARSMAP(""), "$.normalizer.precompiled_charsmap: 0 bytes are too few"},
	{CHARSMAP("AAA"), "$.normalizer.precompiled_charsmap: 3 characters are no base64"},
	{CHARSMAP("AAA?"), "$.normalizer.precompiled_charsmap: character 4 is no base64"},
	/* an array of 8 bytes, of which 4 are there */
	{CHARSMAP("CAAAAAAAAAA="), "$.normalizer.precompiled_charsmap: 8 bytes are too few"},
	/* an array of one unit, then a byte that is no character */
	{CHARSMAP("BAAAAAAAAAD/"), "$.normalizer.precompiled_charsmap: its texts are not valid UTF-8"},
	/* byte 1 leads back to where it was */
	{CHARSMAP("CAAAAAAAAAABBAAA"),
	 "$.normalizer.precompiled_charsmap: a rule has more than 255 bytes"},
};

static void
test_refused(void **state)
{
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
	{
		char			 folder[] = "/tmp/pg_infer_test_XXXXXX", file[300];
		char			*path = test_temporary();
		TokenizerOptions options = {.use_fast = -1};
		TokenizerSummary summary;
		Error			 error = {0};
		ImageWriter		*writer = image_writer_create(path, &error);
		FILE			*json;
		bool			 found;

		assert_non_null(writer);
		assert_non_null(mkdtemp(folder));
		snprintf(file, sizeof file, "%s/tokenizer.json", folder);
		json = fopen(file, "w");
		assert_non_null(json);
		fputs(refused[i].json, json);
		assert_int_equal(fclose(json), 0);
		if (import_tokenizer(writer, folder, &options, &found, &summary, &error))
			fail_msg("%s: no error", refused[i].json);
		if (!strstr(error.message, refused[i].message))
			fail_msg("%s: \"%s\"", refused[i].json, error.message);
		image_writer_abort(writer);
		test_remove_folder(folder);
		free(path);
	}
}

/* ---- long texts ---- */

static const struct
{
	const char *folder;
	int			use_fast;
} cut[] = {
	{"class-t5-slow", 0},
	{"class-t5-slow-legacy", 0},
	{"class-t5-slow-plain", 0},
	{"class-xlm-roberta-slow", 0},
	{"class-xlm-roberta-fast-of-model", 1},
	{"real-t5-small", -1},
	{"real-t5-small-slow", 0},
	{"model-bpe-byte-fallback", -1},
};

/* Words of all kinds, with what normalizers drop at the beginning. */
static char *
long_text(size_t words, size_t *length)
{
	static const char *const parts[] = {"the",			" ",
										"9,9",			"\xef\xac\x81",
										"e\xcc\x81",	"xx",
										"zzzzz",		"\xe4\xbd\xa0\xe5\xa5\xbd",
										"  ",			"<extra_id_0>",
										"\xe2\x96\x81", "token",
										"\xe2\x80\x8b", "Hello"};
	char					*text = malloc(words * 40 + 16), *end = text;
	uint32_t				 draw = 12345;

	end += sprintf(end, "\xef\xbb\xbf\xe2\x80\x8b ");
	for (size_t i = 0; i < words; i++)
	{
		draw = draw * 1664525 + 1013904223;
		end += sprintf(end, "%s%s", parts[(draw >> 16) % (sizeof parts / sizeof *parts)],
					   draw >> 30 ? " " : " word a");
	}
	*length = (size_t) (end - text);
	return text;
}

static void
encode(const Tokenizer *tokenizer, Arena *arena, const char *text, size_t length,
	   Encoding *encoding)
{
	EncodeOptions options = {.add_special_tokens = true};
	Error		  error;

	TEST_MUST(tokenizer_encode(tokenizer, arena, text, length, NULL, 0, &options, encoding, &error),
			  error);
}

static void
test_cut_texts(void **state)
{
	size_t length;
	char  *text = long_text(6000, &length);

	for (size_t i = 0; i < sizeof cut / sizeof *cut; i++)
	{
		char			 folder[200];
		TestTokenizer	 test;
		Arena			 arena;
		TokenizerTables *header;
		size_t			 size;
		Encoding		 parts, whole;

		snprintf(folder, sizeof folder, "%s/%s", FIXTURES, cut[i].folder);
		test = test_tokenizer_import(folder, cut[i].use_fast);
		arena_init(&arena, 0);
		if (!(test.tokenizer.tables->flags & TOKENIZER_CUT_SPACE))
			fail_msg("%s does not cut long texts", cut[i].folder);
		encode(&test.tokenizer, &arena, text, length, &parts);
		size = sizeof *header +
			   (size_t) (test.tokenizer.n_normalizers + test.tokenizer.n_pre_tokenizers + 1 +
						 test.tokenizer.n_decoders) *
				   sizeof *header->components;
		header = arena_alloc(&arena, size, 1);
		memcpy(header, test.tokenizer.tables, size);
		header->flags &= ~(uint32_t) TOKENIZER_CUTS;
		test.tokenizer.tables = header;
		encode(&test.tokenizer, &arena, text, length, &whole);
		assert_int_equal(parts.n, whole.n);
		for (int j = 0; j < whole.n; j++)
			if (parts.ids[j] != whole.ids[j] || parts.pos[j] != whole.pos[j] ||
				parts.len[j] != whole.len[j])
				fail_msg("%s: token %d is %d at %d, in parts %d at %d", cut[i].folder, j,
						 whole.ids[j], whole.pos[j], parts.ids[j], parts.pos[j]);
		arena_free(&arena);
		test_tokenizer_close(&test);
	}
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reader),
		cmocka_unit_test(test_cut_models),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_cut_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
