/*
 * options.h: what create_model's options and the command's arguments ask of an import.
 */
#ifndef IMPORT_OPTIONS_H
#define IMPORT_OPTIONS_H

#include "base/arena.h"
#include "task/embed.h"
#include "tok/tokenizer.h"

#define MAX_PROMPTS 1000
#define MAX_LABELS (1 << 20)

typedef struct ImportOptions
{
	Precision		   precision;
	const char		  *architecture; /* NULL: config.json's */
	int				   max_length;	 /* 0: the folder's */
	Truncate		   truncate;
	bool			   has_pooling, has_normalize, has_use_fast, has_prompts; /* whether given */
	Pooling			   pooling;
	bool			   normalize;
	bool			   use_fast;
	const char *const *prompts; /* name, text, name, text, ... */
	int				   n_prompts;
	const char *const *labels; /* NULL: the config's */
	int				   n_labels;
	const char		  *description; /* NULL: none */
	const char		  *config; /* JSON text of an object: instead of config.json's keys; or NULL */
	bool			   forward_ema; /* see BindOptions */
} ImportOptions;

extern void import_options_init(ImportOptions *options);

/* Sets an option from its JSON text, or from plain text where the option is a string and the text is no JSON.  null
 * leaves the default.  An unknown name or a value that does not fit is ERR_ARGUMENT.  Strings live in the arena. */
extern bool import_option(ImportOptions *options, Arena *arena, const char *name, const char *value,
						  Error *error);

extern const char *precision_name(Precision precision);

#endif
