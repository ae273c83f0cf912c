/*
 * tokenizer.c: which of a directory's files make its tokenizer.
 *
 * Everything is compiled in memory first; the image is written when nothing can go wrong any more.
 */
#include "import/tokenizer.h"

#include "import/tokenizer_components.h"
#include "import/tokenizer_config.h"
#include "import/tokenizer_vocab.h"

/* From tokenizer.json. */
static bool
compile_fast(TokenizerBuild *build, const TokenizerConfig *config, const Node *root, Error *error)
{
	build->override_bert = config->class == CLASS_BERT;
	build->lowercase = config->do_lower_case;
	build->strip_accents = config->strip_accents;
	build->handle_chinese_chars = config->tokenize_chinese_chars;
	return compile_tokenizer_json(build, root, error) &&
		   tokenizer_config_apply(config, build, root, error);
}

/* From the slow class's files; root is tokenizer.json, whose added tokens count. */
static bool
compile_vocab(TokenizerBuild *build, const TokenizerConfig *config, const char *directory,
			  const Node *root, bool fast, bool *found, Error *error)
{
	Node at = {.key = "vocab.txt"};
	int	 n_vocab;

	if (!vocab_load(build, directory, &at, found, error))
		return false;
	if (!*found)
		return true;
	if (config->class != CLASS_BERT)
		return node_error(&at, error, ERR_UNSUPPORTED, "tokenizer class \"%s\" is not supported",
						  config->class_name);
	n_vocab = build->n_vocab;
	return tokenizer_config_apply(config, build, root, error) &&
		   (fast ? vocab_fast_bert(build, config, &at, error)
				 : vocab_slow_bert(build, config, &at, n_vocab, error));
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
	if (root.value && fast)
	{
		*found = true;
		result = compile_fast(build, config, &root, error);
	}
	else
		result = compile_vocab(build, config, directory, &root, fast, found, error);
	json_decref(root.value);
	build->flags |= (fast ? TOKENIZER_FAST : 0) | (config->clean_up ? TOKENIZER_CLEAN_UP : 0);
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
	if (tokenizer_config_load(&config, directory, options, error) &&
		compile(build, &config, directory, options, found, error))
	{
		result = !*found || (build_tables(build, error) && build_write(build, writer, error));
		*summary = (TokenizerSummary){.is_fast = (build->flags & TOKENIZER_FAST) != 0,
									  .do_lower_case = config.do_lower_case,
									  .model_max_length = config.model_max_length,
									  .n_vocab = build->n_vocab};
	}
	tokenizer_config_free(&config);
	arena_free(&arena);
	return result;
}
