/*
 * import.c: runs the command pg_infer import as a child process, and reads its answer.
 *
 * A malformed checkpoint can end that process, never this one.  It gets no shell, no environment, no open file
 * but its three streams, and limits on memory, file size and core dumps; it dies with the backend.  What it
 * prints is data: standard output a JSON object, standard error a text for people, both cut at a bound.
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catalog/pg_authid.h"
#include "commands/defrem.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "pg/compat.h"
#include "pg/pg_infer.h"

#define MOST_OUTPUT (256 * 1024)
#define READ_AT_ONCE 8192
#define MOST_ARGUMENT                                                                              \
	(128 * 1024) /* bytes of one argument that Linux passes on, its NUL included */

/* The child's bound on memory and on the file: a checkpoint, its tensors widened and packed, and room to work. */
#define LEAST_MEMORY ((rlim_t) 4 << 30)
#define MEMORY_FACTOR 8

/* ---- which directory ---- */

static bool
leaves_directory(const char *path)
{
	for (const char *part = path; part; part = strchr(part, '/'))
	{
		part += strspn(part, "/");
		if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
			return true;
	}
	return false;
}

static char *
resolve_path(const char *path)
{
	char resolved[PATH_MAX];

	if (realpath(path, resolved) == NULL)
		ereport(ERROR,
				(errcode_for_file_access(), errmsg("could not open directory \"%s\": %m", path)));
	return pstrdup(resolved);
}

char *
import_directory(const char *path)
{
	struct stat status;
	char	   *directory;

	if (is_absolute_path(path))
	{
		if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied to read \"%s\"", path),
					 errdetail("Only roles with privileges of pg_read_server_files may name an "
							   "absolute path."),
					 errhint("A relative path is looked up below pg_infer.model_directory.")));
		directory = resolve_path(path);
	}
	else
	{
		char  *root;
		size_t length;

		if (infer_model_directory == NULL || infer_model_directory[0] == '\0')
			ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
							errmsg("a relative path needs pg_infer.model_directory to be set"),
							errhint("Ask an administrator to set it, or give an absolute path.")));
		root = resolve_path(infer_model_directory);
		length = strlen(root);
		directory = leaves_directory(path) ? NULL : resolve_path(psprintf("%s/%s", root, path));
		if (directory == NULL || strncmp(directory, root, length) != 0 ||
			(directory[length] != '/' && directory[length] != '\0'))
			ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
							errmsg("path \"%s\" leaves pg_infer.model_directory", path)));
	}
	if (stat(directory, &status) != 0)
		ereport(ERROR,
				(errcode_for_file_access(), errmsg("could not open directory \"%s\": %m", path)));
	if (!S_ISDIR(status.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a directory", path),
				 errhint("A model is a directory with config.json, weights and tokenizer files, as "
						 "Hugging Face has them.")));
	return directory;
}

/* The bytes of a directory's files, those of its folders included. */
static uint64
directory_size(const char *directory, int depth)
{
	DIR			  *dir = AllocateDir(directory);
	struct dirent *entry;
	uint64		   size = 0;

	while ((entry = ReadDir(dir, directory)) != NULL)
	{
		char	   *path = psprintf("%s/%s", directory, entry->d_name);
		struct stat status;

		if (entry->d_name[0] != '.' && stat(path, &status) == 0)
		{
			if (S_ISREG(status.st_mode))
				size += status.st_size;
			else if (S_ISDIR(status.st_mode) && depth > 0)
				size += directory_size(path, depth - 1);
		}
		pfree(path);
	}
	FreeDir(dir);
	return size;
}

/* ---- the child ---- */

typedef struct Child
{
	pid_t		   pid;		   /* 0: none any more */
	int			   streams[2]; /* our ends of its standard output and error; -1: closed */
	WaitEventSet  *set;		   /* NULL: none */
	const char	  *output;	   /* the file it writes */
	StringInfoData texts[2];
} Child;

/* Ends the child if it still runs; for errors, and for the exit of this process. */
static void
end_child(int code, Datum argument)
{
	Child *child = (Child *) DatumGetPointer(argument);

	if (child->pid > 0)
	{
		kill(child->pid, SIGKILL);
		kill(-child->pid, SIGKILL);
		while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
			;
		child->pid = 0;
		store_remove_temporary(child->output);
	}
	for (int i = 0; i < 2; i++)
		if (child->streams[i] >= 0)
			close(child->streams[i]);
	child->streams[0] = child->streams[1] = -1;
	if (child->set)
		FreeWaitEventSet(child->set);
	child->set = NULL;
}

/* What the child does between fork and exec: calls that are safe there, and nothing else. */
static void
become_command(const char *command, char *const *arguments, int null, int output, int error,
			   rlim_t bytes, pid_t parent, int open_max)
{
	static char *const environment[] = {"LC_ALL=C", NULL};
	struct rlimit	   none = {0, 0}, memory = {bytes, bytes};
	struct sigaction   standard = {.sa_handler = SIG_DFL};
	sigset_t		   all;

	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	for (int i = 1; i < NSIG; i++)
		sigaction(i, &standard, NULL);
	sigemptyset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(error, 2) < 0)
		_exit(127);
#ifdef SYS_close_range
	if (syscall(SYS_close_range, 3U, ~0U, 0U) != 0)
#endif
		for (int i = 3; i < open_max; i++)
			close(i);
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_AS, &memory);
	setrlimit(RLIMIT_FSIZE, &memory);
	execve(command, arguments, environment);
	_exit(127);
}

/* The command lies beside postgres. */
static char *
command_path(void)
{
	char *directory = pstrdup(my_exec_path);

	get_parent_directory(directory);
	return psprintf("%s/pg_infer", directory);
}

static void
start_child(Child *child, const char *command, char *const *arguments, rlim_t bytes)
{
	int		 pipes[2][2], null, open_max = sysconf(_SC_OPEN_MAX);
	pid_t	 parent = getpid();
	sigset_t everything, before;

	if (access(command, X_OK) != 0)
		ereport(ERROR,
				(errcode_for_file_access(), errmsg("could not execute command \"%s\": %m", command),
				 errhint("It is installed together with the extension's library.")));
	null = open("/dev/null", O_RDONLY);
	if (null < 0 || pipe(pipes[0]) != 0)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not create pipe: %m")));
	child->streams[0] = pipes[0][0];
	if (pipe(pipes[1]) != 0)
	{
		close(null);
		close(pipes[0][1]);
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not create pipe: %m")));
	}
	child->streams[1] = pipes[1][0];

	sigfillset(&everything);
	sigprocmask(SIG_SETMASK, &everything, &before);
	child->pid = fork();
	if (child->pid == 0)
		become_command(command, arguments, null, pipes[0][1], pipes[1][1], bytes, parent, open_max);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(null);
	close(pipes[0][1]);
	close(pipes[1][1]);
	if (child->pid < 0)
		ereport(ERROR, (errcode(ERRCODE_SYSTEM_ERROR), errmsg("could not fork: %m")));
	for (int i = 0; i < 2; i++)
		if (fcntl(child->streams[i], F_SETFL, O_NONBLOCK) != 0)
			ereport(ERROR,
					(errcode_for_file_access(), errmsg("could not set a pipe non-blocking: %m")));
}

/* Reads what a stream has, and closes it at its end.  What goes beyond the bound is dropped. */
static void
read_stream(Child *child, int stream)
{
	char	buffer[READ_AT_ONCE];
	ssize_t n = read(child->streams[stream], buffer, sizeof buffer);

	if (n > 0)
	{
		StringInfo text = &child->texts[stream];

		appendBinaryStringInfo(text, buffer, Min(n, MOST_OUTPUT - text->len));
	}
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
	{
		close(child->streams[stream]);
		child->streams[stream] = -1;
	}
}

static void
wait_for_streams(Child *child)
{
	while (child->streams[0] >= 0 || child->streams[1] >= 0)
	{
		WaitEvent events[4];
		int		  n;

		child->set = compat_wait_event_set(lengthof(events));
		AddWaitEventToSet(child->set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
		AddWaitEventToSet(child->set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
		for (int i = 0; i < 2; i++)
			if (child->streams[i] >= 0)
				AddWaitEventToSet(child->set, WL_SOCKET_READABLE, child->streams[i], NULL, NULL);
		n = WaitEventSetWait(child->set, -1, events, lengthof(events), PG_WAIT_EXTENSION);
		FreeWaitEventSet(child->set);
		child->set = NULL;
		for (int i = 0; i < n; i++)
		{
			if (events[i].events & WL_LATCH_SET)
				ResetLatch(MyLatch);
			else if (events[i].events & WL_SOCKET_READABLE)
				read_stream(child, events[i].fd == child->streams[0] ? 0 : 1);
		}
		CHECK_FOR_INTERRUPTS();
	}
}

/* The child's exit status; its streams are closed, so it is about to end. */
static int
wait_for_exit(Child *child)
{
	for (;;)
	{
		int	  status;
		pid_t ended = waitpid(child->pid, &status, WNOHANG);

		if (ended == child->pid)
		{
			child->pid = 0;
			return status;
		}
		if (ended < 0 && errno != EINTR)
			ereport(ERROR, (errcode(ERRCODE_SYSTEM_ERROR), errmsg("waitpid failed: %m")));
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 5,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* ---- the answer ---- */

/* A string of an object, in the server's encoding; NULL where there is none. */
static char *
object_string(JsonbContainer *object, const char *key)
{
	JsonbValue *value = getKeyJsonValueFromContainer(object, key, strlen(key), NULL);

	if (value == NULL || value->type != jbvString || value->val.string.len == 0)
		return NULL;
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* What the command printed, in the server's encoding whatever it was. */
static char *
printed(StringInfo text)
{
	for (int i = 0; i < text->len; i++)
		if (text->data[i] == '\0')
			text->data[i] = ' ';
	if (!pg_verify_mbstr(PG_UTF8, text->data, text->len, true))
		for (int i = 0; i < text->len; i++)
			if (IS_HIGHBIT_SET(text->data[i]))
				text->data[i] = '?';
	return pg_any_to_server(text->data, text->len, PG_UTF8);
}

/* Throws {"error": {"code", "message", "detail", "hint"}}. */
static void report_refusal(JsonbContainer *refusal) __attribute__((noreturn));

static void
report_refusal(JsonbContainer *refusal)
{
	const char *code = object_string(refusal, "code"), *message = object_string(refusal, "message");
	const char *detail = object_string(refusal, "detail"), *hint = object_string(refusal, "hint");
	Error		error = {.code = ERR_DATA};

	for (int i = ERR_NONE; i <= ERR_CANCELLED; i++)
		if (code && strcmp(error_code_name((ErrorCode) i), code) == 0)
			error.code = (ErrorCode) i;
	strlcpy(error.message, message ? message : "import failed", sizeof error.message);
	strlcpy(error.detail, detail ? detail : "", sizeof error.detail);
	strlcpy(error.hint, hint ? hint : "", sizeof error.hint);
	report_error(&error, NULL);
}

/* Throws for a command that ended without an answer. */
static void report_failure(Child *child, int status) __attribute__((noreturn));

static void
report_failure(Child *child, int status)
{
	char *words = printed(&child->texts[1]);

	ereport(ERROR, (errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
					errmsg("import failed: %s", wait_result_to_str(status)),
					*words ? errdetail_internal("%s", words) : 0));
}

/* Tells of tensors that the model leaves aside: what the checkpoint has is perhaps not what was wanted. */
static void
notice_unused(JsonbContainer *answer)
{
	JsonbValue	  *unused = getKeyJsonValueFromContainer(answer, "unused", 6, NULL);
	JsonbIterator *iterator;
	JsonbValue	   name;
	StringInfoData names;

	if (unused == NULL || unused->type != jbvBinary)
		return;
	initStringInfo(&names);
	iterator = JsonbIteratorInit(unused->val.binary.data);
	while (JsonbIteratorNext(&iterator, &name, true) != WJB_DONE)
		if (name.type == jbvString)
			appendStringInfo(&names, "%s%.*s", names.len ? ", " : "", name.val.string.len,
							 name.val.string.val);
	if (names.len > 0)
		ereport(NOTICE, (errmsg("%s does not use all tensors of the checkpoint",
								object_string(answer, "architecture")),
						 errdetail_internal("%s", names.data)));
}

static void
read_answer(Child *child, int status, uint8 *digest)
{
	char	   *text = printed(&child->texts[0]), *hex;
	Jsonb	   *answer;
	JsonbValue *refusal;

	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1 || *text != '{')
		report_failure(child, status);
	answer = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
	refusal = getKeyJsonValueFromContainer(&answer->root, "error", 5, NULL);
	if (refusal && refusal->type == jbvBinary)
		report_refusal(refusal->val.binary.data);
	hex = object_string(&answer->root, "digest");
	if (status != 0 || hex == NULL || !digest_from_hex(hex, digest))
		report_failure(child, status);
	notice_unused(&answer->root);
}

/* The command's arguments, ended by NULL; in UTF-8. */
static char **
command_arguments(const char *directory, const char *output, List *options)
{
	char	**arguments = palloc0(sizeof(char *) * (list_length(options) + 8));
	int		  n = 0;
	ListCell *cell;

	arguments[n++] = "pg_infer";
	arguments[n++] = "import";
	arguments[n++] = "--json";
	arguments[n++] = psprintf("--output=%s", output);
	foreach(cell, options)
	{
		DefElem *option = lfirst(cell);
		char	*json = model_option_json(option);

		if (json == NULL)
			continue;
		arguments[n] = psprintf("--option=%s=%s", option->defname,
								pg_server_to_any(json, strlen(json), PG_UTF8));
		if (strlen(arguments[n]) >= MOST_ARGUMENT)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("option \"%s\" is too long", option->defname),
							errdetail("It has %zu bytes, at most %d are allowed.",
									  strlen(arguments[n]), MOST_ARGUMENT - 1)));
		n++;
	}
	arguments[n++] = "--";
	arguments[n++] = pstrdup(directory);
	return arguments;
}

void
import_run(const char *directory, const char *output, List *options, uint8 *digest)
{
	char  *command = command_path();
	char **arguments = command_arguments(directory, output, options);
	rlim_t bytes = LEAST_MEMORY + MEMORY_FACTOR * directory_size(directory, 1);
	Child  child = {.streams = {-1, -1}, .output = output};
	int	   status = 0;

	initStringInfo(&child.texts[0]);
	initStringInfo(&child.texts[1]);
	PG_ENSURE_ERROR_CLEANUP(end_child, PointerGetDatum(&child));
	{
		start_child(&child, command, arguments, bytes);
		wait_for_streams(&child);
		status = wait_for_exit(&child);
	}
	PG_END_ENSURE_ERROR_CLEANUP(end_child, PointerGetDatum(&child));
	end_child(0, PointerGetDatum(&child));
	read_answer(&child, status, digest);
}
