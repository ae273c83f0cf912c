/*
 * digest.h: the SHA-256 of a file, an image's name.
 */
#ifndef IMPORT_DIGEST_H
#define IMPORT_DIGEST_H

#include "base/error.h"

#define DIGEST_HEX 65 /* 64 digits and a NUL */

extern bool digest_file(const char *path, char hex[DIGEST_HEX], Error *error);

#endif
