/*
 * json_value.h: a JSON value that somebody else has parsed.
 *
 * A tree of pointers into memory of whoever made it; nothing here changes it.
 */
#ifndef TASK_JSON_VALUE_H
#define TASK_JSON_VALUE_H

#include <stddef.h>

typedef enum JsonType
{
	JSON_TYPE_NULL,
	JSON_TYPE_FALSE,
	JSON_TYPE_TRUE,
	JSON_TYPE_NUMBER,
	JSON_TYPE_STRING,
	JSON_TYPE_ARRAY,
	JSON_TYPE_OBJECT
} JsonType;

typedef struct JsonValue JsonValue;

typedef struct JsonMember
{
	const char		*key; /* UTF-8, NUL-terminated; that of an array's element is NULL */
	size_t			 key_length;
	const JsonValue *value;
} JsonMember;

struct JsonValue
{
	JsonType		  type;
	const char		 *text; /* a string's UTF-8 or a number's digits, NUL-terminated */
	size_t			  length;
	const JsonMember *members; /* (n) elements of an array, members of an object */
	int				  n;
};

#endif
