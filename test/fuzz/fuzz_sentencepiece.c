/*
 * fuzz_sentencepiece.c: any bytes as a SentencePiece model; and damaged tables of one.
 *
 * The input: the class, its options, and a number of damages as in fuzz_tokenizer_tables.c, six bytes each, behind
 * those the model.  What the importer takes must encode and decode, whole; damaged, it must not leave its tables.
 */
#include "import/tokenizer_spm.h"
#include "tok/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#define MEMORY ((size_t) 256 << 20)
#define HEADER_BYTES 3
#define DAMAGE_BYTES 6
#define MAX_DAMAGES 15

#define OPTION_FAST 0x1
#define OPTION_LEGACY 0x2
#define OPTION_TRUNCATE 0x4

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Exact copies on the heap, so that a sanitizer sees every step outside. */
typedef struct Copies
{
	BuildTable tables[64];
	int		   n;
} Copies;

static const void *
find(void *argument, const char *name, size_t *size)
{
	const Copies *copies = argument;

	for (int i = 0; i < copies->n; i++)
		if (strcmp(copies->tables[i].name, name) == 0)
		{
			*size = copies->tables[i].size;
			return copies->tables[i].data;
		}
	return NULL;
}

static void
damage(Copies *copies, const uint8_t *data)
{
	BuildTable *table = &copies->tables[data[0] % copies->n];
	size_t		offset = (size_t) data[1] | (size_t) data[2] << 8 | (size_t) data[3] << 16;

	if (table->size == 0)
		return;
	offset %= table->size;
	((uint8_t *) table->data)[offset] = data[4];
	if (data[5] == 0xFF)
	{
		void *shorter = malloc(offset ? offset : 1);

		memcpy(shorter, table->data, offset);
		free((void *) table->data);
		table->data = shorter;
		table->size = offset;
	}
}

static void
use(const Tokenizer *tokenizer, bool truncate, bool is_good)
{
	static const char text[] =
		"\xe2\x96\x81Hello  wo\xef\xac\x81, 9,9 <extra_id_0> \xe4\xbd\xa0 a\xcc\x81"
		"b\xe3\x80\x80x <mask> [SEP] e\xcc\x81\xcc\xa7 \xf0\x9f\x98\x80 end ";
	EncodeOptions options = {.add_special_tokens = true};
	Arena		  arena;
	Encoding	  encoding;
	Error		  error;
	char		 *decoded;
	size_t		  n;

	if (truncate)
	{
		options.max_length = 24;
		options.truncate = TRUNCATE_START;
	}
	arena_init(&arena, MEMORY);
	if (tokenizer_encode(tokenizer, &arena, text, sizeof text - 1, text, 9, &options, &encoding,
						 &error))
	{
		for (int i = 0; is_good && i < encoding.n; i++)
			if (encoding.ids[i] < 0 || encoding.ids[i] >= tokenizer->n_vocab ||
				(encoding.sequence[i] != 0 &&
				 (encoding.pos[i] < 0 || encoding.len[i] < 0 ||
				  (size_t) encoding.pos[i] + (size_t) encoding.len[i] > sizeof text)))
				__builtin_trap();
		tokenizer_decode(tokenizer, &arena, encoding.ids, encoding.n, false, &decoded, &n, &error);
		tokenizer_decode(tokenizer, &arena, encoding.ids, encoding.n, true, &decoded, &n, &error);
	}
	arena_free(&arena);
}

static void
use_damaged(const TokenizerBuild *build, const uint8_t *damages, size_t n, bool truncate)
{
	Copies	  copies = {.n = build->n_tables};
	Tokenizer tokenizer;
	Error	  error;

	for (int i = 0; i < copies.n; i++)
	{
		copies.tables[i] = build->tables[i];
		copies.tables[i].data = malloc(copies.tables[i].size);
		memcpy((void *) copies.tables[i].data, build->tables[i].data, copies.tables[i].size);
	}
	for (size_t i = 0; i < n; i++)
		damage(&copies, damages + i * DAMAGE_BYTES);
	if (tokenizer_bind(&tokenizer, find, &copies, &error))
		use(&tokenizer, truncate, false);
	for (int i = 0; i < copies.n; i++)
		free((void *) copies.tables[i].data);
}

/* A class with the options that the input says, as tokenizer_config_load leaves it. */
static TokenizerConfig
make_config(const uint8_t *data)
{
	static const TokenizerClass classes[] = {
		CLASS_T5,	 CLASS_XLM_ROBERTA, CLASS_ALBERT,	CLASS_LLAMA,   CLASS_CAMEMBERT,
		CLASS_XLNET, CLASS_DEBERTA_V2,	CLASS_BIG_BIRD, CLASS_PEGASUS, CLASS_MBART};
	static const char *const special[SPECIAL_TOKENS] = {"<unk>",  "[CLS]", "[SEP]", "<pad>",
														"<mask>", "<s>",   "</s>"};

	return (TokenizerConfig){.class = classes[data[0] % (sizeof classes / sizeof *classes)],
							 .class_name = "Tokenizer",
							 .defaults = special,
							 .do_lower_case = true,
							 .remove_space = true,
							 .add_bos_token = true,
							 .legacy = (data[1] & OPTION_LEGACY) != 0,
							 .extra_ids = 2,
							 .offset = 5,
							 .source_language = "en_XX"};
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TokenizerConfig config;
	Spm				spm;
	Node			none = {.key = "tokenizer.json"};
	Arena			arena;
	TokenizerBuild *build;
	Tokenizer		tokenizer;
	Error			error;
	size_t			n_damages, begin;
	bool			truncate;

	if (size < HEADER_BYTES)
		return 0;
	n_damages = data[2] % (MAX_DAMAGES + 1);
	begin = HEADER_BYTES + n_damages * DAMAGE_BYTES;
	if (begin > size)
		return 0;
	truncate = (data[1] & OPTION_TRUNCATE) != 0;
	config = make_config(data);
	spm = (Spm){.class = spm_class(config.class), .config = &config, .at = {.key = "model"}};
	arena_init(&arena, MEMORY);
	build = arena_alloc(&arena, 1, sizeof *build);
	build->arena = &arena;
	if (sentencepiece_read(&spm.model, &arena, &spm.at, data + begin, size - begin, &error) &&
		(data[1] & OPTION_FAST ? spm_fast(build, &spm, &none, &error)
							   : spm_slow(build, &spm, &none, &error)) &&
		build_tables(build, &error))
	{
		/* What the importer made itself must open. */
		if (!tokenizer_bind(&tokenizer, build_find, build, &error))
			__builtin_trap();
		use(&tokenizer, truncate, true);
		if (n_damages > 0)
			use_damaged(build, data + HEADER_BYTES, n_damages, truncate);
	}
	arena_free(&arena);
	return 0;
}
