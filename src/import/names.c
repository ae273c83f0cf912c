/*
 * names.c: names of Keras and Flax to those of a state_dict, component by component.
 *
 * Keras numbers a layer within its component ("layer_._3" is layer.3), and "mlm___cls" is the attribute cls under
 * a name that tells two apart.
 */
#include "import/names.h"

#include <string.h>

typedef struct LeafName
{
	const char *theirs, *ours;
} LeafName;

static const LeafName keras_leaves[] = {
	{"kernel", "weight"}, {"embeddings", "weight"}, {"gamma", "weight"}, {"beta", "bias"}};
static const LeafName flax_leaves[] = {
	{"kernel", "weight"}, {"embedding", "weight"}, {"scale", "weight"}};

#define LENGTH(array) (sizeof(array) / sizeof *(array))

typedef struct Text
{
	char  *out;
	size_t length, size;
} Text;

/* Leaves room for the NUL. */
static bool
append(Text *text, const char *from, size_t length)
{
	if (length >= text->size - text->length)
		return false;
	memcpy(text->out + text->length, from, length);
	text->length += length;
	return true;
}

static bool
append_leaf(Text *text, Naming naming, const char *leaf, size_t length)
{
	const LeafName *leaves = naming == NAMING_KERAS ? keras_leaves : flax_leaves;
	size_t			n = naming == NAMING_KERAS ? LENGTH(keras_leaves) : LENGTH(flax_leaves);

	for (size_t i = 0; i < n; i++)
		if (strlen(leaves[i].theirs) == length && memcmp(leaves[i].theirs, leaf, length) == 0)
			return append(text, leaves[i].ours, strlen(leaves[i].ours));
	return append(text, leaf, length);
}

/* A component of a Keras path that is not the last. */
static bool
append_keras(Text *text, const char *component, size_t length)
{
	static const char attribute[] = "___", number[] = "_._";
	const char		 *found = memmem(component, length, attribute, strlen(attribute));

	if (found != NULL)
	{
		length -= (size_t) (found - component) + strlen(attribute);
		component = found + strlen(attribute);
	}
	found = memmem(component, length, number, strlen(number));
	if (found == NULL)
		return append(text, component, length);
	return append(text, component, (size_t) (found - component)) && append(text, ".", 1) &&
		   append(text, found + strlen(number),
				  length - (size_t) (found - component) - strlen(number));
}

/* The length of a name without Keras's ":0". */
static size_t
without_number(const char *name)
{
	const char *colon = strrchr(name, ':');

	if (colon != NULL && colon[1] != '\0' && strspn(colon + 1, "0123456789") == strlen(colon + 1))
		return (size_t) (colon - name);
	return strlen(name);
}

static bool
convert_path(Text *text, Naming naming, const char *name, bool *kernel)
{
	const char *separators = naming == NAMING_KERAS ? "/" : "/.";
	size_t		left = naming == NAMING_KERAS ? without_number(name) : strlen(name);
	size_t		component;

	while ((component = strcspn(name, separators)) < left)
	{
		if (!(naming == NAMING_KERAS ? append_keras(text, name, component)
									 : append(text, name, component)) ||
			!append(text, ".", 1))
			return false;
		name += component + 1;
		left -= component + 1;
	}
	*kernel = left == strlen("kernel") && memcmp(name, "kernel", left) == 0;
	return append_leaf(text, naming, name, left);
}

bool
name_convert(Naming naming, const char *name, char *out, size_t size, bool *kernel)
{
	Text text = {.out = out, .size = size};

	*kernel = false;
	if (naming == NAMING_TORCH ? !append(&text, name, strlen(name))
							   : !convert_path(&text, naming, name, kernel))
		return false;
	out[text.length] = '\0';
	return true;
}

const char *
name_without_root(const char *name)
{
	const char *slash = strchr(name, '/');

	return slash != NULL ? slash + 1 : name;
}
