/* SPDX-License-Identifier: ISC */
/*
 * Whether a profile works on this host: reads it, and starts its tool as a session would, with no client. Run by
 * `subuid doctor`, as nobody, in an empty directory of root's. It is up to a program how it ends; that it
 * starts at all, confined as the profile says, is what an administrator wants to know.
 */
#include "backup/tool_try.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backup/tool_command.h"
#include "backup/tool_confine.h"
#include "backup/tool_environment.h"
#include "backup/tool_load.h"
#include "confine/limits.h"

#define MEMORY (UINT64_C(1) << 30)
#define SECONDS 5 /* for a program that does not end without a client */

/* To doctor; closed by exec. */
static int wrong(const char *what, const char *why)
{
	dprintf(TOOL_TRY_FD, "%s: %s\n", what, why);
	return TOOL_TRY_WRONG;
}

static int fault(const struct tool *tool, int error)
{
	char what[sizeof(tool->path) + 256];

	if (error == -EPERM)
		return wrong(tool->path, "users other than root could write it");
	if (error != -EINVAL)
		return wrong(tool->path, strerror(-error));
	if (tool->fault.word != NULL)
		snprintf(what, sizeof(what), "%s: %.200s", tool->path, tool->fault.word);
	else
		snprintf(what, sizeof(what), "%s: line %u", tool->path, tool->fault.line);
	return wrong(what, tool->fault.why);
}

/* Returns only if nothing was started. */
static int start(const struct tool *tool, enum tool_form form, const struct tool_values *values)
{
	struct text_list argv = { 0 }, environment = { 0 };
	struct gate_refusal refusal = { 0 };
	const char *step = "memory";
	int error = 0, r = tool_command_build(&tool->profile, form, values, &argv, &refusal);

	if (r == 0)
		r = tool_environment(&tool->profile, form, values, &environment);
	if (r < 0)
		return wrong(tool->path, r == -EPERM  ? refusal.why :
					 r == -EINVAL ? "braces that mean nothing" :
							strerror(-r));
	r = limits_confine(&(const struct limits){ .memory = MEMORY });
	if (r == 0)
		r = tool_enter(values->home, &tool->profile, form, &step, &error);
	if (r >= 0)
		r = tool_confine(&tool->profile, form, 0, &step);
	if (r < 0)
		return wrong(step, strerror(-r));
	execve(argv.items[0], argv.items, environment.items);
	return wrong(argv.items[0], errno == EACCES || errno == ENOENT ?
					    "it does not start: what it needs is not among execute and read" :
					    strerror(errno));
}

/* A program may ignore every signal but one, and leave children behind. */
static void end(pid_t pid)
{
	struct pollfd ended = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };

	poll(&ended, 1, SECONDS * 1000);
	kill(-pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	if (ended.fd >= 0)
		close(ended.fd);
}

static int try_form(const struct tool *tool, enum tool_form form, const struct tool_values *values)
{
	pid_t pid = fork();
	int null;

	if (pid < 0)
		return wrong("fork", strerror(errno));
	setpgid(pid, pid); /* of both, whoever comes first */
	if (pid == 0) {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
			_exit(TOOL_TRY_WRONG);
		_exit(start(tool, form, values));
	}
	end(pid);
	return TOOL_TRY_STARTS;
}

int tool_try(const char *name, const char *home)
{
	static struct tool tool;
	const struct tool_values values = { .home = home };
	int r = tool_load(name, strlen(name), &tool);

	if (fcntl(TOOL_TRY_FD, F_SETFD, FD_CLOEXEC) < 0)
		return TOOL_TRY_WRONG;
	if (r < 0)
		return fault(&tool, r);
	for (int form = 0; form < TOOL_FORMS; form++)
		if (tool.profile.form[form].present && access(tool.profile.form[form].run.words[0], F_OK) != 0)
			return TOOL_TRY_ABSENT;
	r = TOOL_TRY_STARTS;
	for (int form = 0; r == TOOL_TRY_STARTS && form < TOOL_FORMS; form++)
		if (tool.profile.form[form].present)
			r = try_form(&tool, (enum tool_form)form, &values);
	return r;
}
