/*
 * grammars.h: what a statement asks output to look like, as grammars.
 */
#ifndef PG_GRAMMARS_H
#define PG_GRAMMARS_H

#include "pg/pg_infer.h"

#include "utils/jsonb.h"

#include "task/grammar.h"

/* Of JSON texts that a schema accepts; palloc'd.  ERROR where it can't be followed, with the place. */
extern Grammar *grammar_from_schema(Jsonb *schema);

/* Texts of which the output is one, in UTF-8 and palloc'd. */
typedef struct Choices
{
	int			 n;
	const char **texts;	  /* (n) none is empty */
	int32		*ids;	  /* of choices_encode, or NULL: their tokens */
	int32		*offsets; /* (n + 1) */
} Choices;

/* The elements of a text[], none of which may be NULL, and the labels of an enum type. */
extern Choices choices_from_array(ArrayType *array);
extern Choices choices_from_enum(Oid type);

/* Of choices as the model's tokenizer can spell them: of texts, or else of token ids, which choices get then. */
extern Grammar *grammar_from_choices(ModelHandle *handle, Choices *choices);

/* The choice whose tokens these are, special ones aside; NULL: there is none. */
extern const char *choices_find(const Choices *choices, const Tokenizer *tokenizer,
								const int32 *ids, int n);

/* Of JSON objects with the fields of a composite type. */
extern Grammar *grammar_from_row(Oid type, int32 typmod);

#endif
