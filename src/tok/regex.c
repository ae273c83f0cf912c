/*
 * regex.c: the matcher.
 *
 * Choices are on a stack of their own, so the C stack grows with the nesting of look-arounds alone.  The steps of
 * a match are limited, as Oniguruma limits retries: a fixed number, and some more for every byte that it reaches.
 */
#include "tok/regex.h"

#include "tok/component.h"

#define MAX_CHOICES ((size_t) 1 << 22)
#define FUEL 10000000
#define FUEL_PER_BYTE 64
#define RESTORE 0x80000000u

static bool
opens(const Regex *regex, const RegexInstruction *instruction)
{
	const RegexTable *table = regex->table;
	uint32_t		  n = table->n_instructions;

	switch (instruction->op)
	{
		case REGEX_MATCH:
			return true;
		case REGEX_SET:
		case REGEX_REPEAT:
		case REGEX_GRAB:
			return instruction->a < table->n_sets;
		case REGEX_SPLIT:
			return instruction->a < n && instruction->b < n;
		case REGEX_JUMP:
		case REGEX_AHEAD:
		case REGEX_BEHIND:
		case REGEX_ATOMIC:
			return instruction->a < n;
		case REGEX_ASSERT:
			return instruction->a < REGEX_ASSERTIONS;
		case REGEX_SAVE:
			return instruction->a < table->n_slots;
		case REGEX_IF_EMPTY:
			return instruction->a < table->n_slots && instruction->b < n;
		case REGEX_BACKREF:
			return table->n_slots >= 2 && instruction->a < table->n_slots - 1;
	}
	return false;
}

bool
regex_open(Regex *regex, const void *data, size_t size, size_t *used)
{
	const RegexTable *table = data;
	uint64_t		  fixed, atoms;

	if (size < sizeof *table || table->size > size || table->n_instructions == 0 ||
		table->n_instructions > REGEX_MAX_INSTRUCTIONS || table->n_slots > REGEX_MAX_SLOTS ||
		table->n_sets == 0)
		return false;
	fixed = sizeof *table + table->n_instructions * (uint64_t) sizeof(RegexInstruction);
	atoms = (uint64_t) table->n_sets * table->set_words;
	if (atoms > UINT32_MAX || fixed + atoms * sizeof(uint32_t) > table->size)
		return false;
	regex->table = table;
	regex->instructions = (const RegexInstruction *) (table + 1);
	regex->sets = (const uint32_t *) (regex->instructions + table->n_instructions);
	if (!char_table_open(&regex->chars, regex->sets + atoms,
						 table->size - (size_t) (fixed + atoms * sizeof(uint32_t))))
		return false;
	if (table->has_first && table->first >= table->n_sets)
		return false;
	for (uint32_t i = 0; i < table->n_instructions; i++)
		if (!opens(regex, &regex->instructions[i]))
			return false;
	/* Execution cannot run out of the program. */
	if (regex->instructions[table->n_instructions - 1].op != REGEX_MATCH)
		return false;
	*used = table->size;
	return true;
}

static inline bool
set_has(const Regex *regex, uint32_t set, uint32_t atom)
{
	uint32_t words = regex->table->set_words;

	return atom / 32 < words &&
		   (regex->sets[(size_t) set * words + atom / 32] >> atom % 32 & 1) != 0;
}

bool
regex_is_set(const Regex *regex)
{
	return regex->table->n_instructions == 2 && regex->instructions[0].op == REGEX_SET &&
		   regex->instructions[1].op == REGEX_MATCH;
}

bool
regex_set_has(const Regex *regex, uint32_t character)
{
	return set_has(regex, regex->instructions[0].a, char_value(&regex->chars, character));
}

/* The number of the character at *at, which moves behind it. */
static inline uint32_t
atom_at(const RegexSearch *search, size_t *at)
{
	const CharTable *chars = &search->regex->chars;
	uint8_t			 byte = (uint8_t) search->bytes[*at];

	if (byte < 0x80)
	{
		++*at;
		return chars->values[((size_t) chars->index[0] << CHAR_BLOCK_BITS) + byte];
	}
	return char_value(chars, utf8_next(search->bytes, search->length, at));
}

/* The beginning of the character that ends before at, which is not 0. */
static inline size_t
before(const RegexSearch *search, size_t at)
{
	size_t begin = at - 1;

	while (begin > 0 && at - begin < 4 && ((uint8_t) search->bytes[begin] & 0xC0) == 0x80)
		begin--;
	return begin;
}

/* One character less than up to at, but no less than up to low. */
static inline size_t
shorter(const RegexSearch *search, size_t at, size_t low)
{
	size_t less = before(search, at);

	return less < low ? low : less;
}

static bool
push(RegexSearch *search, uint32_t pc, size_t at, size_t low)
{
	if (search->n_choices == search->room)
	{
		size_t		 room = search->room ? search->room * 2 : 64;
		RegexChoice *choices;

		if (room > MAX_CHOICES)
			return error_set(search->error, ERR_LIMIT,
							 "a regular expression of the tokenizer leaves more than %zu choices "
							 "open",
							 MAX_CHOICES);
		choices = arena_alloc_raw(search->arena, room, sizeof *choices);
		if (!choices)
			return error_set(search->error, ERR_MEMORY, "out of memory for a regular expression");
		if (search->n_choices > 0)
			memcpy(choices, search->choices, search->n_choices * sizeof *choices);
		search->choices = choices;
		search->room = room;
	}
	search->choices[search->n_choices++] = (RegexChoice){pc, at, low};
	return true;
}

static bool
save(RegexSearch *search, uint32_t slot, size_t at)
{
	if (!push(search, RESTORE + slot, search->slots[slot], 0))
		return false;
	search->slots[slot] = at;
	return true;
}

/* Forgets the choices above base, but not what slots were. */
static void
settle(RegexSearch *search, size_t base)
{
	size_t n = base;

	for (size_t i = base; i < search->n_choices; i++)
		if (search->choices[i].pc & RESTORE)
			search->choices[n++] = search->choices[i];
	search->n_choices = n;
}

/* Goes on with the last choice above base; false when there is none. */
static bool
retry(RegexSearch *search, size_t base, uint32_t *pc, size_t *at)
{
	while (search->n_choices > base)
	{
		RegexChoice *choice = &search->choices[search->n_choices - 1];

		if (choice->pc & RESTORE)
		{
			search->slots[choice->pc & ~RESTORE] = choice->at;
			search->n_choices--;
			continue;
		}
		*pc = choice->pc;
		*at = choice->at;
		if (choice->at <= choice->low)
			search->n_choices--;
		else
			choice->at = shorter(search, choice->at, choice->low);
		return true;
	}
	return false;
}

static bool
is_word(const RegexSearch *search, size_t at)
{
	return set_has(search->regex, 0, atom_at(search, &at));
}

static bool
holds(const RegexSearch *search, uint32_t assertion, size_t at)
{
	const char *bytes = search->bytes;
	size_t		length = search->length;

	switch (assertion)
	{
		case REGEX_LINE_BEGIN:
			return at == 0 || (bytes[at - 1] == '\n' && at < length);
		case REGEX_LINE_END:
			return at == length || bytes[at] == '\n';
		case REGEX_TEXT_BEGIN:
			return at == 0;
		case REGEX_TEXT_END:
			return at == length;
		case REGEX_TEXT_END_LINE:
			return at == length || (at + 1 == length && bytes[at] == '\n');
		case REGEX_SEARCH_BEGIN:
			return at == search->from;
		case REGEX_HERE:
			return at == search->here;
		default:
			return ((at > 0 && is_word(search, before(search, at))) !=
					(at < length && is_word(search, at))) == (assertion == REGEX_WORD_BORDER);
	}
}

static bool match_here(RegexSearch *search, uint32_t pc, size_t at, int depth, bool *matches,
					   size_t *end);

/* Whether the program at pc matches some c to d characters that end at at. */
static bool
match_behind(RegexSearch *search, const RegexInstruction *instruction, uint32_t pc, size_t at,
			 int depth, bool *matches)
{
	size_t	 from = at, end;
	uint32_t n = 0;

	*matches = false;
	for (; n < instruction->c; n++)
	{
		if (from == 0)
			return true;
		from = before(search, from);
	}
	for (;; n++)
	{
		size_t here = search->here;
		bool   result;

		/* The program ends in REGEX_HERE. */
		search->here = at;
		result = match_here(search, pc, from, depth, matches, &end);
		search->here = here;
		if (!result || *matches || n >= instruction->d || from == 0)
			return result;
		from = before(search, from);
	}
}

/* Look-arounds and atomic groups; *at moves for the latter. */
static bool
match_group(RegexSearch *search, uint32_t pc, size_t *at, int depth, bool *matches)
{
	const RegexInstruction *instruction = &search->regex->instructions[pc];
	size_t					base = search->n_choices, end = *at;

	if (depth >= REGEX_MAX_DEPTH)
		return error_set(search->error, ERR_CORRUPT,
						 "a regular expression of the tokenizer nests more than %d groups",
						 REGEX_MAX_DEPTH);
	if (instruction->op == REGEX_BEHIND
			? !match_behind(search, instruction, pc + 1, *at, depth + 1, matches)
			: !match_here(search, pc + 1, *at, depth + 1, matches, &end))
		return false;
	if (instruction->op == REGEX_ATOMIC)
	{
		settle(search, base);
		*at = end;
	}
	else if (instruction->b)
	{
		uint32_t ignored;
		size_t	 nowhere;

		settle(search, base);
		while (retry(search, base, &ignored, &nowhere))
			;
		*matches = !*matches;
	}
	else
		settle(search, base);
	return true;
}

/* Behind as many characters of the instruction's set as there are, *least behind the fewest; false: too few.  A byte
 * costs as much as a step. */
static bool
take_run(RegexSearch *search, const RegexInstruction *instruction, size_t *at, size_t *least)
{
	uint32_t n = 0;
	size_t	 begin = *at;

	if (instruction->b == 0)
		*least = *at;
	while (n < instruction->c && *at < search->length)
	{
		size_t next = *at;

		if (!set_has(search->regex, instruction->a, atom_at(search, &next)))
			break;
		*at = next;
		if (++n == instruction->b)
			*least = next;
	}
	search->fuel -= *at - begin < search->fuel ? *at - begin : search->fuel;
	return n >= instruction->b;
}

static bool
same_again(const RegexSearch *search, uint32_t slot, size_t *at)
{
	size_t begin = search->slots[slot], end = search->slots[slot + 1];

	if (begin > end || end > search->length || end - begin > search->length - *at ||
		memcmp(search->bytes + begin, search->bytes + *at, end - begin) != 0)
		return false;
	*at += end - begin;
	return true;
}

/* Pays for a step; false when there is nothing left to pay with, or the caller wants to stop. */
static inline bool
pay(RegexSearch *search, size_t at)
{
	if (at > search->reach)
	{
		search->fuel += (at - search->reach) * FUEL_PER_BYTE;
		search->reach = at;
	}
	if (search->fuel == 0)
		return error_set(search->error, ERR_LIMIT,
						 "a regular expression of the tokenizer takes too many steps");
	search->fuel--;
	return !search->run || run_tick(search->run, 1);
}

static bool
match_here(RegexSearch *search, uint32_t pc, size_t at, int depth, bool *matches, size_t *end)
{
	const RegexInstruction *program = search->regex->instructions;
	size_t					base = search->n_choices;

	for (;;)
	{
		const RegexInstruction *instruction = &program[pc];
		bool					good = true;
		size_t					least = at;

		if (!pay(search, at))
			return false;
		switch (instruction->op)
		{
			case REGEX_MATCH:
				*matches = true;
				*end = at;
				return true;
			case REGEX_SET:
				good = at < search->length &&
					   set_has(search->regex, instruction->a, atom_at(search, &at));
				pc++;
				break;
			case REGEX_REPEAT:
				good = take_run(search, instruction, &at, &least);
				pc++;
				if (good && at > least && !push(search, pc, shorter(search, at, least), least))
					return false;
				break;
			case REGEX_GRAB:
				good = take_run(search, instruction, &at, &least);
				pc++;
				break;
			case REGEX_SPLIT:
				if (!push(search, instruction->b, at, at))
					return false;
				pc = instruction->a;
				break;
			case REGEX_JUMP:
				pc = instruction->a;
				break;
			case REGEX_ASSERT:
				good = holds(search, instruction->a, at);
				pc++;
				break;
			case REGEX_SAVE:
				if (!save(search, instruction->a, at))
					return false;
				pc++;
				break;
			case REGEX_IF_EMPTY:
				pc = search->slots[instruction->a] == at ? instruction->b : pc + 1;
				break;
			case REGEX_BACKREF:
				good = same_again(search, instruction->a, &at);
				pc++;
				break;
			default:
				if (!match_group(search, pc, &at, depth, &good))
					return false;
				pc = instruction->a;
				break;
		}
		if (!good && !retry(search, base, &pc, &at))
		{
			*matches = false;
			return true;
		}
	}
}

bool
regex_begin(RegexSearch *search, const Regex *regex, Arena *arena, struct Run *run,
			const char *bytes, size_t length, Error *error)
{
	search->regex = regex;
	search->arena = arena;
	search->run = run;
	search->error = error;
	search->bytes = bytes;
	search->length = length;
	search->next = 0;
	search->last = SIZE_MAX;
	if (!search->slots && regex->table->n_slots > 0)
	{
		search->slots = arena_alloc_raw(arena, regex->table->n_slots, sizeof *search->slots);
		if (!search->slots)
			return error_set(error, ERR_MEMORY, "out of memory for a regular expression");
	}
	return true;
}

/* The leftmost match at or behind a position. */
static bool
find(RegexSearch *search, size_t from, bool *found, size_t *begin, size_t *end)
{
	const RegexTable *table = search->regex->table;

	search->from = from;
	for (size_t at = from, next; at <= search->length; at = next)
	{
		next = at + 1;
		if (at < search->length)
		{
			uint32_t atom;

			next = at;
			atom = atom_at(search, &next);
			if (table->has_first && !set_has(search->regex, table->first, atom))
			{
				if (search->run && !run_tick(search->run, 1))
					return false;
				continue;
			}
		}
		else if (table->has_first)
			break;
		for (uint32_t i = 0; i < table->n_slots; i++)
			search->slots[i] = SIZE_MAX;
		search->n_choices = 0;
		search->fuel = FUEL;
		search->reach = at;
		if (!match_here(search, 0, at, 0, found, end))
			return false;
		if (*found)
		{
			*begin = at;
			return true;
		}
	}
	*found = false;
	return true;
}

bool
regex_next(RegexSearch *search, bool *found, size_t *begin, size_t *end)
{
	*found = false;
	while (search->next <= search->length)
	{
		if (!find(search, search->next, found, begin, end))
			return false;
		if (!*found)
		{
			search->next = search->length + 1;
			break;
		}
		if (*begin != *end || *begin != search->last)
		{
			search->next = search->last = *end;
			return true;
		}
		*found = false;
		if (search->next < search->length)
			utf8_next(search->bytes, search->length, &search->next);
		else
			search->next++;
	}
	return true;
}
