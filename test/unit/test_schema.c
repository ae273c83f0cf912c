/*
 * test_schema.c: JSON schemas as grammars, and texts that are made token by token within them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "task/automaton.h"
#include "task/generation.h"
#include "task/schema.h"

/* ---- a vocabulary: all bytes, and some strings across JSON's marks ---- */

static const char *const strings[] = {
	"\"",		"\": \"", "\", \"", "{\"", "\"}",  "\":", "true", "false",	 "null",  "name",
	"ab",		"abc",	  " the",	"12",  "0.",   "00",  "\\n",  "\\\"",	 "é",	  "日本",
	"\xe6\x97", "[[",	  "]]",		"],",  "}, {", "-",	  "  ",	  "2020-01", "value", "key"};

typedef struct Words
{
	Vocabulary vocabulary;
	int32_t	   ids[512], indices[512];
	uint16_t   common[512], lengths[512];
	uint32_t   begins[512];
	uint8_t	   bytes[4096];
} Words;

typedef struct Word
{
	char bytes[16];
	int	 length;
} Word;

static int
compare_words(const void *a, const void *b)
{
	const Word *left = a, *right = b;
	int			n = left->length < right->length ? left->length : right->length;
	int			order = memcmp(left->bytes, right->bytes, (size_t) n);

	return order != 0 ? order : left->length - right->length;
}

static Words words;

static void
make_words(void)
{
	static Word list[512];
	int			n = 0;
	uint32_t	at = 0;

	for (int i = 0; i < 256; i++)
		list[n++] = (Word){.bytes = {(char) i}, .length = 1};
	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
		if (strlen(strings[i]) > 1)
		{
			list[n].length = (int) strlen(strings[i]);
			memcpy(list[n].bytes, strings[i], strlen(strings[i]));
			n++;
		}
	qsort(list, (size_t) n, sizeof *list, compare_words);
	for (int i = 0; i < n; i++)
	{
		int common = 0;

		while (i > 0 && common < list[i].length && common < list[i - 1].length &&
			   list[i].bytes[common] == list[i - 1].bytes[common])
			common++;
		words.ids[i] = words.indices[i] = i;
		words.common[i] = (uint16_t) common;
		words.lengths[i] = (uint16_t) list[i].length;
		words.begins[i] = at;
		memcpy(words.bytes + at, list[i].bytes, (size_t) list[i].length);
		at += (uint32_t) list[i].length;
	}
	words.vocabulary = (Vocabulary){.n = n,
									.n_vocab = n,
									.ids = words.ids,
									.common = words.common,
									.lengths = words.lengths,
									.begins = words.begins,
									.indices = words.indices,
									.bytes = words.bytes};
}

/* ---- schemas ---- */

static JsonValue *
convert(const json_t *json)
{
	JsonValue  *value = calloc(1, sizeof *value);
	JsonMember *members;
	const char *key;
	json_t	   *member;
	char		number[64];

	switch (json_typeof(json))
	{
		case JSON_NULL:
			value->type = JSON_TYPE_NULL;
			break;
		case JSON_TRUE:
			value->type = JSON_TYPE_TRUE;
			break;
		case JSON_FALSE:
			value->type = JSON_TYPE_FALSE;
			break;
		case JSON_INTEGER:
		case JSON_REAL:
			value->type = JSON_TYPE_NUMBER;
			snprintf(number, sizeof number, "%.15g", json_number_value(json));
			value->text = strdup(number);
			value->length = strlen(number);
			break;
		case JSON_STRING:
			value->type = JSON_TYPE_STRING;
			value->text = json_string_value(json);
			value->length = json_string_length(json);
			break;
		case JSON_ARRAY:
			value->type = JSON_TYPE_ARRAY;
			members = calloc(json_array_size(json) + 1, sizeof *members);
			for (; value->n < (int) json_array_size(json); value->n++)
				members[value->n].value = convert(json_array_get(json, (size_t) value->n));
			value->members = members;
			break;
		case JSON_OBJECT:
			value->type = JSON_TYPE_OBJECT;
			members = calloc(json_object_size(json) + 1, sizeof *members);
			json_object_foreach((json_t *) json, key, member) members[value->n++] =
				(JsonMember){.key = key, .key_length = strlen(key), .value = convert(member)};
			value->members = members;
			break;
	}
	return value;
}

static void
release(JsonValue *value)
{
	for (int i = 0; i < value->n; i++)
		release((JsonValue *) value->members[i].value);
	if (value->type == JSON_TYPE_NUMBER)
		free((char *) value->text);
	free((JsonMember *) value->members);
	free(value);
}

static Grammar *
compile(const char *schema, Error *error)
{
	json_t	  *json = json_loads(schema, JSON_DECODE_ANY, NULL);
	JsonValue *value;
	Grammar	  *grammar;

	assert_non_null(json);
	value = convert(json);
	grammar = schema_compile(value, NULL, error);
	release(value);
	json_decref(json);
	return grammar;
}

static bool
accepts(Automaton *automaton, const char *text)
{
	AutomatonConstraint	   wrapped;
	const TokenConstraint *constraint = &wrapped.constraint;
	uint32_t			   bits[16] = {0};
	char				   state[64];
	bool				   complete = false;
	Error				   error;

	assert_true(automaton_constrain(automaton, 1000, &wrapped, &error));
	assert_true(constraint->state_size <= sizeof state);
	constraint->start(constraint, state);
	for (const char *c = text; *c; c++)
	{
		int	 id = vocabulary_longest(&words.vocabulary, (const uint8_t *) c, 1);
		bool allowed;

		memset(bits, 0, sizeof bits);
		assert_true(constraint->allowed(constraint, state, bits, &complete, &error));
		allowed = bits[id / 32] >> (id % 32) & 1;
		assert_int_equal(allowed, constraint->advance(constraint, state, id, &error));
		if (!allowed)
			return false;
	}
	memset(bits, 0, sizeof bits);
	assert_true(constraint->allowed(constraint, state, bits, &complete, &error));
	return complete;
}

#define MOST_TEXTS 8

typedef struct Case
{
	const char *schema;
	const char *texts[MOST_TEXTS];	 /* in it */
	const char *refused[MOST_TEXTS]; /* not in it */
} Case;

static const Case cases[] = {
	{"{\"type\": \"integer\", \"minimum\": -12, \"exclusiveMaximum\": 105}",
	 {"-12", "-9", "0", "7", "99", "104"},
	 {"-13", "105", "-0", "00", "1.0", "200", "-20", ""}},
	{"{\"type\": \"number\", \"minimum\": -0.25, \"exclusiveMaximum\": 1.5}",
	 {"-0.25", "-0.2", "0", "1.49", "1.4999", "0.0", "1"},
	 {"-0.26", "1.5", "1.50", "2", "-1", "-0.251", ".5", "1."}},
	{"{\"type\": \"number\"}", {"0", "-1.5", "12.50"}, {"01", "1e5", "-", "1.", "+1", "NaN"}},
	{"{\"type\": \"string\", \"minLength\": 2, \"maxLength\": 3}",
	 {"\"ab\"", "\"é日本\"", "\"\\n\\\"\""},
	 {"\"a\"", "\"abcd\"", "\"a\nb\"", "ab", "\"\xe6\x97\"", "\"\\u0041b\"", "\"\xed\xa0\x80z\""}},
	{"{\"pattern\": \"^[a-c]+(-\\\\d{2})?$\"}",
	 {"\"a\"", "\"abc-12\""},
	 {"\"\"", "\"d\"", "\"a-1\"", "\"a-123\"", "\"xa\""}},
	{"{\"pattern\": \"b|^x$\", \"maxLength\": 3}",
	 {"\"b\"", "\"abc\"", "\"x\"", "\"\\\"b\""},
	 {"\"xx\"", "\"aabc\"", "\"a\""}},
	{"{\"enum\": [\"a\\\"\", 1, null, {\"k\": [true]}], \"type\": [\"string\", \"object\"]}",
	 {"\"a\\\"\"", "{\"k\": [true]}"},
	 {"1", "null", "\"a\"", "{}"}},
	{"{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"null\"}, \"b\": {\"const\": 2}}, "
	 "\"required\": [\"b\"]}",
	 {"{\"a\": null, \"b\": 2}", "{\"b\":2}", "{\"a\":null,\"b\":2}"},
	 {"{\"a\": null}", "{}", "{\"b\": 2, \"a\": null}", "{\"b\":2,}", "{\"b\":  2}", "{\"b\":3}"}},
	{"{\"type\": \"object\", \"properties\": {\"a\": {\"const\": 1}, \"b\": {\"const\": 2}, \"c\": "
	 "{\"const\": 3}}, \"minProperties\": 1, \"maxProperties\": 2}",
	 {"{\"a\":1}", "{\"c\":3}", "{\"a\":1,\"c\":3}", "{\"b\":2,\"c\":3}"},
	 {"{}", "{\"a\":1,\"b\":2,\"c\":3}"}},
	{"{\"type\": \"object\", \"additionalProperties\": {\"type\": \"boolean\"}, \"maxProperties\": "
	 "2}",
	 {"{}", "{\"x\": true}", "{\"x\": true, \"\": false}"},
	 {"{\"x\": 1}", "{\"x\":true,\"y\":true,\"z\":true}", "{x: true}"}},
	{"{\"type\": \"array\", \"prefixItems\": [{\"const\": 1}], \"items\": {\"const\": 2}, "
	 "\"minItems\": 1, \"maxItems\": 3}",
	 {"[1]", "[1, 2]", "[1,2,2]"},
	 {"[]", "[2]", "[1,1]", "[1,2,2,2]", "[1"}},
	{"{\"type\": \"array\", \"items\": {\"type\": \"boolean\"}}",
	 {"[]", "[true]", "[true, false,true]"},
	 {"[,]", "[true,]", "[1]", "[ ]"}},
	{"{\"$ref\": \"#/$defs/tree\", \"$defs\": {\"tree\": {\"type\": \"array\", \"items\": "
	 "{\"$ref\": "
	 "\"#/$defs/tree\"}}}}",
	 {"[]", "[[],[[]]]", "[[[[[]]]]]"},
	 {"[[]", "[1]"}},
	{"{\"allOf\": [{\"type\": \"number\", \"minimum\": 3}, {\"type\": \"integer\", \"maximum\": "
	 "5}]}",
	 {"3", "5"},
	 {"2", "6", "3.5"}},
	{"{\"required\": [\"k\"], \"anyOf\": [{\"properties\": {\"k\": {\"const\": 1}}}, "
	 "{\"properties\": "
	 "{\"k\": {\"const\": 2}}}]}",
	 {"{\"k\": 1}", "{\"k\": 2}"},
	 {"{\"k\": 3}", "{}"}},
	{"{\"oneOf\": [{\"type\": \"string\", \"maxLength\": 1}, {\"type\": \"integer\", \"maximum\": "
	 "1}]}",
	 {"\"\"", "1", "\"x\""},
	 {"2", "\"xy\""}},
	{"true", {"null", "[1, {\"a\": \"b\"}]", "-2.5", "{\"\": {}}"}, {"", "nul", "{1: 2}"}},
	{"{\"type\": \"string\", \"format\": \"date\"}",
	 {"\"2024-02-28\"", "\"1999-12-01\""},
	 {"\"2024-02-30\"", "\"2024-13-01\"", "\"2024-2-1\""}},
};

static void
grammars_have_what_schemas_say(void **state)
{
	(void) state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
	{
		Error	   error;
		Grammar	  *grammar = compile(cases[i].schema, &error);
		Automaton *automaton;

		if (grammar == NULL)
			fail_msg("%s: %s", cases[i].schema, error.message);
		assert_true(grammar_check(grammar, grammar->size, &error));
		automaton = automaton_create(grammar, &words.vocabulary, &error);
		assert_non_null(automaton);
		for (int j = 0; j < MOST_TEXTS && cases[i].texts[j] != NULL; j++)
			if (!accepts(automaton, cases[i].texts[j]))
				fail_msg("%s refuses %s", cases[i].schema, cases[i].texts[j]);
		for (int j = 0; j < MOST_TEXTS && cases[i].refused[j] != NULL; j++)
			if (accepts(automaton, cases[i].refused[j]))
				fail_msg("%s accepts %s", cases[i].schema, cases[i].refused[j]);
		automaton_free(automaton);
		free(grammar);
	}
}

static const char *const bad[][2] = {
	{"[]", "at \"#\": a schema must be an object"},
	{"{\"type\": \"text\"}", "\"type\" must be"},
	{"{\"properties\": {\"a\": {\"not\": {}}}}", "at \"#/properties/a\": keyword \"not\""},
	{"{\"type\": \"array\", \"uniqueItems\": true}", "uniqueItems"},
	{"{\"items\": {\"type\": \"integer\", \"minimum\": 5, \"maximum\": 4}, \"minItems\": 1}",
	 "at \"#/items\": no number lies between"},
	{"{\"type\": \"integer\", \"minimum\": 0.2, \"maximum\": 0.8}", "no value satisfies"},
	{"{\"minLength\": 3, \"maxLength\": 2}", "minLength of 3 is more than maxLength of 2"},
	{"{\"minItems\": 3, \"maxItems\": 2}", "minItems of 3 is more than maxItems of 2"},
	{"{\"minLength\": -1}", "\"minLength\" must be an integer"},
	{"{\"type\": \"string\", \"pattern\": \"a(\"}", "a group has no end"},
	{"{\"type\": \"string\", \"pattern\": \"(?=a)b\"}", "looks around"},
	{"{\"type\": \"string\", \"pattern\": \"a^b\"}", "^ and $ are supported only"},
	{"{\"type\": \"string\", \"pattern\": \"(a)\\\\1\"}", "an escape that is not supported"},
	{"{\"type\": \"string\", \"pattern\": \"*\"}", "nothing to repeat"},
	{"{\"type\": \"string\", \"pattern\": \"((a{1000}){1000}){1000}\"}", "more than 100000 states"},
	{"{\"$ref\": \"#/nowhere\"}", "which is not there"},
	{"{\"$ref\": \"http://example.com\"}", "must be a place in this schema"},
	{"{\"$ref\": \"#\"}", "circle"},
	{"{\"anyOf\": [{\"$ref\": \"#\"}, {\"type\": \"null\"}]}", "no value satisfies"},
	{"{\"properties\": {\"a\": {\"$ref\": \"#\"}}, \"required\": [\"a\"]}", "no value satisfies"},
	{"{\"allOf\": [{\"$ref\": \"#\"}, {\"type\": \"null\"}]}", "too many schemas"},
	{"{\"required\": [\"a\"], \"additionalProperties\": false}", "no value satisfies"},
	{"{\"oneOf\": [{\"type\": \"number\"}, {\"type\": \"integer\"}]}",
	 "at \"#/oneOf/1\": \"oneOf\""},
	{"{\"enum\": []}", "no value satisfies"},
	{"{\"type\": \"array\", \"maxItems\": 900000}", "too long to be counted"},
	{"{\"type\": \"object\", \"minProperties\": 2}", "minProperties of 2 needs"},
	{"{\"enum\": [\"a\"], \"pattern\": \"a\"}", "beside \"enum\""},
};

static void
bad_schemas_are_refused_with_their_place(void **state)
{
	(void) state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
	{
		Error	 error;
		Grammar *grammar = compile(bad[i][0], &error);

		if (grammar != NULL)
			fail_msg("%s is compiled", bad[i][0]);
		if (strstr(error.message, bad[i][1]) == NULL)
			fail_msg("%s: %s", bad[i][0], error.message);
	}
}

/* Tokens drawn from those that are allowed, until it has to end or, once it may, one time in three. */
static int
draw(Automaton *automaton, int most, char *text, size_t room, unsigned *seed)
{
	AutomatonConstraint	   wrapped;
	const TokenConstraint *constraint = &wrapped.constraint;
	char				   state[64];
	size_t				   length = 0;
	int					   n = 0;
	Error				   error;

	if (!automaton_constrain(automaton, most, &wrapped, &error))
		fail_msg("%s", error.message);
	constraint->start(constraint, state);
	for (;; n++)
	{
		uint32_t bits[16] = {0};
		int		 allowed[512], n_allowed = 0, index;
		bool	 complete;

		assert_true(constraint->allowed(constraint, state, bits, &complete, &error));
		for (int id = 0; id < words.vocabulary.n_vocab; id++)
			if (bits[id / 32] >> (id % 32) & 1)
				allowed[n_allowed++] = id;
		if (complete && (n_allowed == 0 || rand_r(seed) % 3 == 0))
			break;
		assert_true(n_allowed > 0);
		index = allowed[rand_r(seed) % n_allowed];
		assert_true(constraint->advance(constraint, state, index, &error));
		assert_true(length + words.lengths[index] < room);
		memcpy(text + length, words.bytes + words.begins[index], words.lengths[index]);
		length += words.lengths[index];
		if (constraint->finished(constraint, state))
		{
			n++;
			break;
		}
	}
	text[length] = '\0';
	return n;
}

static void
texts_end_within_their_tokens(void **state)
{
	unsigned seed = 1;
	(void) state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
	{
		Error	   error;
		Grammar	  *grammar = compile(cases[i].schema, &error);
		Automaton *automaton = automaton_create(grammar, &words.vocabulary, &error);

		for (int most = 40; most < 100; most++)
		{
			char text[4096];

			assert_true(draw(automaton, most, text, sizeof text, &seed) <= most);
			if (!accepts(automaton, text))
				fail_msg("%s refuses %s, which it has led to", cases[i].schema, text);
		}
		automaton_free(automaton);
		free(grammar);
	}
}

/* A request's tokens with logits drawn at random; its first sequence's text. */
static void
generate(Automaton *automaton, GenerationOptions *options, unsigned *seed, char *text, size_t room)
{
	int					n_vocab = words.vocabulary.n_vocab + 1, n_rows;
	int32_t				eos = n_vocab - 1, prompt[2] = {1, 2};
	AutomatonConstraint constraint;
	Error				error;
	GenerationInputs	inputs = {.options = options,
								  .prompt = prompt,
								  .n_prompt = 2,
								  .n_vocab = n_vocab,
								  .kernels = kernels_select(ISA_AUTO, &error),
								  .constraint = &constraint.constraint};
	Generation		   *generation;
	GeneratedSequence	sequence;
	size_t				length = 0;
	void			   *memory, *scratch;
	float			   *logits;
	Arena				arena;

	options->n_eos = 1;
	options->eos_token_ids = &eos;
	assert_true(automaton_constrain(automaton, options->max_new_tokens, &constraint, &error));
	memory = aligned_alloc(64, generation_size(&inputs));
	scratch = aligned_alloc(64, generation_scratch(&inputs));
	logits = malloc((size_t) generation_max_live(options) * (size_t) n_vocab * sizeof(float));
	arena_init(&arena, 0);
	generation = generation_create(&inputs, memory);
	while ((n_rows = generation_n_live(generation)) > 0)
	{
		for (int i = 0; i < n_rows * n_vocab; i++)
			logits[i] = (float) (rand_r(seed) % 1000) / 100.0f;
		if (!generation_step(generation, logits, n_vocab, scratch, &arena, &error))
			fail_msg("%s", error.message);
	}
	assert_true(generation_n_sequences(generation) > 0);
	sequence = generation_sequence(generation, 0);
	for (int i = 0; i < sequence.n && sequence.ids[i] != eos; i++)
	{
		int id = sequence.ids[i];

		assert_true(length + words.lengths[id] < room);
		memcpy(text + length, words.bytes + words.begins[id], words.lengths[id]);
		length += words.lengths[id];
	}
	text[length] = '\0';
	arena_free(&arena);
	free(memory);
	free(scratch);
	free(logits);
}

static void
generations_keep_to_schemas(void **state)
{
	unsigned seed = 7;
	(void) state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
	{
		Error	   error;
		Grammar	  *grammar = compile(cases[i].schema, &error);
		Automaton *automaton = automaton_create(grammar, &words.vocabulary, &error);

		for (int way = 0; way < 12; way++)
		{
			GenerationOptions options;
			char			  text[4096];

			generation_options_init(&options);
			options.max_new_tokens = 30 + way;
			options.temperature = way % 3 == 1 ? 0.8f : 0.0f;
			options.num_beams = way % 3 == 2 ? 3 : 1;
			options.seed = (uint64_t) way;
			generate(automaton, &options, &seed, text, sizeof text);
			if (!accepts(automaton, text))
				fail_msg("%s refuses %s, which it has led to", cases[i].schema, text);
		}
		automaton_free(automaton);
		free(grammar);
	}
}

static void
too_few_tokens_are_an_error(void **state)
{
	Error				error;
	Grammar			   *grammar = compile("{\"const\": \"xyz\"}", &error);
	Automaton		   *automaton = automaton_create(grammar, &words.vocabulary, &error);
	AutomatonConstraint constraint;
	(void) state;

	assert_false(automaton_constrain(automaton, 4, &constraint, &error));
	assert_int_equal(error.code, ERR_ARGUMENT);
	assert_string_equal(error.message, "max_new_tokens of 4 is too few for the constraint, whose "
									   "shortest text has 5 tokens");
	assert_true(automaton_constrain(automaton, 5, &constraint, &error));
	automaton_free(automaton);
	free(grammar);
}

static void
choices_are_texts_of_their_own(void **state)
{
	const char *const list[] = {"ab", "abc", "null", "日本"};
	Error			  error;
	Grammar			 *grammar = grammar_of_choices(list, 4, &error);
	Automaton		 *automaton = automaton_create(grammar, &words.vocabulary, &error);
	(void) state;

	assert_true(grammar->strips_space);
	for (int i = 0; i < 4; i++)
		assert_true(accepts(automaton, list[i]));
	assert_true(accepts(automaton, " abc"));
	assert_false(accepts(automaton, "a"));
	assert_false(accepts(automaton, "abcd"));
	assert_false(accepts(automaton, "  ab"));
	automaton_free(automaton);
	free(grammar);
}

/* More words with one beginning than there may be ways on from a place. */
static void
many_words_are_all_allowed(void **state)
{
	enum
	{
		N = 20000
	};
	char *schema = malloc(N * 16 + 64), *end = schema;
	char(*texts)[16] = malloc(N * sizeof *texts);
	const char **list = malloc(N * sizeof *list);
	Error		 error;
	Grammar		*choices, *values;
	Automaton	*of_choices, *of_values;
	(void) state;

	end += sprintf(end, "{\"enum\": [");
	for (int i = 0; i < N; i++)
	{
		end += sprintf(end, "%s\"item %d\"", i > 0 ? ", " : "", i);
		sprintf(texts[i], "item %d", i);
		list[i] = texts[i];
	}
	sprintf(end, "]}");
	choices = grammar_of_choices(list, N, &error);
	values = compile(schema, &error);
	assert_non_null(choices);
	assert_non_null(values);
	of_choices = automaton_create(choices, &words.vocabulary, &error);
	of_values = automaton_create(values, &words.vocabulary, &error);
	for (int i = 0; i < N; i += 1111)
	{
		char quoted[20];

		snprintf(quoted, sizeof quoted, "\"%s\"", texts[i]);
		assert_true(accepts(of_choices, texts[i]));
		assert_true(accepts(of_values, quoted));
	}
	assert_false(accepts(of_choices, "item 20000"));
	assert_false(accepts(of_values, "\"item 20000\""));
	automaton_free(of_choices);
	automaton_free(of_values);
	free(choices);
	free(values);
	free(list);
	free(texts);
	free(schema);
}

/* An object may end where thousands of members could begin. */
static void
many_optional_members_may_be_absent(void **state)
{
	char	  *schema = malloc(100000), *end = schema;
	Error	   error;
	Grammar	  *grammar;
	Automaton *automaton;
	(void) state;

	end += sprintf(end, "{\"type\": \"object\", \"properties\": {");
	for (int i = 0; i < 3000; i++)
		end += sprintf(end, "%s\"p%d\": {\"type\": \"null\"}", i > 0 ? ", " : "", i);
	sprintf(end, "}}");
	grammar = compile(schema, &error);
	assert_non_null(grammar);
	automaton = automaton_create(grammar, &words.vocabulary, &error);
	assert_true(accepts(automaton, "{}"));
	assert_true(accepts(automaton, "{\"p7\": null}"));
	automaton_free(automaton);
	free(grammar);
	free(schema);
}

static bool
at_once(void *argument)
{
	(void) argument;
	return true;
}

static void
compilations_can_be_interrupted(void **state)
{
	static const JsonValue	any = {.type = JSON_TYPE_OBJECT};
	static const JsonMember members[] = {{.key = "items", .key_length = 5, .value = &any}};
	static const JsonValue	list = {.type = JSON_TYPE_OBJECT, .n = 1, .members = members};
	Error					error;
	(void) state;

	assert_null(schema_compile(&list, at_once, &error));
	assert_int_equal(error.code, ERR_CANCELLED);
}

/* A chain of thousands of rules, each of which the one before calls first. */
static void
long_chains_of_rules_end(void **state)
{
	enum
	{
		N = 30000
	};
	Error			error;
	GrammarBuilder *builder = builder_create(&error);
	Grammar		   *grammar;
	int				bad, start;
	(void) state;

	for (int i = 0; i < N; i++)
		start = builder_rule(builder);
	for (int i = 0; i + 1 < N; i++)
	{
		int end = builder_state(builder);

		builder_call(builder, builder_start(builder, i), i + 1, end);
		builder_final(builder, end);
	}
	builder_final(builder, builder_text(builder, start, "x", 1));
	grammar = builder_finish(builder, false, &bad, &error);
	assert_non_null(grammar);
	assert_int_equal(grammar_states(grammar)[grammar_starts(grammar)[0]].distance, 1);
	free(grammar);
	/* a circle far behind the first rule is found, and only who is in it is blamed */
	builder_call(builder, start, N - 3, start);
	assert_null(builder_finish(builder, false, &bad, &error));
	assert_int_equal(error.code, ERR_DATA);
	assert_in_range(bad, N - 3, N - 1);
	builder_free(builder);
}

static void
damaged_grammars_are_refused(void **state)
{
	Error	 error;
	Grammar *grammar = compile("{\"type\": \"boolean\"}", &error);
	size_t	 size = grammar->size;
	(void) state;

	assert_false(grammar_check(grammar, size - 1, &error));
	for (size_t i = 0; i < size / 4; i++)
	{
		uint32_t *word = (uint32_t *) grammar + i, before = *word;

		/* whatever is changed, a check that passes leaves nothing that points outside */
		*word = 0xFFFFFFF0;
		if (grammar_check(grammar, size, &error))
			assert_true(i >= 4);
		*word = before;
	}
	free(grammar);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grammars_have_what_schemas_say),
		cmocka_unit_test(bad_schemas_are_refused_with_their_place),
		cmocka_unit_test(texts_end_within_their_tokens),
		cmocka_unit_test(generations_keep_to_schemas),
		cmocka_unit_test(too_few_tokens_are_an_error),
		cmocka_unit_test(choices_are_texts_of_their_own),
		cmocka_unit_test(many_words_are_all_allowed),
		cmocka_unit_test(many_optional_members_may_be_absent),
		cmocka_unit_test(compilations_can_be_interrupted),
		cmocka_unit_test(long_chains_of_rules_end),
		cmocka_unit_test(damaged_grammars_are_refused),
	};

	make_words();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
