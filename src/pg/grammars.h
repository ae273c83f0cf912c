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

/* Of the elements of a text[], none of which may be NULL; palloc'd. */
extern Grammar *grammar_from_choices(ArrayType *choices);

/* Of the labels of an enum type, and of JSON objects with the fields of a composite type. */
extern Grammar *grammar_from_enum(Oid type);
extern Grammar *grammar_from_row(Oid type, int32 typmod);

#endif
