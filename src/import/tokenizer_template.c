/*
 * tokenizer_template.c: compiles post-processors into template lists.
 */
#include "import/tokenizer_components.h"

#include <string.h>

#define MAX_TYPE_ID INT32_MAX

/* Both texts without special tokens. */
static bool
add_bare(TokenizerBuild *build, TemplateList single, TemplateList pair, int32_t pair_type_id,
		 Error *error)
{
	return build_item(build, single, TEMPLATE_TEXT, 0, error) &&
		   build_item(build, pair, TEMPLATE_TEXT, 0, error) &&
		   build_item(build, pair, TEMPLATE_TEXT_PAIR, pair_type_id, error);
}

bool
add_bare_template(TokenizerBuild *build, int32_t pair_type_id, int32_t bare_pair_type_id,
				  Error *error)
{
	return add_bare(build, TEMPLATE_SINGLE, TEMPLATE_PAIR, pair_type_id, error) &&
		   add_bare(build, TEMPLATE_SINGLE_BARE, TEMPLATE_PAIR_BARE, bare_pair_type_id, error);
}

/* The ids that a special token of a template stands for. */
static bool
add_special(TokenizerBuild *build, const Node *specials, const Node *name_node, TemplateList list,
			int32_t type_id, Error *error)
{
	Node		special, ids;
	const char *name;
	size_t		length, n;

	if (!node_string(name_node, &name, &length, error) ||
		!node_get(specials, name, &special, error) || !node_get(&special, "ids", &ids, error) ||
		!node_array(&ids, &n, error))
		return false;
	for (size_t i = 0; i < n; i++)
	{
		Node	id_node = node_element(&ids, i);
		int64_t id;

		if (!node_int(&id_node, 0, build->n_vocab - 1, &id, error) ||
			!build_item(build, list, (int32_t) id, type_id, error))
			return false;
	}
	return true;
}

static bool
add_sequence(TokenizerBuild *build, const Node *id, TemplateList list, TemplateList bare,
			 int32_t type_id, Error *error)
{
	const char *name;
	size_t		length;
	int32_t		item;

	if (!node_string(id, &name, &length, error))
		return false;
	if (strcmp(name, "A") == 0)
		item = TEMPLATE_TEXT;
	else if (strcmp(name, "B") == 0 && list == TEMPLATE_PAIR)
		item = TEMPLATE_TEXT_PAIR;
	else
		return node_error(id, error, ERR_DATA, "\"%s\" is no sequence of this template", name);
	return build_item(build, list, item, type_id, error) &&
		   build_item(build, bare, item, type_id, error);
}

/* One of the lists "single" and "pair". */
static bool
add_list(TokenizerBuild *build, const Node *items, const Node *specials, TemplateList list,
		 TemplateList bare, Error *error)
{
	size_t n;

	if (!node_array(items, &n, error))
		return false;
	for (size_t i = 0; i < n; i++)
	{
		Node	item = node_element(items, i), special, sequence, id;
		Node   *piece = &special;
		int64_t type_id;

		if (!node_find(&item, "SpecialToken", &special, error) ||
			!node_find(&item, "Sequence", &sequence, error))
			return false;
		if (!special.value)
			piece = &sequence;
		if (!piece->value)
			return node_error(&item, error, ERR_DATA, "neither \"SpecialToken\" nor \"Sequence\"");
		if (!node_get(piece, "id", &id, error) ||
			!node_find_int(piece, "type_id", 0, 0, MAX_TYPE_ID, &type_id, error))
			return false;
		if (piece == &special ? !add_special(build, specials, &id, list, (int32_t) type_id, error)
							  : !add_sequence(build, &id, list, bare, (int32_t) type_id, error))
			return false;
	}
	return true;
}

/* There is one template. */
static bool
take_template(TokenizerBuild *build, const Node *node, Error *error)
{
	if (build->has_template)
		return node_error(node, error, ERR_UNSUPPORTED, "a second template is not supported");
	build->has_template = true;
	return true;
}

bool
compile_template(TokenizerBuild *build, const Node *node, Error *error)
{
	Node single, pair, specials;

	return take_template(build, node, error) && node_get(node, "single", &single, error) &&
		   node_get(node, "pair", &pair, error) &&
		   node_get(node, "special_tokens", &specials, error) && node_object(&specials, error) &&
		   add_list(build, &single, &specials, TEMPLATE_SINGLE, TEMPLATE_SINGLE_BARE, error) &&
		   add_list(build, &pair, &specials, TEMPLATE_PAIR, TEMPLATE_PAIR_BARE, error);
}

/* The id of a ["token", id] pair. */
static bool
token_pair(TokenizerBuild *build, const Node *node, const char *key, int32_t *id, Error *error)
{
	Node	pair, id_node;
	size_t	n;
	int64_t value;

	if (!node_get(node, key, &pair, error) || !node_array(&pair, &n, error))
		return false;
	if (n != 2)
		return node_error(&pair, error, ERR_DATA, "expected a token and its id");
	id_node = node_element(&pair, 1);
	if (!node_int(&id_node, 0, build->n_vocab - 1, &value, error))
		return false;
	*id = (int32_t) value;
	return true;
}

bool
add_bert_template(TokenizerBuild *build, int32_t cls, int32_t sep, int32_t bare_pair_type_id,
				  Error *error)
{
	return build_item(build, TEMPLATE_SINGLE, cls, 0, error) &&
		   build_item(build, TEMPLATE_SINGLE, TEMPLATE_TEXT, 0, error) &&
		   build_item(build, TEMPLATE_SINGLE, sep, 0, error) &&
		   build_item(build, TEMPLATE_PAIR, cls, 0, error) &&
		   build_item(build, TEMPLATE_PAIR, TEMPLATE_TEXT, 0, error) &&
		   build_item(build, TEMPLATE_PAIR, sep, 0, error) &&
		   build_item(build, TEMPLATE_PAIR, TEMPLATE_TEXT_PAIR, 1, error) &&
		   build_item(build, TEMPLATE_PAIR, sep, 1, error) &&
		   add_bare(build, TEMPLATE_SINGLE_BARE, TEMPLATE_PAIR_BARE, bare_pair_type_id, error);
}

bool
compile_bert_template(TokenizerBuild *build, const Node *node, Error *error)
{
	int32_t cls, sep;

	return take_template(build, node, error) && token_pair(build, node, "cls", &cls, error) &&
		   token_pair(build, node, "sep", &sep, error) &&
		   add_bert_template(build, cls, sep, 1, error);
}

bool
compile_byte_level_trim(TokenizerBuild *build, const Node *node, Error *error)
{
	bool trim, prefix_space;

	if (!node_find_bool(node, "trim_offsets", true, &trim, error) ||
		!node_find_bool(node, "add_prefix_space", true, &prefix_space, error))
		return false;
	if (build->override_trim && !node->parent->parent)
	{
		trim = build->trim_offsets;
		prefix_space = build->add_prefix_space;
	}
	if (!trim)
		return true;
	if (build->flags & TOKENIZER_TRIM_AGAIN)
		return node_error(node, error, ERR_UNSUPPORTED,
						  "trimming offsets a third time is not supported");
	if (build->flags & TOKENIZER_TRIM)
		build->flags |= TOKENIZER_TRIM_AGAIN | (prefix_space ? TOKENIZER_TRIM_AGAIN_PREFIX : 0);
	else
		build->flags |= TOKENIZER_TRIM | (prefix_space ? TOKENIZER_TRIM_PREFIX : 0);
	return true;
}

bool
add_roberta_template(TokenizerBuild *build, int32_t cls, int32_t sep, Error *error)
{
	return build_item(build, TEMPLATE_SINGLE, cls, 0, error) &&
		   build_item(build, TEMPLATE_SINGLE, TEMPLATE_TEXT, 0, error) &&
		   build_item(build, TEMPLATE_SINGLE, sep, 0, error) &&
		   build_item(build, TEMPLATE_PAIR, cls, 0, error) &&
		   build_item(build, TEMPLATE_PAIR, TEMPLATE_TEXT, 0, error) &&
		   build_item(build, TEMPLATE_PAIR, sep, 0, error) &&
		   build_item(build, TEMPLATE_PAIR, sep, 0, error) &&
		   build_item(build, TEMPLATE_PAIR, TEMPLATE_TEXT_PAIR, 0, error) &&
		   build_item(build, TEMPLATE_PAIR, sep, 0, error) &&
		   add_bare(build, TEMPLATE_SINGLE_BARE, TEMPLATE_PAIR_BARE, 0, error);
}

bool
compile_roberta_template(TokenizerBuild *build, const Node *node, Error *error)
{
	int32_t cls, sep;

	return take_template(build, node, error) && token_pair(build, node, "cls", &cls, error) &&
		   token_pair(build, node, "sep", &sep, error) &&
		   compile_byte_level_trim(build, node, error) &&
		   add_roberta_template(build, cls, sep, error);
}
