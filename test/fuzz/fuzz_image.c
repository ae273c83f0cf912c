/*
 * fuzz_image.c: any bytes as an image, with the checksums that would hide all but the first mistake made right.
 */
#include <stdlib.h>
#include <string.h>

#include "image/image.h"
#include "image/layout.h"
#include "memory_file.h"
#include "model/model.h"
#include "tok/tokenizer.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Sizes and checksums of header and directory fit the file. */
static void
seal(uint8_t *bytes, size_t size)
{
	ImageHeader header;

	if (size < sizeof header)
		return;
	memcpy(&header, bytes, sizeof header);
	memcpy(header.magic, IMAGE_MAGIC, sizeof header.magic);
	header.version = IMAGE_VERSION;
	header.file_size = size;
	if (header.directory_offset <= size)
	{
		header.directory_size = size - header.directory_offset;
		header.directory_checksum =
			XXH3_64bits(bytes + header.directory_offset, header.directory_size);
	}
	header.header_checksum = XXH3_64bits(&header, offsetof(ImageHeader, header_checksum));
	memcpy(bytes, &header, sizeof header);
}

/* Touches the first and the last byte of a part of the image. */
static unsigned
touch(const void *data, size_t size)
{
	const uint8_t *bytes = data;

	return data != NULL && size > 0 ? (unsigned) bytes[0] + bytes[size - 1] : 0;
}

static unsigned
use_section(const Image *image, const Section *section)
{
	unsigned	 sum = touch(section->data, section->size);
	Matrix		 matrix;
	Table		 table;
	const float *vector;
	int			 n;
	Error		 error;

	if (image_matrix(image, section->name, &matrix, &error))
	{
		sum += touch(matrix.bias, (size_t) PANEL_UP(matrix.n) * sizeof(float));
		sum += touch(matrix.scale, (size_t) PANEL_UP(matrix.n) * sizeof(float));
		sum += touch(matrix.sum, (size_t) PANEL_UP(matrix.n) * sizeof(int32_t));
	}
	if (image_table(image, section->name, &table, &error))
		sum += touch(table.data, (size_t) table.columns * 2);
	if (image_vector(image, section->name, &vector, &n, &error))
		sum += touch(vector, (size_t) n * sizeof(float));
	for (int i = 0; i < image_strings(image, section->name); i++)
		sum += (unsigned) strlen(image_string(image, section->name, i));
	return sum;
}

/* Reads all that the image has; the sum keeps the reads from being dropped. */
static unsigned
use_image(const Image *image)
{
	unsigned  sum = 0;
	Model	  model;
	Tokenizer tokenizer;
	Error	  error;

	for (int i = 0; i < image->n_sections; i++)
		sum += use_section(image, &image->sections[i]);
	for (int i = 0; i < image->config.n; i++)
		if (params_find(&image->config, image->config.items[i].key) != &image->config.items[i])
			__builtin_trap();
	if (model_open(&model, image, kernels_select(ISA_GENERIC, &error), &error))
		model_close(&model);
	sum += tokenizer_open(&tokenizer, image, &error);
	return sum + image_verify(image, NULL, NULL, &error);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t					*bytes = malloc(size + 1);
	char					 path[64];
	Image					 image;
	Error					 error;
	int						 file;
	static volatile unsigned sum;

	if (size > 0)
		memcpy(bytes, data, size);
	seal(bytes, size);
	file = memory_file(path, bytes, size);
	free(bytes);
	if (image_open(&image, path, &error))
	{
		sum = sum + use_image(&image);
		image_close(&image);
	}
	close(file);
	return 0;
}
