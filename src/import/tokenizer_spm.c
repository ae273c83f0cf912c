/*
 * tokenizer_spm.c: which class reads which file, what ids its tokens have, and its template.
 */
#include "import/tokenizer_spm.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"
#include "import/tokenizer_components.h"
#include "import/unicode.h"

#define FILE_LIMIT ((size_t) 256 << 20)

static const SpmClass classes[] = {
	{CLASS_T5, "spiece.model", SPM_T5, SPM_BARE_EOS},
	{CLASS_XLM_ROBERTA, "sentencepiece.bpe.model", SPM_FAIRSEQ, SPM_ROBERTA},
	{CLASS_ALBERT, "spiece.model", SPM_AS_IS, SPM_BERT},
	{CLASS_LLAMA, "tokenizer.model", SPM_LLAMA, SPM_LLAMA_ENDS},
	{CLASS_CAMEMBERT, "sentencepiece.bpe.model", SPM_CAMEMBERT, SPM_ROBERTA},
	{CLASS_XLNET, "spiece.model", SPM_AS_IS, SPM_XLNET},
	{CLASS_DEBERTA_V2, "spm.model", SPM_AS_IS, SPM_BERT},
	{CLASS_BIG_BIRD, "spiece.model", SPM_AS_IS, SPM_BERT},
	{CLASS_PEGASUS, "spiece.model", SPM_PEGASUS, SPM_PEGASUS_EOS},
	{CLASS_MBART, "sentencepiece.bpe.model", SPM_MBART, SPM_LANGUAGE},
};

const SpmClass *
spm_class(TokenizerClass class)
{
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
		if (classes[i].class == class)
			return &classes[i];
	return NULL;
}

bool
spm_load(Spm *spm, const SpmClass *class, const TokenizerConfig *config, TokenizerBuild *build,
		 const char *directory, bool *found, Error *error)
{
	char   path[4096];
	char  *data;
	size_t size;

	*found = false;
	*spm = (Spm){.class = class, .config = config, .at = {.key = class->file}};
	if ((size_t) snprintf(path, sizeof path, "%s/%s", directory, class->file) >= sizeof path)
		return error_set(error, ERR_ARGUMENT, "path of \"%s\" is too long", class->file);
	data = file_read(build->arena, path, FILE_LIMIT, &size, error);
	if (!data)
		return error->code == ERR_NOT_FOUND;
	*found = true;
	return sentencepiece_read(&spm->model, build->arena, &spm->at, (const uint8_t *) data, size,
							  error);
}

bool
ends_in_number_comma(const BuildString *text)
{
	uint32_t character = 0;
	size_t	 at = 0;

	if (text->length < 2 || text->bytes[text->length - 1] != ',')
		return false;
	while (at + 1 < text->length)
		character = utf8_next(text->bytes, text->length, &at);
	return unicode_digit(character, UNICODE_PYTHON);
}

/* ---- names ---- */

static const char *const languages[] = {
	"ar_AR", "cs_CZ", "de_DE", "en_XX", "es_XX", "et_EE", "fi_FI", "fr_XX", "gu_IN",
	"hi_IN", "it_IT", "ja_XX", "kk_KZ", "ko_KR", "lt_LT", "lv_LV", "my_MM", "ne_NP",
	"nl_XX", "ro_RO", "ru_RU", "si_LK", "tr_TR", "vi_VN", "zh_CN", NULL};

static bool
put_name(BuildString *names, size_t *n, Arena *arena, const char *name, Error *error)
{
	names[*n] = (BuildString){arena_strndup(arena, name, strlen(name)), strlen(name)};
	return names[(*n)++].bytes || error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
}

static bool
put_names(BuildString *names, size_t *n, Arena *arena, const char *const *list, Error *error)
{
	for (; *list; list++)
		if (!put_name(names, n, arena, *list, error))
			return false;
	return true;
}

/* "<unk_2>" and what follows, behind padding, end, and the masks. */
static bool
pegasus_names(const Spm *spm, Arena *arena, SpmNames *names, Error *error)
{
	static const char *const fixed[] = {"<pad>", "</s>", "<mask_1>", "<mask_2>", NULL};
	size_t					 offset = (size_t) spm->config->offset;
	char					 name[32];

	if (!put_names(names->before, &names->n_before, arena, fixed, error))
		return false;
	for (size_t i = 2; names->n_before < offset + 2; i++)
	{
		snprintf(name, sizeof name, "<unk_%zu>", i);
		if (!put_name(names->before, &names->n_before, arena, name, error))
			return false;
	}
	names->first = 2;
	return true;
}

bool
spm_names(const Spm *spm, Arena *arena, SpmNames *names, Error *error)
{
	static const char *const fairseq[] = {"<s>", "<pad>", "</s>", "<unk>", NULL};
	static const char *const llama[] = {"<unk>", "<s>", "</s>", NULL};
	static const char *const camembert[] = {"<s>NOTUSED", "<pad>",		  "</s>NOTUSED",
											"<unk>",	  "<unk>NOTUSED", NULL};
	static const char *const mask[] = {"<mask>", NULL};
	SpmLayout				 layout = spm->class->layout;
	size_t					 n_sentinels = layout == SPM_T5 ? (size_t) spm->config->extra_ids : 0;
	char					 name[32];

	*names = (SpmNames){0};
	names->before = arena_alloc(arena, (size_t) spm->config->offset + 8, sizeof *names->before);
	names->behind = arena_alloc(arena, n_sentinels + 32, sizeof *names->behind);
	if (!names->before || !names->behind)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	switch (layout)
	{
		case SPM_T5:
			for (size_t i = n_sentinels; i-- > 0;)
			{
				snprintf(name, sizeof name, "<extra_id_%zu>", i);
				if (!put_name(names->behind, &names->n_behind, arena, name, error))
					return false;
			}
			return true;
		case SPM_LLAMA:
			names->first = 3;
			return put_names(names->before, &names->n_before, arena, llama, error);
		case SPM_FAIRSEQ:
		case SPM_MBART:
			names->first = 3;
			return put_names(names->before, &names->n_before, arena, fairseq, error) &&
				   (layout == SPM_FAIRSEQ ||
					put_names(names->behind, &names->n_behind, arena, languages, error)) &&
				   put_names(names->behind, &names->n_behind, arena, mask, error);
		case SPM_CAMEMBERT:
			names->first = 1;
			return put_names(names->before, &names->n_before, arena, camembert, error) &&
				   put_names(names->behind, &names->n_behind, arena, mask, error);
		case SPM_PEGASUS:
			return pegasus_names(spm, arena, names, error);
		default:
			return true;
	}
}

/* Names made by a pattern with a number of from .. to - 1. */
static void
append_numbered(json_t *list, const char *pattern, int64_t from, int64_t to)
{
	for (int64_t i = from; i < to; i++)
		json_array_append_new(list, json_sprintf(pattern, (int) i));
}

static const char *
additional_name(const json_t *token)
{
	const char *name =
		json_string_value(json_is_object(token) ? json_object_get(token, "content") : token);

	return name ? name : "";
}

/* "<extra_id_0>" and so on, unless the list has them. */
static bool
append_sentinels(const TokenizerConfig *config, json_t *list, const Node *node, Error *error)
{
	int64_t n = 0;
	size_t	i;
	json_t *token;

	json_array_foreach(list, i, token) n += strstr(additional_name(token), "<extra_id_") != NULL;
	if (n == 0)
		append_numbered(list, "<extra_id_%d>", 0, config->extra_ids);
	else if (config->extra_ids > 0 && n != config->extra_ids)
		return node_error(node, error, ERR_DATA, "%lld sentinels, but extra_ids is %lld",
						  (long long) n, (long long) config->extra_ids);
	return true;
}

static bool
has_name(const json_t *list, const char *name)
{
	size_t	i;
	json_t *token;

	json_array_foreach(list, i, token) if (strcmp(additional_name(token), name) == 0) return true;
	return false;
}

bool
spm_additional(const TokenizerConfig *config, json_t *list, bool given, const Node *node,
			   Error *error)
{
	switch (config->class)
	{
		case CLASS_T5:
			return append_sentinels(config, list, node, error);
		case CLASS_XLNET:
			if (!given)
			{
				json_array_append_new(list, json_string("<eop>"));
				json_array_append_new(list, json_string("<eod>"));
			}
			return true;
		case CLASS_CAMEMBERT:
			if (!given)
			{
				json_array_append_new(list, json_string("<s>NOTUSED"));
				json_array_append_new(list, json_string("</s>NOTUSED"));
				json_array_append_new(list, json_string("<unk>NOTUSED"));
			}
			return true;
		case CLASS_PEGASUS:
			if (!has_name(list, "<mask_1>"))
				json_array_insert_new(list, 0, json_string("<mask_1>"));
			append_numbered(list, "<unk_%d>", given ? (int64_t) json_array_size(list) : 2,
							given ? config->offset - 1 : config->offset);
			return true;
		case CLASS_MBART:
			for (size_t i = 0; languages[i]; i++)
				if (!has_name(list, languages[i]))
					json_array_insert_new(list, i, json_string(languages[i]));
			return true;
		default:
			return true;
	}
}

/* ---- templates ---- */

#define MAX_ITEMS 8

typedef struct Item
{
	int32_t id; /* as a TemplateItem's */
	int32_t type_id;
} Item;

typedef struct Items
{
	Item single[MAX_ITEMS], pair[MAX_ITEMS];
	int	 n_single, n_pair;
} Items;

static void
both(Items *items, int32_t id, int32_t type_id)
{
	items->single[items->n_single++] = (Item){id, type_id};
	items->pair[items->n_pair++] = (Item){id, type_id};
}

static void
only_pair(Items *items, int32_t id, int32_t type_id)
{
	items->pair[items->n_pair++] = (Item){id, type_id};
}

/* The list, and it again without special tokens; those of the slow classes have type 0. */
static bool
put_items(TokenizerBuild *build, const Item *items, int n, TemplateList list, TemplateList bare,
		  bool fast, Error *error)
{
	for (int i = 0; i < n; i++)
		if (!build_item(build, list, items[i].id, items[i].type_id, error) ||
			(items[i].id < 0 &&
			 !build_item(build, bare, items[i].id, fast ? items[i].type_id : 0, error)))
			return false;
	return true;
}

/* The id of a token by name, or of the unknown one. */
static int32_t
id_of(const TokenizerBuild *build, const char *name)
{
	const BuildString *unk = &build->special[SPECIAL_UNK];
	int32_t			   id = build_id(build, name, strlen(name));

	if (id < 0 && unk->bytes)
		id = build_id(build, unk->bytes, unk->length);
	return id < 0 ? 0 : id;
}

static int32_t
special_id(const TokenizerBuild *build, SpecialToken kind)
{
	return build->special[kind].bytes ? id_of(build, build->special[kind].bytes) : 0;
}

bool
spm_template(TokenizerBuild *build, SpmTemplate template, const TokenizerConfig *config, bool fast,
			 Error *error)
{
	Items	items = {0};
	int32_t eos = fast ? id_of(build, "</s>") : special_id(build, SPECIAL_EOS);
	int32_t cls, sep;

	switch (template)
	{
		case SPM_BARE_EOS:
			both(&items, TEMPLATE_TEXT, 0);
			both(&items, eos, 0);
			only_pair(&items, TEMPLATE_TEXT_PAIR, 0);
			only_pair(&items, eos, 0);
			build->flags |= fast ? 0 : TOKENIZER_EOS_ONCE;
			break;
		case SPM_ROBERTA:
			cls = fast ? id_of(build, "<s>") : special_id(build, SPECIAL_CLS);
			sep = fast ? id_of(build, "</s>") : special_id(build, SPECIAL_SEP);
			both(&items, cls, 0);
			both(&items, TEMPLATE_TEXT, 0);
			both(&items, sep, 0);
			only_pair(&items, sep, 0);
			only_pair(&items, TEMPLATE_TEXT_PAIR, 0);
			only_pair(&items, sep, 0);
			break;
		case SPM_BERT:
			cls = fast ? id_of(build, "[CLS]") : special_id(build, SPECIAL_CLS);
			sep = fast ? id_of(build, "[SEP]") : special_id(build, SPECIAL_SEP);
			both(&items, cls, 0);
			both(&items, TEMPLATE_TEXT, 0);
			both(&items, sep, 0);
			only_pair(&items, TEMPLATE_TEXT_PAIR, 1);
			only_pair(&items, sep, 1);
			break;
		case SPM_XLNET:
			cls = fast ? id_of(build, "<cls>") : special_id(build, SPECIAL_CLS);
			sep = fast ? id_of(build, "<sep>") : special_id(build, SPECIAL_SEP);
			both(&items, TEMPLATE_TEXT, 0);
			both(&items, sep, 0);
			only_pair(&items, TEMPLATE_TEXT_PAIR, 1);
			only_pair(&items, sep, 1);
			both(&items, cls, 2);
			break;
		case SPM_LLAMA_ENDS:
			if (config->add_bos_token)
				both(&items, special_id(build, SPECIAL_BOS), 0);
			both(&items, TEMPLATE_TEXT, 0);
			if (config->add_eos_token)
				both(&items, special_id(build, SPECIAL_EOS), 0);
			if (config->add_bos_token)
				only_pair(&items, special_id(build, SPECIAL_BOS), 1);
			only_pair(&items, TEMPLATE_TEXT_PAIR, 1);
			if (config->add_eos_token)
				only_pair(&items, special_id(build, SPECIAL_EOS), 1);
			break;
		case SPM_PEGASUS_EOS:
			both(&items, TEMPLATE_TEXT, 0);
			only_pair(&items, TEMPLATE_TEXT_PAIR, 0);
			both(&items, special_id(build, SPECIAL_EOS), 0);
			break;
		case SPM_LANGUAGE:
			both(&items, TEMPLATE_TEXT, 0);
			only_pair(&items, TEMPLATE_TEXT_PAIR, 0);
			both(&items, special_id(build, SPECIAL_EOS), 0);
			both(&items, id_of(build, config->source_language), 0);
			break;
	}
	return put_items(build, items.single, items.n_single, TEMPLATE_SINGLE, TEMPLATE_SINGLE_BARE,
					 fast, error) &&
		   put_items(build, items.pair, items.n_pair, TEMPLATE_PAIR, TEMPLATE_PAIR_BARE, fast,
					 error);
}
