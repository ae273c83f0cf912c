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
run_show_as(Run *run, const char *bytes, size_t length)
{
	TokenText *text = &run->tokens->next_text;

	if (!run->tokens->wants_texts)
		return true;
	*text = (TokenText){tokens_text(run->tokens, run->arena, bytes, length), length};
	return text->bytes || error_set(run->error, ERR_MEMORY, "out of memory for a token's text");
}
