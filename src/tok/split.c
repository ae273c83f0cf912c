/*
 * split.c: the five behaviours, and pre-tokenizers whose delimiters are single characters.
 *
 * PRE_TOKENIZER_DELIMITERS: the table is a CharTable, 1 for a delimiter; args[0] the behaviour.
 * PRE_TOKENIZER_RUNS: the table is a CharTable; runs of one class are pieces, class 0 vanishes; with RUNS_JOIN
 * characters of class RUNS_ANY belong to whatever is before them, and at the beginning vanish.
 */
#include "tok/split.h"

static bool
flush(Splitter *splitter)
{
	size_t begin = splitter->begin, end = splitter->end;

	if (!splitter->waits)
		return true;
	splitter->waits = false;
	return begin == end || pieces_add(splitter->out, splitter->run->arena, begin, end, PIECE_OPEN,
									  splitter->run->error);
}

bool
splitter_add(Splitter *splitter, size_t begin, size_t end, bool delimiter)
{
	bool joins = false, after = splitter->delimiter;

	if (begin == end && !delimiter)
		return true;
	splitter->delimiter = delimiter;
	switch (splitter->behavior)
	{
		case SPLIT_REMOVED:
			if (delimiter)
				return flush(splitter);
			break;
		case SPLIT_CONTIGUOUS:
			joins = delimiter == after;
			break;
		case SPLIT_MERGED_PREVIOUS:
			joins = delimiter && !after;
			break;
		case SPLIT_MERGED_NEXT:
			joins = !delimiter && after;
			break;
		default:
			break;
	}
	if (joins && splitter->waits)
	{
		splitter->end = end;
		return true;
	}
	if (!flush(splitter))
		return false;
	splitter->waits = true;
	splitter->begin = begin;
	splitter->end = end;
	return true;
}

bool
splitter_end(Splitter *splitter)
{
	splitter->delimiter = false;
	return flush(splitter);
}

static bool
delimiters_open(Component *component, const void *data, size_t size)
{
	return component->record->args[0] >= 0 && component->record->args[0] < SPLIT_BEHAVIORS &&
		   char_table_open(&component->chars, data, size);
}

static bool
split_at_delimiters(const Component *component, Run *run, const Text *text, const Piece *piece,
					Pieces *out)
{
	Splitter splitter = {
		.run = run, .out = out, .behavior = (SplitBehavior) component->record->args[0]};
	size_t done = piece->begin;

	for (size_t at = piece->begin; at < piece->end;)
	{
		size_t begin = at;

		if (char_value(&component->chars, text_next(text->bytes, &at)) == 0)
			continue;
		if (!splitter_add(&splitter, done, begin, false) ||
			!splitter_add(&splitter, begin, at, true))
			return false;
		done = at;
	}
	return splitter_add(&splitter, done, piece->end, false) && splitter_end(&splitter);
}

static bool
delimiters_split(const Component *component, Run *run, const Pieces *in, Pieces *out)
{
	return run_split_pieces(component, run, in, out, split_at_delimiters);
}

const ComponentType delimiters_type = {
	.kind = PRE_TOKENIZER_DELIMITERS,
	.name = "delimiters",
	.open = delimiters_open,
	.split = delimiters_split,
};

static bool
runs_open(Component *component, const void *data, size_t size)
{
	return char_table_open(&component->chars, data, size);
}

static bool
split_into_runs(const Component *component, Run *run, const Text *text, const Piece *piece,
				Pieces *out)
{
	bool	 joins = (component->record->flags & RUNS_JOIN) != 0;
	size_t	 begin = piece->begin;
	uint32_t last = RUNS_NONE;

	for (size_t at = begin; at < piece->end;)
	{
		size_t from = at;
		uint32_t class = char_value(&component->chars, text_next(text->bytes, &at));

		if (class == last || (joins && class == RUNS_ANY && last != RUNS_NONE))
			continue;
		if (last != RUNS_NONE && !pieces_add(out, run->arena, begin, from, PIECE_OPEN, run->error))
			return false;
		begin = from;
		last = class == RUNS_NONE || (joins && class == RUNS_ANY) ? RUNS_NONE : class;
	}
	return last == RUNS_NONE ||
		   pieces_add(out, run->arena, begin, piece->end, PIECE_OPEN, run->error);
}

static bool
runs_split(const Component *component, Run *run, const Pieces *in, Pieces *out)
{
	return run_split_pieces(component, run, in, out, split_into_runs);
}

const ComponentType runs_type = {
	.kind = PRE_TOKENIZER_RUNS,
	.name = "runs",
	.open = runs_open,
	.split = runs_split,
};
