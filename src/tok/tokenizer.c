/*
 * tokenizer.c: opening the tables of an image, and the vocabulary.
 *
 * Nothing here is written after tokenizer_open; every offset of a table is checked before it is followed.
 */
#include "tok/component.h"

#include <stdio.h>
#include <string.h>

static const char *const truncate_names[] = {
	[TRUNCATE_ERROR] = "error", [TRUNCATE_END] = "end", [TRUNCATE_START] = "start"};

const char *
truncate_name(Truncate truncate)
{
	return truncate_names[truncate];
}

bool
truncate_from_name(const char *name, Truncate *truncate)
{
	for (int i = 0; i < 3; i++)
		if (strcmp(truncate_names[i], name) == 0)
		{
			*truncate = (Truncate) i;
			return true;
		}
	return false;
}

static const void *
find_in_image(void *argument, const char *name, size_t *size)
{
	const Section *section = image_find(argument, SECTION_TOKENIZER, name);

	if (!section)
		return NULL;
	*size = section->size;
	return section->data;
}

static bool
corrupt(Error *error, const char *table)
{
	return error_set(error, ERR_CORRUPT, "tokenizer table \"%s\" does not fit its size", table);
}

static bool
bind_vocab(Tokenizer *tokenizer, TokenizerFind find, void *argument, Error *error)
{
	size_t			  size;
	const VocabTable *vocab = find(argument, "vocab", &size);
	size_t			  fixed;

	if (!vocab || size < sizeof *vocab)
		return corrupt(error, "vocab");
	fixed = sizeof *vocab + ((size_t) vocab->n + 1) * sizeof(uint32_t) + vocab->n;
	if (vocab->n != (uint32_t) tokenizer->n_vocab || size < fixed || size - fixed != vocab->n_bytes)
		return corrupt(error, "vocab");
	tokenizer->vocab = vocab;
	tokenizer->vocab_flags = (const uint8_t *) (vocab->offsets + vocab->n + 1);
	tokenizer->vocab_bytes = (const char *) tokenizer->vocab_flags + vocab->n;
	return true;
}

static bool
bind_trie(Trie *trie, const char *name, TokenizerFind find, void *argument, Error *error)
{
	size_t		size = 0;
	const void *table = find(argument, name, &size);

	return trie_open(trie, table, table ? size : 0) || corrupt(error, name);
}

static bool
bind_added(Tokenizer *tokenizer, TokenizerFind find, void *argument, Error *error)
{
	size_t		size = 0;
	const void *words;

	tokenizer->added = find(argument, "added", &size);
	if (tokenizer->added && (size % sizeof(AddedRecord) != 0 || size > INT32_MAX))
		return corrupt(error, "added");
	tokenizer->n_added = tokenizer->added ? (uint32_t) (size / sizeof(AddedRecord)) : 0;
	words = find(argument, "added.words", &size);
	if (words && !char_table_open(&tokenizer->added_words, words, size))
		return corrupt(error, "added.words");
	return bind_trie(&tokenizer->added_names, "added.names", find, argument, error) &&
		   bind_trie(&tokenizer->added_raw, "added.raw", find, argument, error) &&
		   bind_trie(&tokenizer->added_normalized, "added.normalized", find, argument, error);
}

static bool
bind_template(Tokenizer *tokenizer, TokenizerFind find, void *argument, Error *error)
{
	size_t size;
	const TemplateTable *template = find(argument, "template", &size);
	uint32_t n;

	if (!template || size < sizeof *template ||
		(size - sizeof *template) % sizeof(TemplateItem) != 0)
		return corrupt(error, "template");
	n = (uint32_t) ((size - sizeof *template) / sizeof(TemplateItem));
	for (int i = 0; i < TEMPLATE_LISTS; i++)
		if (template->begin[i] > template->begin[i + 1] || template->begin[i + 1] > n)
			return corrupt(error, "template");
	for (uint32_t i = 0; i < n; i++)
		if (template->items[i].id < TEMPLATE_TEXT_PAIR ||
			template->items[i].id >= tokenizer->n_vocab)
			return corrupt(error, "template");
	tokenizer->template = template;
	return true;
}

/* RoCBert's ids; NULL when there are none. */
static bool
bind_side_ids(const Tokenizer *tokenizer, const char *name, TokenizerFind find, void *argument,
			  const int32_t **ids, Error *error)
{
	size_t size = 0;

	*ids = find(argument, name, &size);
	return !*ids || size == ((size_t) tokenizer->n_vocab + 1) * sizeof **ids ||
		   corrupt(error, name);
}

/* Whether a component can be where it is; among pre-tokenizers, a normalizer works on each piece. */
static bool
fits_stage(const Tokenizer *tokenizer, const Component *component)
{
	const ComponentType *type = component->type;
	int					 index = component->index;

	if (index < tokenizer->n_normalizers)
		return type->normalize;
	index -= tokenizer->n_normalizers;
	if (index < tokenizer->n_pre_tokenizers)
		return type->split || type->normalize;
	return index == tokenizer->n_pre_tokenizers ? type->tokenize != NULL : type->decode != NULL;
}

static bool
bind_component(Tokenizer *tokenizer, int index, TokenizerFind find, void *argument, Error *error)
{
	Component			  *component = &tokenizer->components[index];
	const ComponentRecord *record = &tokenizer->tables->components[index];
	char				   name[32];
	size_t				   size = 0;
	const void			  *data;

	snprintf(name, sizeof name, "component.%d", index);
	*component =
		(Component){.type = component_type(record->kind), .record = record, .index = index};
	data = record->has_table ? find(argument, name, &size) : NULL;
	if (!component->type)
		return error_set(error, ERR_UNSUPPORTED, "tokenizer has a component of unknown kind %u",
						 record->kind);
	if (!fits_stage(tokenizer, component))
		return error_set(error, ERR_CORRUPT, "tokenizer's component %d cannot be a \"%s\"", index,
						 component->type->name);
	if ((record->has_table && !data) || !component->type->open(component, data, data ? size : 0))
		return corrupt(error, name);
	return true;
}

static bool
bind_splits(Tokenizer *tokenizer, TokenizerFind find, void *argument, Error *error)
{
	size_t size = 0;

	tokenizer->splits = find(argument, "splits", &size);
	tokenizer->n_splits = tokenizer->splits ? size / sizeof *tokenizer->splits : 0;
	return size % sizeof *tokenizer->splits == 0 || corrupt(error, "splits");
}

bool
tokenizer_bind(Tokenizer *tokenizer, TokenizerFind find, void *argument, Error *error)
{
	size_t				   size;
	const TokenizerTables *tables = find(argument, "tokenizer", &size);
	uint64_t			   n_components;
	const int32_t		  *special;

	*tokenizer = (Tokenizer){.tables = tables};
	if (!tables)
		return error_set(error, ERR_NOT_FOUND, "model has no tokenizer");
	if (size < sizeof *tables)
		return corrupt(error, "tokenizer");
	if (tables->version != TOKENIZER_VERSION)
		return error_set(error, ERR_UNSUPPORTED, "tokenizer has version %u, but %d is supported",
						 tables->version, TOKENIZER_VERSION);
	n_components =
		(uint64_t) tables->n_normalizers + tables->n_pre_tokenizers + 1 + tables->n_decoders;
	if (n_components > TOKENIZER_MAX_COMPONENTS || tables->n_vocab > INT32_MAX ||
		size - sizeof *tables != n_components * sizeof(ComponentRecord))
		return corrupt(error, "tokenizer");
	special = tables->special_ids;
	for (int i = 0; i < SPECIAL_TOKENS; i++)
		if (special[i] < -1 || special[i] >= (int32_t) tables->n_vocab)
			return corrupt(error, "tokenizer");
	tokenizer->n_vocab = (int) tables->n_vocab;
	tokenizer->unk_id = special[SPECIAL_UNK];
	tokenizer->cls_id = special[SPECIAL_CLS];
	tokenizer->sep_id = special[SPECIAL_SEP];
	tokenizer->pad_id = special[SPECIAL_PAD];
	tokenizer->mask_id = special[SPECIAL_MASK];
	tokenizer->bos_id = special[SPECIAL_BOS];
	tokenizer->eos_id = special[SPECIAL_EOS];
	tokenizer->n_normalizers = (int) tables->n_normalizers;
	tokenizer->n_pre_tokenizers = (int) tables->n_pre_tokenizers;
	tokenizer->n_decoders = (int) tables->n_decoders;
	if (!bind_vocab(tokenizer, find, argument, error) ||
		!bind_trie(&tokenizer->vocab_trie, "vocab.trie", find, argument, error) ||
		!bind_added(tokenizer, find, argument, error) ||
		!bind_template(tokenizer, find, argument, error) ||
		!bind_splits(tokenizer, find, argument, error) ||
		!bind_side_ids(tokenizer, "shapes", find, argument, &tokenizer->shapes, error) ||
		!bind_side_ids(tokenizer, "pronunciations", find, argument, &tokenizer->pronunciations,
					   error))
		return false;
	for (int i = 0; i < (int) n_components; i++)
		if (!bind_component(tokenizer, i, find, argument, error))
			return false;
	return true;
}

bool
tokenizer_open(Tokenizer *tokenizer, const Image *image, Error *error)
{
	return tokenizer_bind(tokenizer, find_in_image, (void *) image, error);
}

const char *
tokenizer_token(const Tokenizer *tokenizer, int32_t id, size_t *length)
{
	const VocabTable *vocab = tokenizer->vocab;
	uint32_t		  begin, end;

	if (id < 0 || id >= tokenizer->n_vocab || !(tokenizer->vocab_flags[id] & TOKEN_PRESENT))
		return NULL;
	begin = vocab->offsets[id];
	end = vocab->offsets[id + 1];
	if (begin >= end || end > vocab->n_bytes || tokenizer->vocab_bytes[end - 1] != '\0')
		return NULL;
	*length = end - 1 - begin;
	return tokenizer->vocab_bytes + begin;
}

bool
tokenizer_is_special(const Tokenizer *tokenizer, int32_t id)
{
	return id >= 0 && id < tokenizer->n_vocab && (tokenizer->vocab_flags[id] & TOKEN_SPECIAL);
}

int32_t
tokenizer_id(const Tokenizer *tokenizer, const char *token, size_t length)
{
	int32_t id = trie_find(&tokenizer->added_names, token, length);

	if (id < 0)
		id = trie_find(&tokenizer->vocab_trie, token, length);
	return id < tokenizer->n_vocab ? id : -1;
}
