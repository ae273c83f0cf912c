/*
 * error.c: filling an Error.
 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool
error_set(Error *error, ErrorCode code, const char *format, ...)
{
	va_list args;

	error->code = code;
	error->detail[0] = error->hint[0] = '\0';
	va_start(args, format);
	vsnprintf(error->message, sizeof error->message, format, args);
	va_end(args);
	return false;
}

bool
error_detail(Error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->detail, sizeof error->detail, format, args);
	va_end(args);
	return false;
}

bool
error_hint(Error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->hint, sizeof error->hint, format, args);
	va_end(args);
	return false;
}

bool
error_errno(Error *error, const char *format, ...)
{
	int		reason = errno;
	size_t	used;
	va_list args;

	switch (reason)
	{
		case ENOENT:
			error->code = ERR_NOT_FOUND;
			break;
		case EACCES:
		case EPERM:
			error->code = ERR_PERMISSION;
			break;
		case ENOMEM:
			error->code = ERR_MEMORY;
			break;
		default:
			error->code = ERR_IO;
	}
	error->detail[0] = error->hint[0] = '\0';
	va_start(args, format);
	vsnprintf(error->message, sizeof error->message, format, args);
	va_end(args);
	used = strlen(error->message);
	snprintf(error->message + used, sizeof error->message - used, ": %s", strerror(reason));
	return false;
}

static const char *const code_names[] = {
	[ERR_NONE] = "none",
	[ERR_ARGUMENT] = "argument",
	[ERR_DATA] = "data",
	[ERR_LIMIT] = "limit",
	[ERR_NOT_FOUND] = "not_found",
	[ERR_UNSUPPORTED] = "unsupported",
	[ERR_PERMISSION] = "permission",
	[ERR_IO] = "io",
	[ERR_MEMORY] = "memory",
	[ERR_CORRUPT] = "corrupt",
	[ERR_CANCELLED] = "cancelled",
};

const char *
error_code_name(ErrorCode code)
{
	return code_names[code];
}

ErrorCode
error_code_from_name(const char *name)
{
	for (int i = 0; i <= ERR_CANCELLED; i++)
		if (strcmp(code_names[i], name) == 0)
			return (ErrorCode) i;
	return ERR_IO;
}
