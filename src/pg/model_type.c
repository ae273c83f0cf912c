/*
 * model_type.c: type infer.model, a model's name with the digest of its weights.
 *
 * A literal is resolved when it is read: views, indexes and generated columns hold the digest from then on.
 * Output needs no catalog.  Two values are equal when their text forms are.
 *
 * A dump restores functions and domains before servers, so where check_function_bodies is off (pg_dump sets that) a
 * literal in its text form may name a model that is not there yet.  Such a value is "short": it has the digits
 * that the text has, zeros behind them, and is resolved each time that it is used.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "pg/pg_infer.h"

#define SHOWN_DIGITS 16
#define SHOWN_BYTES (SHOWN_DIGITS / 2)
#define LEAST_DIGITS 8

/* As it is stored: what is done to a value here looks nothing up. */
#define GETARG_MODEL(n) ((InferModel *) PG_DETOAST_DATUM(PG_GETARG_DATUM(n)))

static inline size_t
name_length(const InferModel *model)
{
	return VARSIZE(model) - offsetof(InferModel, name);
}

InferModel *
infer_model_make(const char *name, const uint8 *digest)
{
	size_t		length = strlen(name);
	size_t		size = offsetof(InferModel, name) + length;
	InferModel *model = palloc(size);

	SET_VARSIZE(model, size);
	memcpy(model->digest, digest, IMAGE_DIGEST_BYTES);
	memcpy(model->name, name, length);
	return model;
}

char *
infer_model_name(const InferModel *model)
{
	return pnstrdup(model->name, name_length(model));
}

void
digest_to_hex(const uint8 *digest, char *hex)
{
	hex[hex_encode((const char *) digest, IMAGE_DIGEST_BYTES, hex)] = '\0';
}

/* The value of a hexadecimal digit, or -1. */
static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
digest_from_hex(const char *hex, uint8 *digest)
{
	if (strlen(hex) != DIGEST_HEX)
		return false;
	for (int i = 0; i < IMAGE_DIGEST_BYTES; i++)
	{
		int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		digest[i] = high << 4 | low;
	}
	return true;
}

bool
digest_has_prefix(const uint8 *digest, const char *prefix)
{
	char hex[DIGEST_HEX + 1];

	digest_to_hex(digest, hex);
	return strncmp(hex, prefix, strlen(prefix)) == 0;
}

void
check_model_name(const char *name, int sqlerrcode)
{
	size_t length = strlen(name);

	if (length == 0)
		ereport(ERROR, (errcode(sqlerrcode), errmsg("a model name must not be empty")));
	if (length >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(sqlerrcode), errmsg("model name \"%s\" is too long", name),
				 errdetail("It has %zu bytes, at most %d are allowed.", length, NAMEDATALEN - 1)));
	for (const unsigned char *c = (const unsigned char *) name; *c; c++)
		if (*c == '@' || *c < ' ' || *c == 0x7f)
			ereport(ERROR,
					(errcode(sqlerrcode), errmsg("invalid model name \"%s\"", name),
					 errdetail("A model name must not contain \"@\" or control characters.")));
}

/* The digits behind '@', folded to lower case. */
static char *
check_digest_prefix(const char *digits, const char *input)
{
	char  *prefix = pstrdup(digits);
	size_t length = strlen(prefix);
	bool   valid = length >= LEAST_DIGITS && length <= DIGEST_HEX;

	for (char *c = prefix; *c; c++)
	{
		valid = valid && hex_digit(*c) >= 0;
		*c = pg_ascii_tolower(*c);
	}
	if (!valid)
		ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
						errmsg("invalid input syntax for type %s: \"%s\"", "infer.model", input),
						errdetail("Behind \"@\" come %d to %d hexadecimal digits of the digest.",
								  LEAST_DIGITS, DIGEST_HEX)));
	return prefix;
}

static InferModel *
short_model(const char *name, const char *prefix)
{
	char  hex[DIGEST_HEX + 1];
	uint8 digest[IMAGE_DIGEST_BYTES];

	memset(hex, '0', DIGEST_HEX);
	memcpy(hex, prefix, SHOWN_DIGITS);
	hex[DIGEST_HEX] = '\0';
	(void) digest_from_hex(hex, digest);
	return infer_model_make(name, digest);
}

const InferModel *
infer_model_resolve(const InferModel *model)
{
	char hex[DIGEST_HEX + 1];

	for (int i = SHOWN_BYTES; i < IMAGE_DIGEST_BYTES; i++)
		if (model->digest[i] != 0)
			return model;
	digest_to_hex(model->digest, hex);
	hex[SHOWN_DIGITS] = '\0';
	return model_resolve(infer_model_name(model), hex, false);
}

PG_FUNCTION_INFO_V1(infer_model_in);
Datum
infer_model_in(PG_FUNCTION_ARGS)
{
	const char *input = PG_GETARG_CSTRING(0);
	const char *at = strchr(input, '@');
	char	   *name = at ? pnstrdup(input, at - input) : pstrdup(input);
	char	   *prefix = at ? check_digest_prefix(at + 1, input) : NULL;
	bool		may_be_short = prefix && strlen(prefix) == SHOWN_DIGITS && !check_function_bodies;
	InferModel *model;

	check_model_name(name, ERRCODE_INVALID_TEXT_REPRESENTATION);
	model = model_resolve(name, prefix, may_be_short);
	PG_RETURN_POINTER(model ? model : short_model(name, prefix));
}

PG_FUNCTION_INFO_V1(infer_model_out);
Datum
infer_model_out(PG_FUNCTION_ARGS)
{
	InferModel *model = GETARG_MODEL(0);
	char		hex[DIGEST_HEX + 1];

	digest_to_hex(model->digest, hex);
	PG_RETURN_CSTRING(
		psprintf("%.*s@%.*s", (int) name_length(model), model->name, SHOWN_DIGITS, hex));
}

/* Binary form: the whole digest, then the name; nothing is looked up. */
PG_FUNCTION_INFO_V1(infer_model_recv);
Datum
infer_model_recv(PG_FUNCTION_ARGS)
{
	StringInfo buffer = (StringInfo) PG_GETARG_POINTER(0);
	uint8	   digest[IMAGE_DIGEST_BYTES];
	char	  *name;
	int		   length;

	pq_copymsgbytes(buffer, (char *) digest, IMAGE_DIGEST_BYTES);
	name = pq_getmsgtext(buffer, buffer->len - buffer->cursor, &length);
	check_model_name(name, ERRCODE_INVALID_BINARY_REPRESENTATION);
	PG_RETURN_POINTER(infer_model_make(name, digest));
}

PG_FUNCTION_INFO_V1(infer_model_send);
Datum
infer_model_send(PG_FUNCTION_ARGS)
{
	InferModel	  *model = GETARG_MODEL(0);
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	pq_sendbytes(&buffer, (const char *) model->digest, IMAGE_DIGEST_BYTES);
	pq_sendtext(&buffer, model->name, name_length(model));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

/* By name, then by the digits of the text form. */
static int
compare(FunctionCallInfo fcinfo)
{
	InferModel *a = GETARG_MODEL(0), *b = GETARG_MODEL(1);
	size_t		a_length = name_length(a), b_length = name_length(b);
	int			order = memcmp(a->name, b->name, Min(a_length, b_length));

	if (order == 0 && a_length != b_length)
		order = a_length < b_length ? -1 : 1;
	if (order == 0)
		order = memcmp(a->digest, b->digest, SHOWN_BYTES);
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return order < 0 ? -1 : order > 0;
}

PG_FUNCTION_INFO_V1(infer_model_cmp);
Datum
infer_model_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(fcinfo));
}

PG_FUNCTION_INFO_V1(infer_model_eq);
Datum
infer_model_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) == 0);
}

PG_FUNCTION_INFO_V1(infer_model_ne);
Datum
infer_model_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) != 0);
}

PG_FUNCTION_INFO_V1(infer_model_lt);
Datum
infer_model_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) < 0);
}

PG_FUNCTION_INFO_V1(infer_model_le);
Datum
infer_model_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) <= 0);
}

PG_FUNCTION_INFO_V1(infer_model_gt);
Datum
infer_model_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) > 0);
}

PG_FUNCTION_INFO_V1(infer_model_ge);
Datum
infer_model_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) >= 0);
}

PG_FUNCTION_INFO_V1(infer_model_hash);
Datum
infer_model_hash(PG_FUNCTION_ARGS)
{
	InferModel *model = GETARG_MODEL(0);
	uint32		name = hash_bytes((unsigned char *) model->name, name_length(model));

	PG_RETURN_UINT32(hash_combine(name, hash_bytes(model->digest, SHOWN_BYTES)));
}

PG_FUNCTION_INFO_V1(infer_model_hash_extended);
Datum
infer_model_hash_extended(PG_FUNCTION_ARGS)
{
	InferModel *model = GETARG_MODEL(0);
	uint64		seed = PG_GETARG_INT64(1);
	uint64		name = hash_bytes_extended((unsigned char *) model->name, name_length(model), seed);

	PG_RETURN_UINT64(hash_combine64(name, hash_bytes_extended(model->digest, SHOWN_BYTES, seed)));
}
