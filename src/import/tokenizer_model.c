/*
 * tokenizer_model.c: what a model's own tokens tell about the texts it may be given.
 */
#include "import/tokenizer_model.h"

#include <stdio.h>
#include <string.h>

#include "tok/component.h"
#include "tok/sentencepiece.h"

void
build_byte_ids(const TokenizerBuild *build, int32_t ids[256])
{
	for (int i = 0; i < 256; i++)
	{
		char token[8];
		int	 n = snprintf(token, sizeof token, "<0x%02X>", i);

		ids[i] = string_map_get(&build->model_ids, token, (size_t) n);
	}
}

bool
mark_whole_tokens(TokenizerBuild *build, uint32_t *bits, size_t n_words, Error *error)
{
	Tokenizer		 tokenizer;
	const Component *model;
	Arena			 arena;
	EncodeOptions	 options = {0};
	bool			 result = true;

	if (!tokenizer_bind(&tokenizer, build_find, build, error))
		return false;
	model = &tokenizer.components[tokenizer.n_normalizers + tokenizer.n_pre_tokenizers];
	arena_init(&arena, 0);
	for (int id = 0; result && id < build->n_vocab && (size_t) id / 32 < n_words; id++)
	{
		const BuildString *token = &build->tokens[id];
		Text			   text = {0};
		Tokens			   tokens = {.limit = 2};
		Run				   run = {.tokenizer = &tokenizer,
								  .arena = &arena,
								  .options = &options,
								  .tokens = &tokens,
								  .error = error};
		size_t			   n;

		/* A token without a way to make it is no reason to refuse the others. */
		if (!token->bytes || token->length == 0 ||
			string_map_get(&build->model_ids, token->bytes, token->length) != id)
			continue;
		result = text_append(&text, &arena, token->bytes, token->length, 0, &n, error);
		if (result && model->type->tokenize(model, &run, &text, 0, text.length))
		{
			if (tokens.n == 1 && tokens.ids[0] == id)
				bits[id / 32] |= 1u << id % 32;
		}
		else
			result = result && error->code == ERR_DATA;
		arena_reset(&arena);
	}
	arena_free(&arena);
	return result;
}

/* Whether a mark stands in a token behind anything else than marks. */
static bool
goes_across(const BuildString *token, const char *mark, size_t n_mark)
{
	const char *at = token->bytes, *end = token->bytes + token->length;

	while ((size_t) (end - at) >= n_mark && memcmp(at, mark, n_mark) == 0)
		at += n_mark;
	return memmem(at, (size_t) (end - at), mark, n_mark) != NULL;
}

/* The character that the space of "a b" becomes; false when a and b don't stay around it. */
static bool
mark_of(const Tokenizer *tokenizer, Arena *arena, char mark[4], size_t *n_mark)
{
	static const char sample[] = "a b";
	Error			  error;
	char			 *bytes, *a;
	size_t			  length, begin, at;

	if (!tokenizer_normalize(tokenizer, arena, sample, sizeof sample - 1, &bytes, &length, &error))
		return false;
	a = memchr(bytes, 'a', length);
	if (!a)
		return false;
	begin = at = (size_t) (a + 1 - bytes);
	if (at == length)
		return false;
	text_next(bytes, &at);
	*n_mark = at - begin;
	memcpy(mark, bytes + begin, *n_mark);
	/* SentencePiece's normalizer comes later. */
	if (tokenizer->n_pre_tokenizers > 0 && *n_mark == 1 && mark[0] == ' ' &&
		(tokenizer->components[tokenizer->n_normalizers + tokenizer->n_pre_tokenizers - 1]
			 .record->flags &
		 SENTENCEPIECE_MARK))
		*n_mark = (size_t) utf8_put(SENTENCEPIECE_MARK_CHARACTER, mark);
	return at + 1 == length && bytes[at] == 'b';
}

/* Whether texts come to the model uncut: there are at most normalizers, SentencePiece's the last. */
static bool
leaves_whole_texts(const TokenizerBuild *build)
{
	int n = build->n_components[STAGE_PRE_TOKENIZER];

	for (int i = 0; i < n; i++)
	{
		uint32_t kind = build->components[STAGE_PRE_TOKENIZER][i].record.kind;

		if (i == n - 1 ? kind != PRE_TOKENIZER_SENTENCEPIECE : kind >= PRE_TOKENIZER_BERT)
			return false;
	}
	return true;
}

bool
cut_by_model(TokenizerBuild *build, Error *error)
{
	BuildComponent	*model = &build->components[STAGE_MODEL][0];
	TokenizerTables *header;
	ComponentRecord *record;
	Tokenizer		 tokenizer;
	char			 mark[4];
	size_t			 n_mark, size, at = 0;

	/* Without an unknown token characters vanish, and the positions of all that follow are shifted. */
	if ((model->record.kind == MODEL_BPE && model->record.args[0] < 0) ||
		!leaves_whole_texts(build) || !(build_allowed_cuts(build) & TOKENIZER_CUT_SPACE))
		return true;
	if (!tokenizer_bind(&tokenizer, build_find, build, error))
		return false;
	if (!mark_of(&tokenizer, build->arena, mark, &n_mark) ||
		string_map_get(&build->model_ids, mark, n_mark) < 0)
		return true;
	for (int id = 0; id < build->n_vocab; id++)
		if (build->tokens[id].bytes && goes_across(&build->tokens[id], mark, n_mark))
			return true;
	header = (TokenizerTables *) build_find(build, "tokenizer", &size);
	header->flags |= TOKENIZER_CUT_SPACE;
	record = &header->components[header->n_normalizers + header->n_pre_tokenizers];
	record->flags |= MODEL_CONTINUES;
	record->args[MODEL_ARG_MARK] = (int32_t) text_next(mark, &at);
	model->record = *record;
	return true;
}
