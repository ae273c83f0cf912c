/*
 * schema.h: from a JSON Schema to the grammar of texts that it accepts.
 *
 * The grammar has only texts that validate (drafts 7 to 2020-12), not all of them: of objects with
 * properties only those properties, in the order of the schema, of strings no needless escapes, of
 * numbers no exponents and at most 15 digits before and behind the point.  What a schema may say and the
 * grammar cannot promise is refused with the place where it is said.
 */
#ifndef TASK_SCHEMA_H
#define TASK_SCHEMA_H

#include "task/grammar.h"
#include "task/json_value.h"

/* The grammar, malloc'ed; NULL with ERR_ARGUMENT for what is no schema or contradicts itself,
 * ERR_UNSUPPORTED for keywords that can't be followed, ERR_LIMIT for too large a grammar.  The message has the
 * place as a JSON pointer.  interrupted, unless NULL, is asked now and then whether to stop, with
 * ERR_CANCELLED. */
extern Grammar *schema_compile(const JsonValue *schema, bool (*interrupted)(void *argument),
							   Error		   *error);

#endif
