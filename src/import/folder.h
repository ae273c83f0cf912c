/*
 * folder.h: what a model folder says besides config.json, weights and tokenizer.
 *
 * A sentence-transformers folder names its modules in modules.json; a plain one is a Transformer with mean
 * pooling.
 */
#ifndef IMPORT_FOLDER_H
#define IMPORT_FOLDER_H

#include "base/arena.h"
#include "task/embed.h"

#define FOLDER_MAX_PATH 4096

typedef struct Folder
{
	char	transformer[FOLDER_MAX_PATH]; /* directory of config, weights and tokenizer */
	Pooling pooling;
	bool	normalize;
	int		max_seq_length; /* of the Transformer module; 0: none */
	bool	lower_case;		/* it lower-cases the text first */
	bool	strips;			/* it leaves whitespace at both ends out, as sentence-transformers do */
	const char *const *prompts; /* name, text, name, text, ... */
	int				   n_prompts;
	const char		  *default_prompt; /* a name, or NULL */
} Folder;

/* Reads the settings of a directory.  A module or pooling that is not implemented is ERR_UNSUPPORTED. */
extern bool folder_read(Folder *folder, Arena *arena, const char *directory, Error *error);

/* path = directory/name; ERR_LIMIT when that is too long. */
extern bool folder_path(char path[FOLDER_MAX_PATH], const char *directory, const char *name,
						Error *error);

/* Whether there is a file of this name; false too when its path would be too long. */
extern bool folder_has(const char *directory, const char *name);

#endif
