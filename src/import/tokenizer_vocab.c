/*
 * tokenizer_vocab.c: compiles the BERT family's vocab.txt.
 */
#include "import/tokenizer_vocab.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"
#include "import/tokenizer_components.h"

#define FILE_LIMIT ((size_t) 256 << 20)
#define MAX_CHARACTERS 100

static bool
is_utf8(const char *text, size_t length)
{
	for (size_t at = 0; at < length;)
	{
		size_t begin = at;

		/* A real U+FFFD takes three bytes. */
		if (utf8_next(text, length, &at) == 0xFFFD && at - begin != 3)
			return false;
	}
	return true;
}

/* The next line's length, and where the one after it begins; \n, \r\n and \r end a line. */
static size_t
next_line(const char *text, size_t size, size_t begin, size_t *next)
{
	size_t end = begin;

	while (end < size && text[end] != '\n' && text[end] != '\r')
		end++;
	*next = end + (end + 1 < size && text[end] == '\r' && text[end + 1] == '\n' ? 2 : 1);
	return end - begin;
}

/* One token a line, its id the number of the line; of equal lines the last counts. */
static bool
read_lines(TokenizerBuild *build, const Node *at, const char *text, size_t size, Error *error)
{
	StringMap last = {0};
	int32_t	  line = 0;
	size_t	  begin, next;

	for (begin = 0; begin < size; begin = next, line++)
	{
		size_t length = next_line(text, size, begin, &next);

		if (line > BUILD_MAX_ID)
			return node_error(at, error, ERR_DATA, "more than %d lines", BUILD_MAX_ID);
		if (!is_utf8(text + begin, length))
			return node_error(at, error, ERR_DATA, "line %d is not valid UTF-8", line + 1);
		if (!string_map_put(&last, build->arena, text + begin, length, line, error))
			return false;
	}
	line = 0;
	for (begin = 0; begin < size; begin = next, line++)
	{
		size_t length = next_line(text, size, begin, &next);

		if (string_map_get(&last, text + begin, length) == line &&
			!build_token(build, at, text + begin, length, line, error))
			return false;
	}
	return true;
}

bool
vocab_load(TokenizerBuild *build, const char *directory, const Node *at, bool *found, Error *error)
{
	char   path[4096];
	char  *text;
	size_t size;

	*found = false;
	if ((size_t) snprintf(path, sizeof path, "%s/%s", directory, at->key) >= sizeof path)
		return error_set(error, ERR_ARGUMENT, "path of \"%s\" is too long", at->key);
	text = file_read(build->arena, path, FILE_LIMIT, &size, error);
	if (!text)
		return error->code == ERR_NOT_FOUND;
	*found = true;
	return read_lines(build, at, text, size, error);
}

bool
vocab_fast_bert(TokenizerBuild *build, const TokenizerConfig *config, const Node *at, Error *error)
{
	BertRules rules = {.clean_text = true,
					   .handle_chinese_chars =
						   config->tokenize_chinese_chars && config->class == CLASS_BERT,
					   .lowercase = config->do_lower_case};
	int32_t	  unk, cls, sep;

	rules.strip_accents = config->strip_accents >= 0 ? config->strip_accents != 0 : rules.lowercase;
	return build_need_id(build, at, SPECIAL_UNK, "unk_token", &unk, error) &&
		   build_need_id(build, at, SPECIAL_CLS, "cls_token", &cls, error) &&
		   build_need_id(build, at, SPECIAL_SEP, "sep_token", &sep, error) &&
		   add_wordpiece(build, at, "##", 2, unk, MAX_CHARACTERS, error) &&
		   add_bert_normalizer(build, at, &rules, error) &&
		   (config->class == CLASS_ROFORMER ? add_jieba(build, at, true, error)
											: add_bert_pre_tokenizer(build, at, error)) &&
		   add_bert_template(build, cls, sep, 1, error) &&
		   add_wordpiece_decoder(build, at, "##", 2, true, error);
}
