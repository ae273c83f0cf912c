/*
 * sentencepiece.h: reads a SentencePiece model: pieces, and how texts are normalized for them.
 *
 * The file is a protocol buffer (ModelProto of sentencepiece_model.proto).  What the fields of training say is
 * passed over.
 */
#ifndef IMPORT_SENTENCEPIECE_H
#define IMPORT_SENTENCEPIECE_H

#include "import/tokenizer_build.h"

typedef enum PieceType
{
	PIECE_NORMAL = 1,
	PIECE_UNKNOWN = 2,
	PIECE_CONTROL = 3,
	PIECE_USER_DEFINED = 4,
	PIECE_UNUSED = 5,
	PIECE_BYTE = 6
} PieceType;

typedef struct SentencePiece
{
	BuildString text;
	float		score;
	PieceType	type;
} SentencePiece;

typedef enum SentencePieceModelType
{
	SENTENCEPIECE_UNIGRAM = 1,
	SENTENCEPIECE_BPE = 2
} SentencePieceModelType;

typedef struct SentencePieceNormalizer
{
	const uint8_t *charsmap; /* NULL: none */
	size_t		   n_charsmap;
	bool		   add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces;
} SentencePieceNormalizer;

typedef struct SentencePieceModel
{
	SentencePiece		   *pieces; /* by id */
	size_t					n;
	SentencePieceModelType	type;
	bool					byte_fallback;
	int32_t					unk_id;			/* of the one unknown piece */
	int32_t					trainer_unk_id; /* what the trainer was told */
	BuildString				unk_piece, unk_surface;
	SentencePieceNormalizer normalizer;
} SentencePieceModel;

/* Reads a model; texts point into data, which must outlive it.  ERR_DATA "file: field: ..." when it is malformed,
 * ERR_UNSUPPORTED for models of other types, whitespace as a suffix, and denormalizers. */
extern bool sentencepiece_read(SentencePieceModel *model, Arena *arena, const Node *at,
							   const uint8_t *data, size_t size, Error *error);

#endif
