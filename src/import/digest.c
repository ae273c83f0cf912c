/*
 * digest.c: SHA-256 by PostgreSQL's own library.
 */
#include "postgres_fe.h"

#include "common/cryptohash.h"
#include "common/sha2.h"

#include "base/file.h"
#include "import/digest.h"

#define STEP ((size_t) 1 << 24)

static bool
digest_map(const FileMap *map, uint8_t *digest)
{
	pg_cryptohash_ctx *context = pg_cryptohash_create(PG_SHA256);
	bool			   ok = context != NULL && pg_cryptohash_init(context) >= 0;

	for (size_t at = 0; ok && at < map->size; at += STEP)
		ok = pg_cryptohash_update(context, map->data + at,
								  map->size - at < STEP ? map->size - at : STEP) >= 0;
	ok = ok && pg_cryptohash_final(context, digest, PG_SHA256_DIGEST_LENGTH) >= 0;
	if (context != NULL)
		pg_cryptohash_free(context);
	return ok;
}

bool
digest_file(const char *path, char hex[DIGEST_HEX], Error *error)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t			  digest[PG_SHA256_DIGEST_LENGTH];
	FileMap			  map;
	bool			  ok;

	if (!file_map(&map, path, error))
		return false;
	ok = digest_map(&map, digest);
	file_unmap(&map);
	if (!ok)
		return error_set(error, ERR_MEMORY, "could not compute the SHA-256 of \"%s\"", path);
	for (int i = 0; i < PG_SHA256_DIGEST_LENGTH; i++)
	{
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	hex[2 * PG_SHA256_DIGEST_LENGTH] = '\0';
	return true;
}
