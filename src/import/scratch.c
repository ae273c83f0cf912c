/*
 * scratch.c: a short list of file names that a signal handler may read.
 *
 * A slot is written before it is marked used, and only the main thread writes.
 */
#include "import/scratch.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define SLOTS 4
#define MAX_PATH 4096

static struct
{
	char		name[MAX_PATH];
	atomic_bool used;
} slots[SLOTS];

static void
remove_and_die(int signal_number)
{
	for (int i = 0; i < SLOTS; i++)
		if (atomic_load(&slots[i].used))
			unlink(slots[i].name);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

void
scratch_catch_signals(void)
{
	static const int deadly[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGPIPE, SIGBUS,
								 SIGSEGV, SIGABRT, SIGFPE,	SIGILL,	 SIGXCPU, SIGALRM};
	struct sigaction action = {.sa_handler = remove_and_die};

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++)
		sigaction(deadly[i], &action, NULL);
	signal(SIGXFSZ, SIG_IGN);
}

const char *
scratch_name(const char *stem, const char *suffix, Error *error)
{
	for (int i = 0; i < SLOTS; i++)
	{
		if (atomic_load(&slots[i].used))
			continue;
		if (snprintf(slots[i].name, MAX_PATH, "%s.%ld.%s", stem, (long) getpid(), suffix) >=
			MAX_PATH)
		{
			error_set(error, ERR_LIMIT, "the path \"%.200s\" is too long", stem);
			return NULL;
		}
		unlink(slots[i].name);
		atomic_store(&slots[i].used, true);
		return slots[i].name;
	}
	error_set(error, ERR_LIMIT, "more than %d scratch files are in use", SLOTS);
	return NULL;
}

void
scratch_keep(const char *name)
{
	for (int i = 0; i < SLOTS; i++)
		if (name == slots[i].name)
			atomic_store(&slots[i].used, false);
}

void
scratch_remove(const char *name)
{
	if (name == NULL)
		return;
	unlink(name);
	scratch_keep(name);
}
