/*
 * tokenizer_build.h: a tokenizer while it is being compiled.
 *
 * Owned by import_tokenizer; everything lives in its arena.  The files that compile a kind of component
 * (tokenizer_<kind>.c) add vocabulary, components and templates to it; build_finish makes the tables.
 */
#ifndef IMPORT_TOKENIZER_BUILD_H
#define IMPORT_TOKENIZER_BUILD_H

#include "base/arena.h"
#include "image/image.h"
#include "import/tokenizer.h"
#include "import/tokenizer_node.h"
#include "tok/chars.h"
#include "tok/tables.h"
#include "tok/trie.h"

/* No id is beyond this: what a vocabulary may cost in memory. */
#define BUILD_MAX_ID ((1 << 22) - 1)

typedef struct BuildString
{
	const char *bytes;
	size_t		length;
} BuildString;

/* A set of strings with numbers. */
typedef struct StringMap
{
	struct StringEntry *entries; /* n_slots, a power of two, at most half full */
	size_t				n_slots, n;
} StringMap;

extern bool string_map_put(StringMap *map, Arena *arena, const char *bytes, size_t length,
						   int32_t value, Error *error);
/* The number of a string, or -1. */
extern int32_t string_map_get(const StringMap *map, const char *bytes, size_t length);

typedef struct BuildTable
{
	char		name[32];
	const void *data;
	size_t		size;
} BuildTable;

typedef struct BuildAdded
{
	BuildString content;
	int32_t		id;
	bool		single_word, lstrip, rstrip, normalized, special;
	bool		spared; /* of the slow tokenizers: not lower-cased */
} BuildAdded;

typedef enum BuildStage
{
	STAGE_NORMALIZER,
	STAGE_PRE_TOKENIZER,
	STAGE_MODEL,
	STAGE_DECODER,
	STAGES
} BuildStage;

typedef struct BuildComponent
{
	ComponentRecord record;
	const void	   *table;
	size_t			table_size;
} BuildComponent;

typedef struct TokenizerBuild
{
	Arena *arena;

	BuildString *tokens; /* by id; bytes NULL: a hole */
	uint8_t		*token_flags;
	int			 n_vocab, vocab_room;
	StringMap	 model_ids; /* the model's own vocabulary */
	size_t		 n_model;

	BuildAdded *added;
	int			n_added, added_room;
	bool	  added_as_written; /* normalized ones are found as they are, behind the normalizers */
	StringMap added_ids, added_places; /* content -> id, content -> index in added */
	int32_t	  last_added_id;
	/* the highest of them */ /* What the model completes in its table when all the others are made; NULL: nothing. */
	bool (*finish)(struct TokenizerBuild *build, Error *error);
	/* What finish is to call first; the class's own business. */
	bool (*finish_model)(struct TokenizerBuild *build, Error *error);
	BuildComponent components[STAGES][TOKENIZER_MAX_COMPONENTS];
	int			   n_components[STAGES];

	TemplateItem *items[TEMPLATE_LISTS];
	int			  n_items[TEMPLATE_LISTS];
	bool		  has_template; /* a post-processor has filled them */

	const int32_t *shape_ids,
		*pronunciation_ids; /* RoCBert: of every id, and of the template's tokens */

	BuildString special[SPECIAL_TOKENS];
	/* bytes NULL: none */ /* What a class of the BERT family sets over a BertNormalizer that is the whole normalizer; and one of GPT-2's over
	 * a pre-tokenizer that is the only one, Roberta's also over the post-processor. */
	bool	 override_bert, override_chinese, lowercase, handle_chinese_chars;
	bool	 override_words; /* jieba stands in for the pre-tokenizer, as in RoFormer's class */
	int		 strip_accents;	 /* -1: as lowercase */
	bool	 override_prefix_space, override_trim, add_prefix_space, trim_offsets;
	uint32_t flags; /* TOKENIZER_* */

	BuildTable tables[16 + TOKENIZER_MAX_COMPONENTS];
	int		   n_tables;
} TokenizerBuild;

/* A token of the model.  An id or string that is there already is ERR_DATA at the node. */
extern bool build_token(TokenizerBuild *build, const Node *at, const char *bytes, size_t length,
						int32_t id, Error *error);

/* A token that another id of the same string hides: only decoding knows it. */
extern bool build_shadowed_token(TokenizerBuild *build, const Node *at, const char *bytes,
								 size_t length, int32_t id, Error *error);

/* All tokens of the model from an object of strings to ids. */
extern bool build_vocab(TokenizerBuild *build, const Node *object, Error *error);

/* The id of a string, added tokens first, or -1. */
extern int32_t build_id(const TokenizerBuild *build, const char *bytes, size_t length);

/* The id of a special token, which must be there. */
extern bool build_need_id(const TokenizerBuild *build, const Node *at, SpecialToken kind,
						  const char *key, int32_t *id, Error *error);

/* An added token.  Its id is the one its string has, or else the next free one as the tokenizers library
 * counts; where the file names another (id not -1), that is ERR_DATA.  One that is there already is
 * replaced, but stays special. */
extern bool build_added(TokenizerBuild *build, const Node *at, const BuildAdded *added,
						Error *error);

/* A component behind the others of its stage; table (may be NULL) is kept, not copied. */
extern bool build_component(TokenizerBuild *build, BuildStage stage, const ComponentRecord *record,
							const void *table, size_t table_size, const Node *at, Error *error);

/* An item at the end of a template list. */
extern bool build_item(TokenizerBuild *build, TemplateList list, int32_t id, int32_t type_id,
					   Error *error);

/* The TOKENIZER_CUT_* that neither components nor added tokens forbid. */
extern uint32_t build_allowed_cuts(const TokenizerBuild *build);

/* A table behind the others; the name is copied, the data is not. */
extern bool build_table(TokenizerBuild *build, const char *name, const void *data, size_t size,
						Error *error);

/* Makes all tables from what was gathered; build_find looks one up by name (a TokenizerFind). */
extern bool		   build_tables(TokenizerBuild *build, Error *error);
extern const void *build_find(void *build, const char *name, size_t *size);

/* Writes the tables. */
extern bool build_write(const TokenizerBuild *build, ImageWriter *writer, Error *error);

/* tokenizer_trie.c: a trie of n strings with numbers; sorts both.  Equal strings are ERR_DATA. */
typedef struct TrieKey
{
	BuildString string;
	int32_t		value;
} TrieKey;

extern bool trie_build(Arena *arena, TrieKey *keys, size_t n, const TrieNode **nodes,
					   size_t *n_nodes, Error *error);

/* tokenizer_chars.c: tables of all characters. */
typedef struct CharMapping
{
	bool	 isolate, hangul;
	int		 n;
	uint32_t elements[32]; /* CHAR_ELEMENT_*, the character itself as 0 */
} CharMapping;

/* An element that stands in a mapping of itself. */
extern uint32_t char_element(uint32_t character, uint32_t itself, uint8_t class, bool drop);

extern bool char_class_build(Arena *arena,
							 uint32_t (*class)(uint32_t character, const void *argument),
							 const void *argument, const void **table, size_t *size, Error *error);
extern bool char_map_build(Arena *arena,
						   void (*map)(uint32_t character, const void *argument,
									   CharMapping *mapping),
						   const void *argument, const void **table, size_t *size, Error *error);

#endif
