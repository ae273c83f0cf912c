/*
 * sentencepiece.c: SentencePiece's own normalizer (Kudo & Richardson 2018), for the slow classes.
 *
 * It runs on each stretch between added tokens: user-defined symbols stay, otherwise the longest rule applies, or a
 * character stays; spaces are put in front, joined, trimmed and marked as the model asks.
 */
#include "tok/sentencepiece.h"

#include "tok/component.h"

#define MARK "\xE2\x96\x81"

typedef struct Rules
{
	const SentencePieceTable *table;
	Trie					  rules, user;
	const char				 *texts;
} Rules;

static bool
rules_open(Rules *rules, const void *data, size_t size)
{
	const SentencePieceTable *table = data;
	const char				 *bytes = data;
	size_t					  at = sizeof *table;

	if (size < at || (uint64_t) table->n_rules + table->n_user + table->n_texts != size - at ||
		table->n_rules % sizeof(TrieNode) != 0 || table->n_user % sizeof(TrieNode) != 0)
		return false;
	rules->table = table;
	rules->texts = bytes + at + table->n_rules + table->n_user;
	return trie_open(&rules->rules, bytes + at, table->n_rules) &&
		   trie_open(&rules->user, bytes + at + table->n_rules, table->n_user) &&
		   table->n_texts > 0 && bytes[size - 1] == '\0';
}

static bool
sentencepiece_open(Component *component, const void *data, size_t size)
{
	Rules rules;

	component->bytes = data;
	component->length = size;
	return rules_open(&rules, data, size);
}

/* What the text goes on with: so many of its bytes, and what they become. */
typedef struct Step
{
	size_t		taken;
	const char *bytes; /* NULL: themselves */
	size_t		length;
} Step;

static bool
next_step(const Rules *rules, Run *run, const Text *in, size_t at, Step *step)
{
	size_t	matched = 0, next = at;
	int32_t text;

	*step = (Step){0};
	if (rules->user.n > 1 &&
		trie_longest(&rules->user, 0, in->bytes + at, in->length - at, &step->taken) >= 0)
		return true;
	text = trie_longest(&rules->rules, 0, in->bytes + at, in->length - at, &matched);
	if (text >= 0)
	{
		if ((uint32_t) text >= rules->table->n_texts)
			return error_set(run->error, ERR_CORRUPT, "tokenizer has no replacement at %d", text);
		*step = (Step){matched, rules->texts + text, strlen(rules->texts + text)};
		return true;
	}
	text_next(in->bytes, &next);
	step->taken = next - at;
	return true;
}

typedef struct Output
{
	Text *out;
	bool  marks;	   /* spaces become marks */
	bool  after_space; /* spaces that follow vanish */
} Output;

/* Puts a step's text out, without spaces at its beginning where one was before. */
static bool
put_step(Output *output, Run *run, const Text *in, size_t at, const Step *step)
{
	const char *bytes = step->bytes ? step->bytes : in->bytes + at;
	size_t		length = step->bytes ? step->length : step->taken, begin = 0;
	size_t		place = at;

	while (output->after_space && begin < length && bytes[begin] == ' ')
		begin++;
	if (begin == length)
		return true;
	if (!text_reserve(output->out, run->arena, 4 * (length - begin), run->error))
		return false;
	while (begin < length)
	{
		uint32_t origin = in->origin[place];
		uint32_t character = text_next(bytes, &begin);

		text_put(output->out,
				 output->marks && character == ' ' ? SENTENCEPIECE_MARK_CHARACTER : character,
				 origin);
		/* The i-th character that comes out stands for the i-th that went in. */
		if (place < at + step->taken)
			text_next(in->bytes, &place);
		if (place >= at + step->taken)
		{
			place = at + step->taken - 1;
			while (((uint8_t) in->bytes[place] & 0xC0) == 0x80)
				place--;
		}
	}
	output->after_space = bytes[length - 1] == ' ';
	return true;
}

static bool
ends_in(const Text *text, size_t begin, const char *bytes, size_t length)
{
	return text->length - begin >= length &&
		   memcmp(text->bytes + text->length - length, bytes, length) == 0;
}

/* Whether a text begins with what SENTENCEPIECE_MODERN keeps. */
static bool
begins_with_space(const Text *in)
{
	return in->bytes[0] == ' ' || (in->length >= 3 && memcmp(in->bytes, MARK, 3) == 0);
}

static bool
normalize_piece(const Component *component, Run *run, const Text *in, bool continues, Text *out)
{
	uint32_t	flags = component->record->flags;
	bool		trims = (flags & SENTENCEPIECE_TRIM) != 0;
	Output		output = {.out = out, .marks = (flags & SENTENCEPIECE_MARK) != 0};
	const char *space = output.marks ? MARK : " ";
	size_t		n_space = strlen(space), begin = out->length, at = 0;
	Rules		rules;
	Step		step;

	rules_open(&rules, component->bytes, component->length);
	if (!continues && !((flags & SENTENCEPIECE_MODERN) && begins_with_space(in)))
	{
		output.after_space = trims;
		for (; trims && at < in->length; at += step.taken)
		{
			if (!next_step(&rules, run, in, at, &step) || !run_tick(run, step.taken))
				return false;
			if (step.bytes ? strcmp(step.bytes, " ") != 0 : step.taken != 1 || in->bytes[at] != ' ')
				break;
		}
		if (at == in->length)
			return true;
		if (flags & SENTENCEPIECE_PREFIX)
		{
			if (!text_reserve(out, run->arena, 4, run->error))
				return false;
			text_put(out, output.marks ? SENTENCEPIECE_MARK_CHARACTER : ' ', in->origin[at]);
		}
	}
	for (; at < in->length; at += step.taken)
	{
		size_t end = at;

		while (end + 1 < in->length && (uint8_t) in->bytes[end] < 0x80 &&
			   rules.table->plain[(uint8_t) in->bytes[end]] && (uint8_t) in->bytes[end + 1] < 0x80)
			end++;
		if (end > at)
		{
			step.taken = end - at;
			if (!text_reserve(out, run->arena, step.taken, run->error))
				return false;
			text_copy(out, in, at, end);
			output.after_space = false;
		}
		else if (!next_step(&rules, run, in, at, &step) || !put_step(&output, run, in, at, &step))
			return false;
		if (!run_tick(run, step.taken))
			return false;
		output.after_space &= trims;
	}
	while (trims && ends_in(out, begin, space, n_space))
		out->length -= n_space;
	return true;
}

/* A mark that the class put before the text, alone before a special token. */
static bool
vanishes(const Component *component, Run *run, const Pieces *in, const Text *out, size_t begin)
{
	return (component->record->flags & SENTENCEPIECE_MODERN) && !run->continues && in->n > 1 &&
		   in->items[1].id >= 0 && tokenizer_is_special(run->tokenizer, in->items[1].id) &&
		   out->length - begin == sizeof MARK - 1 && ends_in(out, begin, MARK, sizeof MARK - 1);
}

static bool
sentencepiece_split(const Component *component, Run *run, const Pieces *in, Pieces *out)
{
	const Text *text = &run->text[run->current];
	Text	   *result = &run->text[1 - run->current];

	result->length = 0;
	for (size_t i = 0; i < in->n; i++)
	{
		const Piece *piece = &in->items[i];
		size_t		 begin = result->length, length = piece->end - piece->begin;
		const Text	 part = {.bytes = text->bytes + piece->begin,
							 .origin = text->origin + piece->begin,
							 .length = length,
							 .room = length};

		if (piece->id != PIECE_OPEN)
		{
			if (!run_copy_piece(run, text, piece, result, out))
				return false;
			continue;
		}
		if (!normalize_piece(component, run, &part, run->continues && piece->begin == 0, result))
			return false;
		if (i == 0 && vanishes(component, run, in, result, begin))
			result->length = begin;
		if (result->length > begin &&
			!pieces_add(out, run->arena, begin, result->length, PIECE_OPEN, run->error))
			return false;
	}
	run->current = 1 - run->current;
	return true;
}

const ComponentType sentencepiece_type = {
	.kind = PRE_TOKENIZER_SENTENCEPIECE,
	.name = "SentencePiece",
	.open = sentencepiece_open,
	.split = sentencepiece_split,
};
