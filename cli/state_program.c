/* SPDX-License-Identifier: ISC */
/* Running the state program (root's, or verifying a file: anybody's). */
#include "cli/state_program.h"

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/subuid.h"

#define PROGRAM LIBEXECDIR "/state"
#define WORDS_MAX 16

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return STATUS_FAILED;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	complain("state", "was ended by a signal", "run it again: it leaves the old state or the new one whole");
	return STATUS_FAILED;
}

int state_program_run(const char *const words[])
{
	const char *argv[WORDS_MAX + 3] = {"state"};
	char *copy[WORDS_MAX + 3] = {NULL};
	size_t count = 1;
	pid_t pid;
	int error;

	for (; *words != NULL && count < WORDS_MAX; words++) {
		argv[count++] = *words;
		if (count == 2 && common.json)
			argv[count++] = "--json";
	}
	memcpy(copy, argv, count * sizeof(*copy)); /* posix_spawn does not change them, and says so nowhere */
	error = posix_spawn(&pid, PROGRAM, NULL, NULL, copy, environ);
	if (error == 0)
		return wait_for(pid);
	complain(PROGRAM, error == ENOENT ? "it is not installed" : strerrordesc_np(error),
		 "install all of subuidd: the package, or `make install`");
	return STATUS_UNREACHABLE;
}
