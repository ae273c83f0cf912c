/*
 * compat.h: where PostgreSQL 15 to 18 differ for this extension.
 */
#ifndef COMPAT_H
#define COMPAT_H

#include "postgres.h"

#include "utils/wait_event.h"

/* A wait event of our own, where the server lets an extension name one. */
static inline uint32
compat_wait_event(const char *name)
{
#if PG_VERSION_NUM >= 170000
	return WaitEventExtensionNew(name);
#else
	return PG_WAIT_EXTENSION;
#endif
}

#endif
