/*
 * image.h: the packed model file, $PGDATA/pg_infer/<digest>.img.
 *
 * Written once by the importer, mapped read-only by the engine and by every backend, walked in place.
 * Layout (little-endian; offsets from the start of the file; sections aligned to 64 bytes, tensors' panels
 * to 4096):
 *	 header		magic "pginfer\0", format version, file size, section count, checksums of header and directory
 *	 sections	params, strings (labels, texts), tensors, the tokenizer's tables
 *	 directory	one entry a section: type, name, offset, size, XXH3-64 of its bytes, and the tensor's numbers
 * image/layout.h has every byte.
 * The digest is the SHA-256 of the whole file, and the file's name.  Nothing in an image depends on the
 * machine, the path or the time of the import.
 */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include <stdint.h>

#include "base/file.h"
#include "image/params.h"
#include "math/kernels.h"

#define IMAGE_VERSION 1
#define IMAGE_DIGEST_BYTES 32
#define IMAGE_ALIGN 64

typedef enum SectionType
{
	SECTION_PARAMS =
		1, /* "config": config.json; "generation": generation_config.json, if there is one;
						 * "model": what the importer decided (below) */
	SECTION_TEXT, /* bytes, a NUL behind them that size does not count: "config.json", "README.md" (model card) */
	SECTION_STRINGS, /* u32 n, u32 offsets[n + 1], bytes; each string ends in NUL: "labels", "prompts" */
	SECTION_MATRIX,	   /* a Matrix: panels, then bias, scale, sum as far as there are */
	SECTION_TABLE,	   /* a Table */
	SECTION_VECTOR,	   /* fp32 */
	SECTION_TOKENIZER, /* one of the tokenizer's tables, by name (tok/tables.h) */
	SECTION_GOLDEN /* input and output stored at import, for verify: "golden.ids", "golden.output" */
} SectionType;

/* Keys of the params section "model", beside those of "config":
 *	 family, architecture, precision, max_length (tokens a text may have, special ones included),
 *	 truncate (error|end|start), pooling (mean|cls|max|last|pooler), normalize, parameters (count), hidden_size,
 *	 has_weights, has_tokenizer, has_fast, description, default_prompt */

typedef struct Section
{
	SectionType	   type;
	const char	  *name;
	const uint8_t *data; /* 64-byte aligned */
	size_t		   size;
	uint64_t	   checksum;
	/* MATRIX: precision, n = rows, k = columns, has_bias; TABLE: precision, n, k; VECTOR: n */
	Precision precision;
	int		  n, k;
	bool	  has_bias;
} Section;

typedef struct Image
{
	FileMap		   map;
	uint64_t	   checksum; /* of the header, which has the directory's, which has all sections' */
	const Section *sections; /* sorted by type, then name */
	int			   n_sections;
	Params		   config;	   /* config.json as read; empty when there is none */
	Params		   generation; /* generation_config.json; empty when there is none */
	Params		   model;	   /* the importer's decisions */
	Arena		   arena;	   /* directory and params, parsed */
} Image;

/* Maps an image and checks header, directory and every offset; contents are checked by image_verify.  A wrong
 * magic, version, checksum or bound is ERR_CORRUPT or ERR_UNSUPPORTED naming the file. */
extern bool image_open(Image *image, const char *path, Error *error);
extern void image_close(Image *image);

/* The error that names the image and its damage, or whatever else is the reason.  Always returns false. */
extern bool image_refused(const char *path, const Error *reason, Error *error);

/* Every section's checksum.  ERR_CORRUPT names the section.  cancel may be NULL. */
extern bool image_verify(const Image *image, bool (*cancel)(void *), void *argument, Error *error);

/* As image_verify, without the tensors: what reading texts takes, in a moment. */
extern bool image_verify_texts(const Image *image, Error *error);

extern const Section *image_find(const Image *image, SectionType type, const char *name);

/* Views of a section by name; false with ERR_NOT_FOUND, or ERR_CORRUPT when sizes do not fit. */
extern bool image_matrix(const Image *image, const char *name, Matrix *matrix, Error *error);
extern bool image_table(const Image *image, const char *name, Table *table, Error *error);
extern bool image_vector(const Image *image, const char *name, const float **vector, int *n,
						 Error *error);

/* The strings of a SECTION_STRINGS: how many, 0 when there is no such section; and one of them. */
extern int		   image_strings(const Image *image, const char *name);
extern const char *image_string(const Image *image, const char *name, int index);

/* ---- writing ---- */

typedef struct ImageWriter ImageWriter;

/* Starts a new file (an existing one is an error).  The caller names a temporary path and renames it. */
extern ImageWriter *image_writer_create(const char *path, Error *error);

/* Goes on behind the sections of a finished image, which is invalid until it is finished again. */
extern ImageWriter *image_writer_append(const char *path, Error *error);

/* Sections are written in the order of the calls, which must not depend on anything but the model. */
extern bool image_write_params(ImageWriter *writer, const char *name, const Params *params,
							   Error *error);
extern bool image_write_bytes(ImageWriter *writer, SectionType type, const char *name,
							  const void *data, size_t size, Error *error);
extern bool image_write_strings(ImageWriter *writer, const char *name, const char *const *strings,
								int n, Error *error);
/* w (n, k) row-major fp32; bias (n) or NULL; packed here. */
extern bool image_write_matrix(ImageWriter *writer, const char *name, Precision precision,
							   const float *w, const float *bias, int n, int k, Error *error);
extern bool image_write_table(ImageWriter *writer, const char *name, Precision precision,
							  const float *w, int rows, int columns, Error *error);
extern bool image_write_vector(ImageWriter *writer, const char *name, const float *w, int n,
							   Error *error);

/* Writes directory and header, fsyncs, closes.  The writer is gone afterwards, whatever the result. */
extern bool image_writer_finish(ImageWriter *writer, Error *error);

/* Removes the unfinished file and frees the writer. */
extern void image_writer_abort(ImageWriter *writer);

#endif
