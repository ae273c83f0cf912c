/*
 * added.c: finding added tokens.
 *
 * As AddedVocabulary of the tokenizers library does: matches are leftmost-longest and do not overlap;
 * single_word drops a match that touches a character of a word; lstrip and rstrip take the whitespace
 * beside it.  Works on the raw text and on the normalized one, with a trie for each.
 */
#include "tok/added.h"

#include "tok/byte_level.h"

/* What a token takes beside it; Python, behind the slow tokenizers, has four more. */
static bool
is_space(const Tokenizer *tokenizer, uint32_t character)
{
	return tokenizer->tables->flags & TOKENIZER_FAST ? is_whitespace(character)
													 : is_python_space(character);
}

/* The first byte of the character that ends before byte end. */
static size_t
character_before(const char *bytes, size_t end)
{
	size_t at = end - 1;

	while (at > 0 && end - at < 4 && ((uint8_t) bytes[at] & 0xC0) == 0x80)
		at--;
	return at;
}

static bool
is_word(const Tokenizer *tokenizer, const char *bytes, size_t length, size_t at)
{
	return tokenizer->added_words.index &&
		   char_value(&tokenizer->added_words, utf8_next(bytes, length, &at)) != 0;
}

bool
added_next(const Tokenizer *tokenizer, const Trie *trie, const char *bytes, size_t length,
		   size_t taken, size_t *at, AddedMatch *match)
{
	for (size_t begin = *at; begin < length; begin++)
	{
		size_t			   matched;
		int32_t			   index = trie_longest(trie, 0, bytes + begin, length - begin, &matched);
		size_t			   end, next;
		const AddedRecord *added;

		if (index < 0 || (uint32_t) index >= tokenizer->n_added)
			continue;
		added = &tokenizer->added[index];
		end = begin + matched;
		*at = end;
		if ((added->flags & ADDED_SINGLE_WORD) && !(tokenizer->tables->flags & TOKENIZER_FAST))
		{
			bool left = begin > 0 && bytes[begin - 1] != ' ';

			if (left || (end < length && bytes[end] != ' '))
			{
				match->begin = match->end = left ? end : begin;
				match->id = PIECE_OPEN;
				return true;
			}
		}
		else if ((added->flags & ADDED_SINGLE_WORD) &&
				 ((begin > 0 &&
				   is_word(tokenizer, bytes, length, character_before(bytes, begin))) ||
				  (end < length && is_word(tokenizer, bytes, length, end))))
		{
			begin = end - 1;
			continue;
		}
		match->id = added->id;
		match->begin = begin;
		if (added->flags & ADDED_LSTRIP)
			while (match->begin > taken)
			{
				size_t before = character_before(bytes, match->begin);

				next = before;
				if (before < taken || !is_space(tokenizer, utf8_next(bytes, length, &next)))
					break;
				match->begin = before;
			}
		if ((added->flags & ADDED_LSTRIP) && match->begin < taken)
			match->begin = taken;
		match->end = end;
		if (added->flags & ADDED_RSTRIP)
			for (next = end; next < length && is_space(tokenizer, utf8_next(bytes, length, &next));)
				match->end = next;
		if (match->begin >= match->end)
		{
			begin = end - 1;
			continue;
		}
		return true;
	}
	*at = length;
	return false;
}

void
count_spaces(const char *bytes, size_t length, int32_t *leading, int32_t *trailing)
{
	bool only = true;

	*leading = *trailing = 0;
	for (size_t at = 0; at < length;)
	{
		uint32_t character = utf8_next(bytes, length, &at);

		if (character == byte_level_character(' ') || is_whitespace(character))
		{
			*leading += only;
			++*trailing;
		}
		else
		{
			only = false;
			*trailing = 0;
		}
	}
}
