/*
 * tokenizer_config.c: reads tokenizer_config.json, special_tokens_map.json, added_tokens.json and config.json.
 *
 * Follows PreTrainedTokenizerBase._from_pretrained of transformers 4.37: which file wins, which tokens the
 * fast classes add to what tokenizer.json has, and the defaults of each class.
 */
#include "import/tokenizer_config.h"
#include "import/tokenizer_components.h"
#include "import/tokenizer_spm.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* What a file may ask for of tokens that a class makes up itself. */
#define MAX_EXTRA_IDS 65536

typedef struct ClassEntry
{
	const char *name; /* without "Tokenizer" or "TokenizerFast" */
	const char *model_type;
	TokenizerClass class;
	const char *special[SPECIAL_TOKENS]; /* defaults, in the order of SpecialToken */
	uint32_t	own;					 /* OWN_* */
} ClassEntry;

#define BERT_SPECIAL                                                                               \
	{                                                                                              \
		"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", NULL, NULL                                   \
	}

#define ROBERTA_SPECIAL                                                                            \
	{                                                                                              \
		"<unk>", "<s>", "</s>", "<pad>", "<mask>", "<s>", "</s>"                                   \
	}

#define GPT2_SPECIAL                                                                               \
	{                                                                                              \
		"<|endoftext|>", NULL, NULL, NULL, NULL, "<|endoftext|>", "<|endoftext|>"                  \
	}

#define ALBERT_SPECIAL                                                                             \
	{                                                                                              \
		"<unk>", "[CLS]", "[SEP]", "<pad>", "[MASK]", "[CLS]", "[SEP]"                             \
	}

#define LLAMA_SPECIAL                                                                              \
	{                                                                                              \
		"<unk>", NULL, NULL, NULL, NULL, "<s>", "</s>"                                             \
	}

#define T5_SPECIAL                                                                                 \
	{                                                                                              \
		"<unk>", NULL, NULL, "<pad>", NULL, NULL, "</s>"                                           \
	}

static const ClassEntry classes[] = {
	{"Bert", "bert", CLASS_BERT, BERT_SPECIAL, 0},
	{"ConvBert", "convbert", CLASS_BERT, BERT_SPECIAL, 0},
	{"DistilBert", "distilbert", CLASS_BERT, BERT_SPECIAL, ONE_TYPE},
	{"Electra", "electra", CLASS_BERT, BERT_SPECIAL, 0},
	{"LayoutLM", "layoutlm", CLASS_BERT, BERT_SPECIAL, 0},
	{"Lxmert", "lxmert", CLASS_BERT, BERT_SPECIAL, 0},
	{"MobileBert", "mobilebert", CLASS_BERT, BERT_SPECIAL, 0},
	{"SqueezeBert", "squeezebert", CLASS_BERT, BERT_SPECIAL, 0},
	{"RoCBert", "roc_bert", CLASS_ROCBERT, BERT_SPECIAL, 0},
	{"RoFormer", "roformer", CLASS_ROFORMER, BERT_SPECIAL, 0},
	{"GPT2", "gpt2", CLASS_GPT2, GPT2_SPECIAL, ONE_TYPE},
	{"GPT2", "opt", CLASS_GPT2, GPT2_SPECIAL, ONE_TYPE},
	{"Roberta", "roberta", CLASS_ROBERTA, ROBERTA_SPECIAL, OWN_MASK | ONE_TYPE},
	{"Roberta", "roberta-prelayernorm", CLASS_ROBERTA, ROBERTA_SPECIAL, OWN_MASK | ONE_TYPE},
	{"Roberta", "mega", CLASS_ROBERTA, ROBERTA_SPECIAL, OWN_MASK | ONE_TYPE},
	{"Bart", "bart", CLASS_ROBERTA, ROBERTA_SPECIAL, OWN_MASK | ONE_TYPE},
	{"Longformer", "longformer", CLASS_ROBERTA, ROBERTA_SPECIAL, OWN_MASK | ONE_TYPE},
	{"T5", "t5", CLASS_T5, T5_SPECIAL, ONE_TYPE},
	{"T5", "mt5", CLASS_T5, T5_SPECIAL, ONE_TYPE},
	{"T5", "umt5", CLASS_T5, T5_SPECIAL, ONE_TYPE},
	{"T5", "longt5", CLASS_T5, T5_SPECIAL, ONE_TYPE},
	{"T5", "switch_transformers", CLASS_T5, T5_SPECIAL, ONE_TYPE},
	{"XLMRoberta", "xlm-roberta", CLASS_XLM_ROBERTA, ROBERTA_SPECIAL, OWN_MASK | ONE_TYPE},
	{"XLMRoberta", "xlm-roberta-xl", CLASS_XLM_ROBERTA, ROBERTA_SPECIAL, OWN_MASK | ONE_TYPE},
	{"XLMRoberta", "xmod", CLASS_XLM_ROBERTA, ROBERTA_SPECIAL, OWN_MASK | ONE_TYPE},
	{"Albert", "albert", CLASS_ALBERT, ALBERT_SPECIAL, OWN_MASK},
	{"Llama", "llama", CLASS_LLAMA, LLAMA_SPECIAL, ONE_TYPE},
	{"Llama", "mistral", CLASS_LLAMA, LLAMA_SPECIAL, ONE_TYPE},
	{"Llama", "mixtral", CLASS_LLAMA, LLAMA_SPECIAL, ONE_TYPE},
	{"Camembert", "camembert", CLASS_CAMEMBERT, ROBERTA_SPECIAL, OWN_MASK | ONE_TYPE},
	{"XLNet",
	 "xlnet",
	 CLASS_XLNET,
	 {"<unk>", "<cls>", "<sep>", "<pad>", "<mask>", "<s>", "</s>"},
	 OWN_MASK},
	{"DebertaV2",
	 "deberta-v2",
	 CLASS_DEBERTA_V2,
	 {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "[CLS]", "[SEP]"},
	 OWN_UNK},
	{"BigBird",
	 "big_bird",
	 CLASS_BIG_BIRD,
	 {"<unk>", "[CLS]", "[SEP]", "<pad>", "[MASK]", "<s>", "</s>"},
	 OWN_MASK | OWN_ALL | ONE_TYPE},
	{"Pegasus",
	 "pegasus",
	 CLASS_PEGASUS,
	 {"<unk>", NULL, NULL, "<pad>", "<mask_2>", NULL, "</s>"},
	 ONE_TYPE},
	{"Pegasus",
	 "bigbird_pegasus",
	 CLASS_PEGASUS,
	 {"<unk>", NULL, NULL, "<pad>", "<mask_2>", NULL, "</s>"},
	 ONE_TYPE},
	{"MBart", "mbart", CLASS_MBART, ROBERTA_SPECIAL, OWN_MASK | ONE_TYPE},
};

static const ClassEntry generic = {"PreTrained", NULL, CLASS_GENERIC, {NULL}, 0};

static const char *const special_keys[SPECIAL_TOKENS] = {
	"unk_token", "cls_token", "sep_token", "pad_token", "mask_token", "bos_token", "eos_token"};

/* The order in which Transformers adds them. */
static const SpecialToken special_order[SPECIAL_TOKENS] = {
	SPECIAL_BOS, SPECIAL_EOS, SPECIAL_UNK, SPECIAL_SEP, SPECIAL_PAD, SPECIAL_CLS, SPECIAL_MASK};

/* The entry of a class name, which may end in "Tokenizer" or "TokenizerFast". */
static const ClassEntry *
find_class(const char *name)
{
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
	{
		size_t n = strlen(classes[i].name);

		if (strncmp(name, classes[i].name, n) == 0 &&
			(strcmp(name + n, "Tokenizer") == 0 || strcmp(name + n, "TokenizerFast") == 0))
			return &classes[i];
	}
	return &generic;
}

static const ClassEntry *
find_model_type(const char *model_type)
{
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
		if (strcmp(classes[i].model_type, model_type) == 0)
			return &classes[i];
	return &generic;
}

static bool
find_name(const Node *root, const char *key, const char **name, Error *error)
{
	size_t length;

	*name = NULL;
	return !root->value || node_find_string(root, key, NULL, name, &length, error);
}

/* tokenizer_config.json names the class, else config.json, else its model_type does. */
static bool
choose_class(const TokenizerConfig *config, const ClassEntry **entry, const char **name,
			 Error *error)
{
	const char *own, *of_model, *model_type;

	if (!find_name(&config->config, "tokenizer_class", &own, error) ||
		!find_name(&config->model, "tokenizer_class", &of_model, error) ||
		!find_name(&config->model, "model_type", &model_type, error))
		return false;
	*name = own ? own : of_model;
	*entry = *name ? find_class(*name) : model_type ? find_model_type(model_type) : &generic;
	if (!*name)
		*name = "";
	return true;
}

static bool
config_bool(const TokenizerConfig *config, const char *key, bool fallback, bool *value,
			Error *error)
{
	*value = fallback;
	return !config->config.value || node_find_bool(&config->config, key, fallback, value, error);
}

static bool
read_spm_options(TokenizerConfig *config, Error *error)
{
	size_t length;

	config->extra_ids = 100;
	config->offset = 103;
	config->source_language = "en_XX";
	return config_bool(config, "legacy", true, &config->legacy, error) &&
		   config_bool(config, "keep_accents", false, &config->keep_accents, error) &&
		   config_bool(config, "remove_space", true, &config->remove_space, error) &&
		   config_bool(config, "add_eos_token", false, &config->add_eos_token, error) &&
		   config_bool(config, "split_by_punct", false, &config->split_by_punct, error) &&
		   (!config->config.value || (node_find_int(&config->config, "extra_ids", 100, 0,
													MAX_EXTRA_IDS, &config->extra_ids, error) &&
									  node_find_int(&config->config, "offset", 103, 2,
													MAX_EXTRA_IDS, &config->offset, error) &&
									  node_find_string(&config->config, "src_lang", "en_XX",
													   &config->source_language, &length, error)));
}

/* model_input_names, or those of the class. */
static bool
read_input_names(TokenizerConfig *config, Error *error)
{
	Node		names, name;
	const char *input;
	size_t		n, length;

	config->has_types = !(config->own & ONE_TYPE);
	if (!config->config.value)
		return true;
	if (!node_find(&config->config, "model_input_names", &names, error))
		return false;
	if (!names.value)
		return true;
	if (!node_array(&names, &n, error))
		return false;
	config->has_types = false;
	for (size_t i = 0; i < n; i++)
	{
		name = node_element(&names, i);
		if (!node_string(&name, &input, &length, error))
			return false;
		config->has_types |= strcmp(input, "token_type_ids") == 0;
	}
	return true;
}

static bool
read_options(TokenizerConfig *config, Error *error)
{
	Node   node;
	bool   strip;
	double length;

	config->strip_accents = -1;
	config->model_max_length = -1;
	bool lowers = config->class != CLASS_XLNET && config->class != CLASS_DEBERTA_V2;

	if (!config_bool(config, "do_lower_case", lowers, &config->do_lower_case, error) ||
		!config_bool(config, "do_basic_tokenize", true, &config->do_basic_tokenize, error) ||
		!config_bool(config, "tokenize_chinese_chars", true, &config->tokenize_chinese_chars,
					 error) ||
		!config_bool(config, "add_prefix_space", false, &config->add_prefix_space, error) ||
		!config_bool(config, "add_bos_token", config->class == CLASS_LLAMA, &config->add_bos_token,
					 error) ||
		!config_bool(config, "trim_offsets", true, &config->trim_offsets, error) ||
		!config_bool(config, "clean_up_tokenization_spaces", config->class != CLASS_LLAMA,
					 &config->clean_up, error) ||
		!read_input_names(config, error) || !read_spm_options(config, error))
		return false;
	if (!config->config.value)
		return true;
	if (!node_find(&config->config, "strip_accents", &node, error))
		return false;
	if (node.value)
	{
		if (!node_bool(&node, &strip, error))
			return false;
		config->strip_accents = strip;
	}
	if (!node_find(&config->config, "model_max_length", &node, error))
		return false;
	length = json_number_value(node.value);
	if (node.value && !json_is_number(node.value))
		return node_error(&node, error, ERR_DATA, "expected a number");
	/* "No limit" is written as 1e30. */
	if (node.value && length >= 1 && length <= INT_MAX)
		config->model_max_length = (int64_t) length;
	return true;
}

void
tokenizer_config_free(TokenizerConfig *config)
{
	json_decref(config->config.value);
	json_decref(config->special_tokens.value);
	json_decref(config->added_tokens.value);
	json_decref(config->model.value);
	json_decref(config->additional.value);
}

bool
read_added(const Node *node, BuildAdded *added, Error *error)
{
	Node	content;
	int64_t id;

	*added = (BuildAdded){0};
	if (!node_get(node, "content", &content, error) ||
		!node_string(&content, &added->content.bytes, &added->content.length, error) ||
		!node_find_int(node, "id", -1, 0, BUILD_MAX_ID, &id, error) ||
		!node_find_bool(node, "special", false, &added->special, error) ||
		!node_find_bool(node, "single_word", false, &added->single_word, error) ||
		!node_find_bool(node, "lstrip", false, &added->lstrip, error) ||
		!node_find_bool(node, "rstrip", false, &added->rstrip, error) ||
		!node_find_bool(node, "normalized", !added->special, &added->normalized, error))
		return false;
	added->id = (int32_t) id;
	return true;
}

/* A special token: a string, or an object as read_added takes. */
static bool
read_special(const Node *node, BuildAdded *added, Error *error)
{
	if (json_is_object(node->value))
	{
		if (!read_added(node, added, error))
			return false;
	}
	else
	{
		*added = (BuildAdded){0};
		if (!node_string(node, &added->content.bytes, &added->content.length, error))
			return false;
	}
	added->id = -1;
	added->special = true;
	return true;
}

/* The value of a special token's key: special_tokens_map.json is older than added_tokens_decoder, and only
 * counts without it.  *found is false where the class's default holds. */
static bool
find_special(const TokenizerConfig *config, const char *key, Node *node, bool *found, Error *error)
{
	const Node *own = &config->config, *map = &config->special_tokens;
	bool		modern = json_object_get(own->value, "added_tokens_decoder") != NULL;

	*found = true;
	*node = (Node){.parent = own, .key = key};
	if (map->value && !modern && json_object_get(map->value, key))
		return node_find(map, key, node, error);
	if (own->value && json_object_get(own->value, key))
		return node_find(own, key, node, error);
	*found = false;
	return true;
}

/* additional_special_tokens as the class has them. */
static bool
gather_additional(TokenizerConfig *config, Error *error)
{
	Node   list;
	bool   found;
	size_t n;

	if (!find_special(config, "additional_special_tokens", &list, &found, error))
		return false;
	config->additional = list;
	config->additional.value = NULL;
	found &= list.value != NULL;
	if (found && !node_array(&list, &n, error))
		return false;
	config->additional.value = found ? json_copy(list.value) : json_array();
	return config->additional.value
			   ? spm_additional(config, config->additional.value, found, &list, error)
			   : error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
}

bool
tokenizer_config_load(TokenizerConfig *config, const char *directory, Error *error)
{
	const ClassEntry *entry;

	*config = (TokenizerConfig){0};
	if (!node_load(directory, "tokenizer_config.json", JSON_DECODE_INT_AS_REAL, &config->config,
				   error) ||
		!node_load(directory, "special_tokens_map.json", 0, &config->special_tokens, error) ||
		!node_load(directory, "added_tokens.json", 0, &config->added_tokens, error) ||
		!node_load(directory, "config.json", JSON_DECODE_INT_AS_REAL, &config->model, error) ||
		!choose_class(config, &entry, &config->class_name, error))
		return false;
	config->class = entry->class;
	config->defaults = entry->special;
	config->own = entry->own;
	return read_options(config, error) && gather_additional(config, error);
}

typedef struct Numbered
{
	int64_t		id;
	const char *key;
	json_t	   *value;
} Numbered;

static int
compare_numbered(const void *a, const void *b)
{
	const Numbered *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* The members of an object ordered by number. */
static bool
sort_numbered(const Node *object, bool number_is_key, Arena *arena, Numbered **sorted, size_t *n,
			  Error *error)
{
	const char *key;
	json_t	   *value;

	*n = 0;
	if (!node_object(object, error))
		return false;
	*sorted = arena_alloc(arena, json_object_size(object->value) + 1, sizeof **sorted);
	if (!*sorted)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	json_object_foreach(object->value, key, value)
	{
		Numbered *item = &(*sorted)[(*n)++];
		Node	  node = {.parent = object, .key = key, .value = value};
		char	 *end;

		*item = (Numbered){.key = key, .value = value};
		if (!number_is_key)
		{
			if (!node_int(&node, 0, BUILD_MAX_ID, &item->id, error))
				return false;
			continue;
		}
		item->id = strtol(key, &end, 10);
		if (end == key || *end || item->id < 0 || item->id > BUILD_MAX_ID)
			return node_error(&node, error, ERR_DATA, "\"%s\" is no id", key);
	}
	qsort(*sorted, *n, sizeof **sorted, compare_numbered);
	return true;
}

bool
tokenizer_config_special(const TokenizerConfig *config, const BuildString *string, bool *special,
						 bool *named, Error *error)
{
	*special = *named = false;
	for (int i = 0; i <= SPECIAL_TOKENS; i++)
	{
		Node	   node = config->additional;
		BuildAdded added;
		bool	   found = true;
		size_t	   n = 1;

		if (i < SPECIAL_TOKENS && !find_special(config, special_keys[i], &node, &found, error))
			return false;
		if (!found && config->defaults[i] && strlen(config->defaults[i]) == string->length &&
			memcmp(config->defaults[i], string->bytes, string->length) == 0)
			*special = *named = true;
		if (!found || !node.value || (i == SPECIAL_TOKENS && !node_array(&node, &n, error)))
			continue;
		for (size_t j = 0; j < n; j++)
		{
			Node element = i < SPECIAL_TOKENS ? node : node_element(&node, j);

			if (!read_special(&element, &added, error))
				return false;
			if (added.content.length == string->length &&
				memcmp(added.content.bytes, string->bytes, string->length) == 0)
			{
				*special = true;
				*named |= i < SPECIAL_TOKENS;
			}
		}
	}
	return true;
}

static bool
add_decoder(const TokenizerConfig *config, TokenizerBuild *build, const Node *decoder, Error *error)
{
	Numbered *sorted;
	size_t	  n;

	if (!sort_numbered(decoder, true, build->arena, &sorted, &n, error))
		return false;
	for (size_t i = 0; i < n; i++)
	{
		Node	   node = {.parent = decoder, .key = sorted[i].key, .value = sorted[i].value};
		BuildAdded added;
		bool	   special, named;

		if (!read_added(&node, &added, error) ||
			!tokenizer_config_special(config, &added.content, &special, &named, error))
			return false;
		added.special |= special;
		added.id = (int32_t) sorted[i].id;
		if (!build_added(build, &node, &added, error))
			return false;
	}
	return true;
}

static bool
add_legacy(const TokenizerConfig *config, TokenizerBuild *build, Error *error)
{
	const Node *object = &config->added_tokens;
	Numbered   *sorted;
	size_t		n;

	if (!sort_numbered(object, false, build->arena, &sorted, &n, error))
		return false;
	for (size_t i = 0; i < n; i++)
	{
		Node	   node = {.parent = object, .key = sorted[i].key, .value = sorted[i].value};
		BuildAdded added = {.content = {sorted[i].key, strlen(sorted[i].key)},
							.id = (int32_t) sorted[i].id};
		bool	   named;

		if (!tokenizer_config_special(config, &added.content, &added.special, &named, error))
			return false;
		added.normalized = !added.special;
		if (!build_added(build, &node, &added, error))
			return false;
	}
	return true;
}

/* Adds a special token.  If it is an added token already it stays as it is, unless the class makes it from its own
 * default. */
static bool
add_special(TokenizerBuild *build, const Node *node, const BuildAdded *added, bool replace,
			Error *error)
{
	if (!replace &&
		string_map_get(&build->added_ids, added->content.bytes, added->content.length) >= 0)
		return true;
	return build_added(build, node, added, error);
}

static bool
add_special_tokens(const TokenizerConfig *config, TokenizerBuild *build, bool converted,
				   Error *error)
{
	bool   found;
	size_t n;

	for (int i = 0; i < SPECIAL_TOKENS; i++)
	{
		SpecialToken kind = special_order[i];
		const char	*fallback = config->defaults[kind];
		BuildAdded	 added = {.id = -1, .special = true};
		Node		 node;
		uint32_t	 own;
		bool		 made;

		if (!find_special(config, special_keys[kind], &node, &found, error))
			return false;
		if (!found && fallback)
		{
			node = (Node){.key = config->class_name};
			added.content = (BuildString){fallback, strlen(fallback)};
		}
		else if (!found || !node.value)
			continue;
		else if (!read_special(&node, &added, error))
			return false;
		if (added.content.length == 0)
			continue;
		own = !found || json_is_string(node.value) ? config->own : 0;
		added.lstrip |= kind == SPECIAL_MASK && (own & OWN_MASK);
		added.normalized |=
			converted && ((own & OWN_ALL) || (kind == SPECIAL_UNK && (own & OWN_UNK)));
		made = !found && ((own & OWN_ALL) || (kind == SPECIAL_MASK && (own & OWN_MASK)));
		if (!add_special(build, &node, &added, made, error))
			return false;
		build->special[kind] =
			(BuildString){arena_strndup(build->arena, added.content.bytes, added.content.length),
						  added.content.length};
		if (!build->special[kind].bytes)
			return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	}
	if (!config->additional.value)
		return true;
	if (!node_array(&config->additional, &n, error))
		return false;
	for (size_t i = 0; i < n; i++)
	{
		Node	   node = node_element(&config->additional, i);
		BuildAdded added;

		if (!read_special(&node, &added, error) || !add_special(build, &node, &added, false, error))
			return false;
	}
	return true;
}

bool
tokenizer_config_apply(const TokenizerConfig *config, TokenizerBuild *build,
					   const Node *tokenizer_json, Error *error)
{
	Node decoder = {0};

	if (config->config.value &&
		!node_find(&config->config, "added_tokens_decoder", &decoder, error))
		return false;
	if (decoder.value)
	{
		if (!add_decoder(config, build, &decoder, error))
			return false;
	}
	else if ((config->added_tokens.value && !add_legacy(config, build, error)) ||
			 (tokenizer_json->value && !compile_added_tokens(build, tokenizer_json, error)))
		return false;
	return add_special_tokens(config, build, !tokenizer_json->value, error);
}

bool
tokenizer_config_slow(const TokenizerConfig *config, TokenizerBuild *build, int n_vocab,
					  Error *error)
{
	build->added_as_written = true;
	for (int i = 0; i < build->n_added; i++)
	{
		BuildAdded *added = &build->added[i];
		bool		special, named;

		if (!tokenizer_config_special(config, &added->content, &special, &named, error))
			return false;
		added->spared = special || (!added->special && added->normalized);
		added->special = special;
		added->normalized = true;
		build->token_flags[added->id] &= (uint8_t) ~TOKEN_SPECIAL;
		build->token_flags[added->id] |= special ? TOKEN_SPECIAL : 0;
		if (!special || (!named && added->id >= n_vocab))
			build->token_flags[added->id] |= TOKEN_APART;
	}
	return true;
}
