/*
 * tokenizer.c: which of a directory's files make its tokenizer.
 *
 * Everything is compiled in memory first; the image is written when nothing can go wrong any more.
 */
#include "import/tokenizer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "import/tokenizer_components.h"
#include "import/tokenizer_config.h"
#include "import/tokenizer_spm.h"
#include "import/tokenizer_vocab.h"

/* From tokenizer.json. */
static bool
compile_fast(TokenizerBuild *build, const TokenizerConfig *config, const Node *root, Error *error)
{
	build->override_bert = config->class == CLASS_BERT || config->class == CLASS_ROFORMER;
	build->override_chinese = config->class == CLASS_BERT;
	build->override_words = config->class == CLASS_ROFORMER;
	build->lowercase = config->do_lower_case;
	build->strip_accents = config->strip_accents;
	build->handle_chinese_chars = config->tokenize_chinese_chars;
	build->override_prefix_space = config->class == CLASS_GPT2 || config->class == CLASS_ROBERTA;
	build->override_trim = config->class == CLASS_ROBERTA;
	build->add_prefix_space = config->add_prefix_space;
	build->trim_offsets = config->trim_offsets;
	return compile_tokenizer_json(build, root, error) &&
		   tokenizer_config_apply(config, build, root, error);
}

/* The slow class's files; how each class loads them and makes its pipelines. */
typedef struct SlowClass
{
	TokenizerClass class;
	const char *file; /* names the vocabulary in errors */
	bool (*fast)(TokenizerBuild *build, const TokenizerConfig *config, const Node *at,
				 Error *error);
	bool (*slow)(TokenizerBuild *build, const TokenizerConfig *config, const Node *at,
				 Error *error);
} SlowClass;

static const SlowClass slow_classes[] = {
	{CLASS_BERT, "vocab.txt", vocab_fast_bert, vocab_slow_bert},
	{CLASS_ROCBERT, "vocab.txt", NULL, vocab_slow_bert},
	{CLASS_ROFORMER, "vocab.txt", vocab_fast_bert, vocab_slow_bert},
	{CLASS_GPT2, "vocab.json", gpt2_fast, gpt2_slow},
	{CLASS_ROBERTA, "vocab.json", gpt2_fast, gpt2_slow},
};

/* Which of them it is; a vocabulary of an unknown class is an error, none at all is not. */
static bool
find_slow_class(const TokenizerConfig *config, const char *directory, const SlowClass **class,
				Error *error)
{
	static const char *const files[] = {"vocab.txt", "vocab.json"};

	*class = NULL;
	for (size_t i = 0; i < sizeof slow_classes / sizeof *slow_classes; i++)
		if (slow_classes[i].class == config->class)
			*class = &slow_classes[i];
	for (size_t i = 0; !*class && i < sizeof files / sizeof *files; i++)
	{
		char path[4096];

		if ((size_t) snprintf(path, sizeof path, "%s/%s", directory, files[i]) < sizeof path &&
			access(path, F_OK) == 0)
			return error_set(error, ERR_UNSUPPORTED, "%s: tokenizer class \"%s\" is not supported",
							 files[i], config->class_name);
	}
	return true;
}

/* From the slow class's files; root is tokenizer.json, whose added tokens count. */
static bool
compile_vocab(TokenizerBuild *build, const TokenizerConfig *config, const char *directory,
			  const Node *root, bool fast, bool *found, Error *error)
{
	const SlowClass *class;
	Node at = {0};
	int	 n_vocab;

	if (!find_slow_class(config, directory, &class, error))
		return false;
	if (!class)
		return true;
	at.key = class->file;
	if (strcmp(class->file, "vocab.txt") == 0 ? !vocab_load(build, directory, &at, found, error)
											  : !gpt2_load(build, directory, found, error))
		return false;
	if (!*found)
		return true;
	n_vocab = build->n_vocab;
	if (!tokenizer_config_apply(config, build, root, error))
		return false;
	if (fast)
		return class->fast(build, config, &at, error);
	return tokenizer_config_slow(config, build, n_vocab, error) &&
		   class->slow(build, config, &at, error) &&
		   (class->class != CLASS_ROCBERT || rocbert_load(build, directory, error));
}

/* From a SentencePiece model. */
static bool
compile_spm(TokenizerBuild *build, const TokenizerConfig *config, const char *directory,
			const Node *root, bool fast, bool *found, Error *error)
{
	Spm spm;

	if (!spm_load(&spm, spm_class(config->class), config, build, directory, found, error))
		return false;
	if (!*found)
		return true;
	return fast ? spm_fast(build, &spm, root, error) : spm_slow(build, &spm, root, error);
}

/* Lower-cases texts first, unless the class's own rules do. */
static bool
lower_first(TokenizerBuild *build, const TokenizerConfig *config, Error *error)
{
	Node at = {.key = "do_lower_case"};
	bool lowers = (config->class == CLASS_BERT || config->class == CLASS_ROFORMER ||
				   config->class == CLASS_ROCBERT) &&
				  config->do_lower_case;

	return lowers || compile_lowercase(build, &at, error);
}

static bool
compile(TokenizerBuild *build, const TokenizerConfig *config, const char *directory,
		const TokenizerOptions *options, bool *found, Error *error)
{
	Node root;
	bool fast, result;

	if (!node_load(directory, "tokenizer.json", 0, &root, error))
		return false;
	fast = options->use_fast < 0 ? root.value != NULL : options->use_fast != 0;
	/* It has no fast class. */
	fast = fast && config->class != CLASS_ROCBERT;
	if (options->lower_case && !lower_first(build, config, error))
		return false;
	if (root.value && fast)
	{
		*found = true;
		result = compile_fast(build, config, &root, error);
	}
	else if (spm_class(config->class))
		result = compile_spm(build, config, directory, &root, fast, found, error);
	else
		result = compile_vocab(build, config, directory, &root, fast, found, error);
	json_decref(root.value);
	build->flags |= (fast ? TOKENIZER_FAST : 0) | (config->clean_up ? TOKENIZER_CLEAN_UP : 0) |
					(config->has_types ? 0 : TOKENIZER_NO_TYPES);
	return result;
}

bool
import_tokenizer(ImageWriter *writer, const char *directory, const TokenizerOptions *options,
				 bool *found, TokenizerSummary *summary, Error *error)
{
	Arena			arena;
	TokenizerBuild *build;
	TokenizerConfig config;
	bool			result = false;

	*found = false;
	arena_init(&arena, 0);
	build = arena_alloc(&arena, 1, sizeof *build);
	if (!build)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	build->arena = &arena;
	if (tokenizer_config_load(&config, directory, error) &&
		compile(build, &config, directory, options, found, error))
	{
		result = !*found || (build_tables(build, error) && build_write(build, writer, error));
		*summary = (TokenizerSummary){.is_fast = (build->flags & TOKENIZER_FAST) != 0,
									  .model_max_length = config.model_max_length,
									  .n_vocab = build->n_vocab};
	}
	tokenizer_config_free(&config);
	arena_free(&arena);
	return result;
}
