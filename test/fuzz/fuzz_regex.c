/*
 * fuzz_regex.c: any bytes as a regular expression, a NUL, and a text for it.
 *
 * Matches must follow each other inside of the text.
 */
#include <string.h>

#include "import/regex.h"

#define MEMORY ((size_t) 64 << 20)

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const Node	   at = {.key = "pattern"};
	const uint8_t *end = size > 0 ? memchr(data, '\0', size) : NULL;
	size_t		   n_pattern = end ? (size_t) (end - data) : size, used, begin, last = 0, n_table;
	size_t		   n_text = end ? size - n_pattern - 1 : 0;
	Arena		   arena;
	RegexTree	   tree;
	const void	  *table;
	Regex		   regex;
	RegexSearch	   search = {0};
	bool		   found = true;
	Error		   error;

	arena_init(&arena, MEMORY);
	if (regex_parse(&arena, &at, (const char *) data, n_pattern, &tree, &error) &&
		regex_check(&tree, &at, &error) &&
		regex_compile(&arena, &tree, &at, &table, &n_table, &error))
	{
		regex_cuts(&tree);
		if (!regex_open(&regex, table, n_table, &used))
			__builtin_trap();
		if (regex_begin(&search, &regex, &arena, NULL, end ? (const char *) end + 1 : "", n_text,
						&error))
			while (found && regex_next(&search, &found, &begin, &used) && found)
			{
				if (begin < last || used < begin || used > n_text)
					__builtin_trap();
				last = used;
			}
	}
	arena_free(&arena);
	return 0;
}
