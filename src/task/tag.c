/*
 * tag.c: tokens to words, words to groups.
 *
 * The rules are those of TokenClassificationPipeline of Transformers 4.37, oddities included: labels that do not
 * begin with B- or I- count as I- of themselves, so L-PER of the BILOU scheme is a group of its own.
 */
#include "task/tag.h"

#include <stdlib.h>
#include <string.h>

#include "tok/tables.h"

static const char *const names[] = {"none", "simple", "first", "average", "max"};

bool
aggregation_from_name(const char *name, Aggregation *aggregation)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
		{
			*aggregation = (Aggregation) i;
			return true;
		}
	return false;
}

bool
aggregation_needs_words(Aggregation aggregation)
{
	return aggregation >= AGGREGATION_FIRST;
}

/* A token or a word with its label. */
typedef struct Unit
{
	int		label;
	double	score;
	int32_t pos, end;
} Unit;

/* What is open while a window is read. */
typedef struct Reading
{
	Tagger *tagger;
	Error  *error;
	/* a word */
	int	 n_tokens; /* 0: none is open */
	Unit word;
	/* a group */
	int	 n_units; /* 0: none is open */
	Unit group;	  /* its label is the first one's, its score the sum */
	int	 last;	  /* label of its last unit */
} Reading;

bool
tagger_init(Tagger *tagger, Arena *arena, const Tokenizer *tokenizer, const char *const *labels,
			int n_labels, const char *const *ignored, int n_ignored, Aggregation aggregation,
			const char *text, size_t length, Error *error)
{
	const Component *model =
		&tokenizer->components[tokenizer->n_normalizers + tokenizer->n_pre_tokenizers];

	*tagger = (Tagger){.tokenizer = tokenizer,
					   .labels = labels,
					   .n_labels = n_labels,
					   .ignored = ignored,
					   .n_ignored = n_ignored,
					   .aggregation = aggregation,
					   .has_prefix = model->record->kind == MODEL_WORDPIECE && model->length > 0,
					   .text = {.text = text, .length = length},
					   .arena = arena};
	tagger->sums = arena_alloc(arena, (size_t) n_labels + 1, sizeof *tagger->sums);
	return tagger->sums || error_set(error, ERR_MEMORY, "out of memory for %d labels", n_labels);
}

/* ---- what was found ---- */

static bool
add_span(Reading *reading, const char *tag, double score, const Unit *unit)
{
	Tagger *tagger = reading->tagger;

	for (int i = 0; i < tagger->n_ignored; i++)
		if (strcmp(tag, tagger->ignored[i]) == 0)
			return true;
	if (tagger->n + 1 >= tagger->room) /* one more for tagger_merge */
	{
		size_t	 room = tagger->room ? tagger->room * 2 : 64;
		TagSpan *spans = arena_alloc_raw(tagger->arena, room, sizeof *spans);

		if (spans == NULL)
			return error_set(reading->error, ERR_MEMORY, "out of memory for %zu spans", room);
		if (tagger->n > 0)
			memcpy(spans, tagger->spans, tagger->n * sizeof *spans);
		tagger->spans = spans;
		tagger->room = room;
	}
	tagger->spans[tagger->n] = (TagSpan){.tag = tag,
										 .score = score,
										 .pos = unit->pos,
										 .len = unit->end - unit->pos,
										 .order = tagger->n};
	tagger->n++;
	return true;
}

/* ---- groups ---- */

/* A label without B- or I-, and whether it had B-. */
static const char *
split_label(const char *label, bool *begins)
{
	*begins = label[0] == 'B' && label[1] == '-';
	return *begins || (label[0] == 'I' && label[1] == '-') ? label + 2 : label;
}

static bool
close_group(Reading *reading)
{
	const char *label, *dash;
	int			n = reading->n_units;

	reading->n_units = 0;
	if (n == 0)
		return true;
	label = reading->tagger->labels[reading->group.label];
	dash = strchr(label, '-');
	return add_span(reading, dash ? dash + 1 : label, reading->group.score / n, &reading->group);
}

static bool
add_unit(Reading *reading, const Unit *unit)
{
	const Tagger *tagger = reading->tagger;
	const char	 *tag, *last;
	bool		  begins, unused;

	if (tagger->aggregation == AGGREGATION_NONE)
		return add_span(reading, tagger->labels[unit->label], unit->score, unit);
	tag = split_label(tagger->labels[unit->label], &begins);
	last = split_label(tagger->labels[reading->last], &unused);
	if (reading->n_units > 0 && !begins && strcmp(tag, last) == 0)
	{
		reading->group.score += unit->score;
		reading->group.end = unit->end;
	}
	else
	{
		if (!close_group(reading))
			return false;
		reading->group = *unit;
	}
	reading->last = unit->label;
	reading->n_units++;
	return true;
}

/* ---- words ---- */

static bool
close_word(Reading *reading)
{
	Tagger *tagger = reading->tagger;
	Unit   *word = &reading->word;
	int		n = reading->n_tokens;

	reading->n_tokens = 0;
	if (n == 0)
		return true;
	if (tagger->aggregation == AGGREGATION_AVERAGE)
	{
		word->label = 0;
		for (int i = 1; i < tagger->n_labels; i++)
			if (tagger->sums[i] > tagger->sums[word->label])
				word->label = i;
		word->score = tagger->sums[word->label] / n;
	}
	return add_unit(reading, word);
}

static bool
add_token(Reading *reading, const Unit *token, const float *probabilities, bool goes_on)
{
	Tagger *tagger = reading->tagger;

	if (!aggregation_needs_words(tagger->aggregation))
		return add_unit(reading, token);
	if (!goes_on && !close_word(reading))
		return false;
	if (reading->n_tokens == 0)
	{
		reading->word = *token;
		memset(tagger->sums, 0, (size_t) tagger->n_labels * sizeof *tagger->sums);
	}
	else if (tagger->aggregation == AGGREGATION_MAX && token->score > reading->word.score)
	{
		reading->word.label = token->label;
		reading->word.score = token->score;
	}
	reading->word.end = token->end;
	reading->n_tokens++;
	for (int i = 0; i < tagger->n_labels; i++)
		tagger->sums[i] += (double) probabilities[i];
	return true;
}

/* Whether a token goes on the word of the one before: by its length where the vocabulary marks such tokens, by the
 * space before it elsewhere. */
static bool
goes_on(Tagger *tagger, int32_t id, int32_t pos, int32_t len)
{
	size_t		length = 0, at;
	const char *token;

	if (id == tagger->tokenizer->unk_id)
		return false;
	if (tagger->has_prefix)
	{
		token = tokenizer_token(tagger->tokenizer, id, &length);
		return token != NULL && utf8_count(token, length) != (size_t) len;
	}
	if (pos == 0)
		return false;
	at = utf8_seek(&tagger->text, (size_t) pos - 1);
	if (at < tagger->text.length && tagger->text.text[at] == ' ')
		return false;
	at = utf8_seek(&tagger->text, (size_t) pos);
	return at == tagger->text.length || tagger->text.text[at] != ' ';
}

bool
tagger_add(Tagger *tagger, const Encoding *window, const float *probabilities, Error *error)
{
	Reading reading = {.tagger = tagger, .error = error};

	for (int i = 0; i < window->n; i++)
	{
		const float *row = probabilities + (size_t) i * (size_t) tagger->n_labels;
		Unit		 token = {.pos = window->pos[i], .end = window->pos[i] + window->len[i]};

		if (window->sequence[i] == 0)
			continue;
		for (int label = 1; label < tagger->n_labels; label++)
			if (row[label] > row[token.label])
				token.label = label;
		token.score = (double) row[token.label];
		if (!add_token(&reading, &token, row,
					   aggregation_needs_words(tagger->aggregation) &&
						   goes_on(tagger, window->ids[i], token.pos, window->len[i])))
			return false;
	}
	return close_word(&reading) && close_group(&reading);
}

/* ---- windows ---- */

static int
compare_begins(const void *a, const void *b)
{
	const TagSpan *x = a, *y = b;

	if (x->pos != y->pos)
		return x->pos < y->pos ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

void
tagger_merge(Tagger *tagger)
{
	TagSpan *spans = tagger->spans, best;
	size_t	 n = 0;

	if (tagger->n == 0)
		return;
	qsort(spans, tagger->n, sizeof *spans, compare_begins);
	best = spans[0];
	for (size_t i = 0; i < tagger->n; i++)
	{
		TagSpan span = spans[i];

		if (span.pos >= best.pos && span.pos < best.pos + best.len)
		{
			if (span.len > best.len || (span.len == best.len && span.score > best.score))
				best = span;
		}
		else
		{
			/* an empty span at the very beginning comes twice, as in the pipeline */
			spans[n++] = best;
			best = span;
		}
	}
	spans[n++] = best;
	tagger->n = n;
}
