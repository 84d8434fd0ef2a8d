/* SPDX-License-Identifier: ISC */
/* Running programs of ours: state (root's, or verifying a file: anybody's), setup and doctor (root's). */
#include "cli/own_program.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/subuid.h"

#define WORDS_MAX 32

struct program {
	char path[sizeof(LIBEXECDIR) + 32];
	char *argv[WORDS_MAX + 5];
};

/* exec and posix_spawn do not change the words, although their types do not say so. */
static char *word(const char *text)
{
	char *copy;

	memcpy(&copy, &text, sizeof(copy));
	return copy;
}

static void program_words(const char *name, const char *const words[], struct program *program)
{
	size_t count = 0;

	*program = (struct program){ .path = "" };
	snprintf(program->path, sizeof(program->path), "%s/%s", LIBEXECDIR, name);
	program->argv[count++] = word(name);
	for (; *words != NULL && count < WORDS_MAX; words++) {
		program->argv[count++] = word(*words);
		if (count == 2 && common.json)
			program->argv[count++] = word("--json");
	}
}

static int wait_for(const char *name, pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return STATUS_FAILED;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	complain(name, "was ended by a signal", "run it again: either the old state or the new one is whole");
	return STATUS_FAILED;
}

static int not_started(const struct program *program, int error)
{
	complain(program->path, error == ENOENT ? "it is not installed" : strerrordesc_np(error),
		 "install all of subuidd: the package, or `make install`");
	return STATUS_UNREACHABLE;
}

int own_program_run(const char *name, const char *const words[])
{
	struct program program;
	pid_t pid;
	int error;

	program_words(name, words, &program);
	error = posix_spawn(&pid, program.path, NULL, NULL, program.argv, environ);
	return error == 0 ? wait_for(name, pid) : not_started(&program, error);
}

int own_program_become(const char *name, const char *const words[])
{
	struct program program;

	program_words(name, words, &program);
	fflush(stdout);
	execv(program.path, program.argv);
	return not_started(&program, errno);
}
