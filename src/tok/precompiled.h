/*
 * precompiled.h: replacement rules of SentencePiece, as a normalizer's table has them.
 */
#ifndef TOK_PRECOMPILED_H
#define TOK_PRECOMPILED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Classes of grapheme cluster boundaries (Unicode Standard Annex 29, table 2). */
typedef enum ClusterClass
{
	CLUSTER_OTHER,
	CLUSTER_CR,
	CLUSTER_LF,
	CLUSTER_CONTROL,
	CLUSTER_EXTEND,
	CLUSTER_ZWJ,
	CLUSTER_PREPEND,
	CLUSTER_SPACING_MARK,
	CLUSTER_L,
	CLUSTER_V,
	CLUSTER_T,
	CLUSTER_LV,
	CLUSTER_LVT,
	CLUSTER_REGIONAL,
	CLUSTER_PICTOGRAPH
} ClusterClass;

/* The table: this; a CharTable of classes (n_classes bytes, may be 0); a Trie (n_trie bytes) of texts to where their
 * replacements begin; the replacements (n_texts bytes), NUL behind each. */
typedef struct PrecompiledTable
{
	uint32_t n_classes, n_trie, n_texts;
	/* 1: an ASCII character that nothing replaces when another one follows. */
	uint8_t plain[128];
} PrecompiledTable;

#endif
