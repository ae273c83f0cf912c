/*
 * layout.h: the bytes of an image, as reader (image.c) and writer (image_writer.c) share them.
 *
 * All numbers are little-endian.  The header is the first 64 bytes.  Sections follow, each at a
 *multiple of IMAGE_ALIGN (tensors at one of IMAGE_PAGE), zeros between them.  The directory is
 *last: n_sections entries sorted by type and name, then the names, each with a NUL behind it; it
 *ends the file.
 *
 *	 text		its bytes and a NUL
 *	 strings	u32 n, u32 offsets[n + 1] (from the start of the section), the strings, each with a
 *NUL
 *	 matrix		panels (math/kernels.h); then, each PANEL_UP(n) long: bias if has_bias, and for int8
 *scale and sum table		rows * columns values, fp32 or bf16 vector		n values, fp32 params
 *see params.c
 */
#ifndef IMAGE_LAYOUT_H
#define IMAGE_LAYOUT_H

#include <stdint.h>

#include "image/image.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define IMAGE_MAGIC "pginfer" /* with its NUL: 8 bytes */
#define IMAGE_PAGE 4096

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "images are little-endian and walked in place"
#endif

typedef struct ImageHeader
{
	char	 magic[8];
	uint32_t version;
	uint32_t n_sections;
	uint64_t file_size;
	uint64_t directory_offset;
	uint64_t directory_size;
	uint64_t directory_checksum; /* XXH3-64 of the directory */
	uint64_t reserved;
	uint64_t header_checksum; /* XXH3-64 of the bytes before it */
} ImageHeader;

typedef struct ImageEntry
{
	uint32_t type;
	uint32_t name; /* offset into the directory */
	uint64_t offset;
	uint64_t size;
	uint64_t checksum; /* XXH3-64 of the section */
	uint32_t precision;
	uint32_t n;
	uint32_t k;
	uint32_t has_bias;
} ImageEntry;

_Static_assert(sizeof(ImageHeader) == 64, "header without holes");
_Static_assert(sizeof(ImageEntry) == 48, "entry without holes");

/* Bytes of a tensor's section; false when the sizes make no sense or overflow. */
extern bool matrix_section_size(Precision precision, int n, int k, bool has_bias, size_t *size);
extern bool table_section_size(Precision precision, int rows, int columns, size_t *size);
extern bool vector_section_size(int n, size_t *size);

#endif
