/*
 * error.h: how the core says what went wrong.
 *
 * A function that can fail returns bool (or NULL) and fills the caller's Error.  The glue in src/pg
 * turns an Error into ereport() in one place; the command prints it.  Texts follow PostgreSQL's style:
 * lower case, both values named, no trailing period in the message, full sentences in detail and hint.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>

typedef enum ErrorCode
{
	ERR_NONE,
	ERR_ARGUMENT,	 /* a caller's value is out of its range */
	ERR_DATA,		 /* malformed input: file, text, array */
	ERR_LIMIT,		 /* more than the model or a cap allows */
	ERR_NOT_FOUND,	 /* a file, tensor, model or key is not there */
	ERR_UNSUPPORTED, /* understood, but not something that is implemented */
	ERR_PERMISSION,	 /* not allowed to */
	ERR_IO,			 /* the operating system said no */
	ERR_MEMORY,		 /* out of memory, or a memory cap was met */
	ERR_CORRUPT,	 /* a checksum or an invariant of one of our own files does not hold */
	ERR_CANCELLED	 /* the caller asked to stop */
} ErrorCode;

typedef struct Error
{
	ErrorCode code;
	char	  message[512];
	char	  detail[512]; /* "" when there is none */
	char	  hint[256];   /* "" when there is none */
} Error;

/* Sets code and message (detail and hint become empty).  Always returns false, so: return error_set(...). */
extern bool error_set(Error *error, ErrorCode code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Add to an error that is already set.  Return false, like error_set. */
extern bool error_detail(Error *error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
extern bool error_hint(Error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As error_set with ": <strerror(errno)>" behind the message; ENOENT becomes ERR_NOT_FOUND, EACCES and
 * EPERM ERR_PERMISSION, ENOMEM ERR_MEMORY, anything else ERR_IO. */
extern bool error_errno(Error *error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* "argument", "data", ... for an ErrorCode and back; an unknown name is ERR_IO.  How the command tells the server
 * what went wrong. */
extern const char *error_code_name(ErrorCode code);
extern ErrorCode   error_code_from_name(const char *name);

#endif
