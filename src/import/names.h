/*
 * names.h: what Keras and Flax call the tensors of a state_dict.
 */
#ifndef IMPORT_NAMES_H
#define IMPORT_NAMES_H

#include <stdbool.h>
#include <stddef.h>

typedef enum Naming
{
	NAMING_TORCH, /* "encoder.layer.0.output.dense.weight" */
	NAMING_KERAS, /* "encoder/layer_._0/output/dense/kernel:0" */
	NAMING_FLAX	  /* "encoder/layer/0/output/dense/kernel", also with dots */
} Naming;

/* The state_dict's name into out, of size bytes; false when it does not fit.  *kernel: the tensor is a product's
 * and lies as (in, out), which PyTorch has as (out, in). */
extern bool name_convert(Naming naming, const char *name, char *out, size_t size, bool *kernel);

/* A path behind its first component; all of it when it has only one. */
extern const char *name_without_root(const char *name);

#endif
