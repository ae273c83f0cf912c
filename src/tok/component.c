/*
 * component.c: the list of component kinds, and what they share while running.
 */
#include "tok/component.h"

static const ComponentType *const types[] = {
	&char_map_type,
	&compose_type,
	&prepend_type,
	&strip_type,
	&precompiled_type,
	&quotes_type,
	&replace_type,
	&bert_pre_tokenizer_type,
	&words_type,
	&byte_level_type,
	&jieba_type,
	&delimiters_type,
	&runs_type,
	&split_type,
	&metaspace_type,
	&sentencepiece_type,
	&wordpiece_type,
	&bpe_type,
	&wordlevel_type,
	&unigram_type,
	&wordpiece_decoder_type,
	&words_decoder_type,
	&byte_level_decoder_type,
	&metaspace_decoder_type,
	&byte_fallback_decoder_type,
	&fuse_decoder_type,
	&sentencepiece_decoder_type,
	&bpe_decoder_type,
	&ctc_decoder_type,
	&strip_decoder_type,
	&replace_decoder_type,
};

const ComponentType *
component_type(uint32_t kind)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if ((uint32_t) types[i]->kind == kind)
			return types[i];
	return NULL;
}

bool
no_table(Component *component, const void *data, size_t size)
{
	return true;
}

bool
run_interrupted(Run *run)
{
	run->ticks = 0;
	if (!run->options->interrupted || !run->options->interrupted(run->options->argument))
		return false;
	error_set(run->error, ERR_CANCELLED, "tokenization was cancelled");
	return true;
}

bool
run_split_pieces(const Component *component, Run *run, const Pieces *in, Pieces *out,
				 PieceSplitter split)
{
	const Text *text = &run->text[run->current];

	for (size_t i = 0; i < in->n; i++)
	{
		const Piece *piece = &in->items[i];

		if (piece->id != PIECE_OPEN)
		{
			if (!pieces_add(out, run->arena, piece->begin, piece->end, piece->id, run->error))
				return false;
		}
		else if (!run_tick(run, piece->end - piece->begin) ||
				 !split(component, run, text, piece, out))
			return false;
	}
	return true;
}

bool
run_rewrite_pieces(const Component *component, Run *run, const Pieces *in, Pieces *out,
				   PieceRewriter rewrite)
{
	const Text *text = &run->text[run->current];
	Text	   *result = &run->text[1 - run->current];

	result->length = 0;
	for (size_t i = 0; i < in->n; i++)
	{
		const Piece *piece = &in->items[i];

		if (piece->id == PIECE_OPEN ? !rewrite(component, run, text, piece, result, out)
									: !run_copy_piece(run, text, piece, result, out))
			return false;
	}
	run->current = 1 - run->current;
	return true;
}

bool
run_copy_piece(Run *run, const Text *text, const Piece *piece, Text *result, Pieces *out)
{
	size_t length = piece->end - piece->begin, begin = result->length;

	if (!text_reserve(result, run->arena, length, run->error))
		return false;
	text_copy(result, text, piece->begin, piece->end);
	return pieces_add(out, run->arena, begin, result->length, piece->id, run->error);
}

bool
run_emit_split(Run *run, const Text *text, size_t begin, size_t end, int32_t id)
{
	const Tokenizer *tokenizer = run->tokenizer;
	const int32_t	*splits = tokenizer->splits;
	size_t at = (size_t) splits[id], n = at < tokenizer->n_splits ? (size_t) splits[at] : 0;

	if (n == 0 || n > (tokenizer->n_splits - at) / 2)
		return error_set(run->error, ERR_CORRUPT, "tokenizer has no tokens instead of id %d", id);
	for (size_t i = 0; i < n; i++)
	{
		int32_t part = splits[at + 1 + 2 * i];
		size_t	next = begin;

		for (int32_t left = splits[at + 2 + 2 * i]; left > 0 && next < end; left--)
			text_next(text->bytes, &next);
		if (i + 1 == n || next == begin || next > end)
			next = end;
		if ((uint32_t) part >= (uint32_t) tokenizer->n_vocab)
			return error_set(run->error, ERR_CORRUPT, "tokenizer gives id %d of a vocabulary of %d",
							 part, tokenizer->n_vocab);
		if (!tokens_add(run->tokens, run->arena, part, text->origin[begin < end ? begin : end - 1],
						text->origin[next - 1] + 1, run->error))
			return false;
		begin = next;
	}
	return true;
}

bool
run_show_as(Run *run, const char *bytes, size_t length)
{
	TokenText *text = &run->tokens->next_text;

	if (!run->tokens->wants_texts)
		return true;
	*text = (TokenText){tokens_text(run->tokens, run->arena, bytes, length), length};
	return text->bytes || error_set(run->error, ERR_MEMORY, "out of memory for a token's text");
}
