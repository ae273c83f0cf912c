/*
 * report.c: the core's Error becomes ereport() here and nowhere else.
 */
#include "pg/pg_infer.h"

#include "mb/pg_wchar.h"

#include "base/utf8.h"

int
error_sqlstate(ErrorCode code)
{
	switch (code)
	{
		case ERR_NONE:
			break;
		case ERR_ARGUMENT:
			return ERRCODE_INVALID_PARAMETER_VALUE;
		case ERR_DATA:
			return ERRCODE_DATA_EXCEPTION;
		case ERR_LIMIT:
			return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		case ERR_NOT_FOUND:
			return ERRCODE_UNDEFINED_FILE;
		case ERR_UNSUPPORTED:
			return ERRCODE_FEATURE_NOT_SUPPORTED;
		case ERR_PERMISSION:
			return ERRCODE_INSUFFICIENT_PRIVILEGE;
		case ERR_IO:
			return ERRCODE_IO_ERROR;
		case ERR_MEMORY:
			return ERRCODE_OUT_OF_MEMORY;
		case ERR_CORRUPT:
			return ERRCODE_DATA_CORRUPTED;
		case ERR_CANCELLED:
			return ERRCODE_QUERY_CANCELED;
	}
	return ERRCODE_INTERNAL_ERROR;
}

/* The core's messages are UTF-8 that may be cut within a character.  Where the database has another encoding, what is not
 * ASCII becomes a question mark: an error must not end in one about its own text. */
static const char *
server_message(const char *message)
{
	size_t length = strlen(message);
	char  *out = palloc(length + 1), *end = out;

	for (size_t at = 0; at < length;)
	{
		size_t	 begin = at;
		uint32_t character = utf8_next(message, length, &at);

		if (character == 0xFFFD && at - begin == 1)
			continue;
		if (character >= 0x80 && GetDatabaseEncoding() != PG_UTF8)
			*end++ = '?';
		else
		{
			memcpy(end, message + begin, at - begin);
			end += at - begin;
		}
	}
	*end = '\0';
	return out;
}

void
report_error(const Error *error, const char *model)
{
	ereport(ERROR, errcode(error_sqlstate(error->code)),
			model ? errmsg_internal("model \"%s\": %s", model, server_message(error->message))
				  : errmsg_internal("%s", server_message(error->message)),
			error->detail[0] ? errdetail_internal("%s", server_message(error->detail)) : 0,
			error->hint[0] ? errhint("%s", server_message(error->hint)) : 0);
	pg_unreachable();
}

void
require_preload(void)
{
	if (!infer_preloaded)
		ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("pg_infer must be loaded via shared_preload_libraries"),
				errhint("Add pg_infer to shared_preload_libraries and restart the server."));
}
