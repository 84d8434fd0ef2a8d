/* SPDX-License-Identifier: ISC */
/*
 * subuid-tool: what an ssh key may do with backup tools other than rsync, as profiles say it. Run by the login
 * shell of a sub-account, with the uid of the account and no privilege. The client's own command is in
 * SSH_ORIGINAL_COMMAND; it says which tool and which place below the home, and no more.
 *
 * The order: our own arguments; profiles; the client's words, which are only compared; then nothing exists but the
 * home and what the tool needs; then the tool.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "account/role.h"
#include "backup/refuse.h"
#include "backup/tool_command.h"
#include "backup/tool_confine.h"
#include "backup/tool_load.h"
#include "confine/harden.h"
#include "confine/limits.h"

#define PROGRAM "subuid" /* as the client sees it */
#define MEMORY_LEAST (UINT64_C(1) << 30) /* the run time of Go sets aside that much and uses little */

struct order {
	enum tool_form form;
	struct tool_values values;
	const char *tools;
	uint64_t memory; /* bytes, of each process */
};

/* Faults that the administrator has to fix go to the log; the client's user learns which file it is. */
static int refuse_profile(const struct tool *tool, int error)
{
	char why[REFUSAL_TEXT_MAX + 1];

	if (error == -EINVAL)
		snprintf(why, sizeof(why), "line %u: %s; ask the administrator of this host", tool->fault.line,
			 tool->fault.why);
	else
		snprintf(why, sizeof(why), "%s; ask the administrator of this host",
			 error == -EPERM ? "others than root could write it" : strerror(-error));
	return refuse(PROGRAM, tool->path, why, EXIT_UNCONFINED);
}

static bool number_parse(const char *argument, const char *name, uint64_t *number)
{
	const char *digits = argument + strlen(name);
	char *end;

	if (strncmp(argument, name, strlen(name)) != 0 || *digits < '0' || *digits > '9')
		return false;
	errno = 0;
	*number = strtoull(digits, &end, 10);
	return errno == 0 && *end == '\0';
}

static bool memory_parse(const char *argument, uint64_t *memory)
{
	uint64_t mib;

	if (!number_parse(argument, "-memory=", &mib) || mib > UINT32_MAX)
		return false;
	*memory = mib << 20 < MEMORY_LEAST ? MEMORY_LEAST : mib << 20;
	return true;
}

/* [-append-only|-read-only] [-quota=BYTES] [-memory=MIB] -- TOOLS HOME, from the login shell. */
static int order_parse(char **argv, struct order *order)
{
	for (argv++; *argv != NULL && strcmp(*argv, "--") != 0; argv++) {
		if (strcmp(*argv, "-append-only") == 0 && order->form == TOOL_READ_WRITE)
			order->form = TOOL_APPEND_ONLY;
		else if (strcmp(*argv, "-read-only") == 0 && order->form == TOOL_READ_WRITE)
			order->form = TOOL_READ_ONLY;
		else if (!number_parse(*argv, "-quota=", &order->values.quota) && !memory_parse(*argv, &order->memory))
			return -EINVAL;
	}
	if (*argv == NULL || argv[1] == NULL || argv[2] == NULL || argv[3] != NULL)
		return -EINVAL;
	order->tools = argv[1];
	order->values.home = argv[2];
	return tools_valid(order->tools) && order->tools[0] != '\0' && order->values.home[0] == '/' ? 0 : -EINVAL;
}

/* The first of the key's tools that the command is for. 0, or the exit status. */
static int choose(const struct order *order, const struct command_line *line, struct tool *tool, const char **path)
{
	struct gate_refusal refusal = { 0 };
	char why[REFUSAL_TEXT_MAX + 1];
	const char *next = order->tools, *name;
	size_t length;

	while ((length = tools_next(&next, &name)) > 0) {
		int r = tool_load(name, length, tool);

		if (r < 0)
			return refuse_profile(tool, r);
		r = tool_command_match(&tool->profile, line, path, &refusal);
		if (r < 0)
			return refuse(PROGRAM, refusal.what, refusal.why, EXIT_REFUSED);
		if (r == 1)
			return 0;
	}
	snprintf(why, sizeof(why), "this key is not for it, but for %s", order->tools);
	return refuse(PROGRAM, line->count > 0 ? line->words[0].text : "no command", why, EXIT_REFUSED);
}

/* HOME is a path that does not exist: the client could write whatever a tool reads there. */
static int environment_build(const struct tool_profile *profile, const struct tool_values *values,
			     struct text_list *environment)
{
	const char *user = getenv("USER");
	int r = text_list_add(environment, "PATH=/usr/bin:/bin");

	if (r == 0)
		r = text_list_add(environment, "HOME=/nonexistent");
	if (r == 0)
		r = text_list_add(environment, "LANG=C.UTF-8");
	if (r == 0 && user != NULL)
		r = text_list_format(environment, "USER=%s", user);
	for (size_t i = 0; r == 0 && i < profile->environment.count; i++)
		r = tool_word_fill(profile->environment.words[i], values, environment);
	return r;
}

static int enter(const struct order *order, const struct tool *tool)
{
	const char *step = "directory";
	int error = 0, r = tool_enter(order->values.home, &tool->profile, order->form, &step, &error);

	if (r < 0)
		return refuse_unconfined(PROGRAM, step, r);
	if (r == 1)
		syslog(LOG_NOTICE, "uid %u: no private root on this host (%s: %s): the tool can see names outside %s",
		       (unsigned)getuid(), step, strerror(-error), order->values.home);
	r = tool_confine(&tool->profile, order->form, &step);
	return r < 0 ? refuse_unconfined(PROGRAM, step, r) : 0;
}

static int serve(struct order *order, const struct command_line *line)
{
	static struct tool tool;
	struct text_list argv = { 0 }, environment = { 0 };
	struct gate_refusal refusal = { 0 };
	int r = choose(order, line, &tool, &order->values.path);

	if (r != 0)
		return r;
	r = tool_command_build(&tool.profile, order->form, &order->values, &argv, &refusal);
	if (r == -EPERM)
		return refuse(PROGRAM, refusal.what, refusal.why, EXIT_REFUSED);
	if (r == 0)
		r = environment_build(&tool.profile, &order->values, &environment);
	if (r < 0)
		return refuse(PROGRAM, tool.path, r == -EINVAL ? "braces that mean nothing" : strerror(-r),
			      EXIT_UNCONFINED);
	r = enter(order, &tool);
	if (r != 0)
		return r;
	execve(argv.items[0], argv.items, environment.items);
	return refuse(PROGRAM, argv.items[0], errno == ENOENT ? "not installed on this host" : strerror(errno),
		      EXIT_REFUSED);
}

int main(int argc, char **argv)
{
	const char *command = getenv("SSH_ORIGINAL_COMMAND");
	struct command_line line = { 0 };
	struct order order = { .form = TOOL_READ_WRITE, .memory = MEMORY_LEAST };
	int r;

	refuse_without_log();
	if (argc < 4 || order_parse(argv, &order) < 0 || getuid() == 0)
		return refuse(PROGRAM, "tool", "the login shell of sub-accounts runs it", 2);
	if (command == NULL)
		return refuse(PROGRAM, "no command", "this key runs backup tools only", EXIT_REFUSED);
	if (strcmp(command, "true") == 0) /* "is the host there?", asked by backup programs */
		return EXIT_SUCCESS;
	r = descriptors_first_only(3);
	if (r < 0)
		return refuse_unconfined(PROGRAM, "descriptors", r);
	openlog("subuid-tool", LOG_PID | LOG_NDELAY, LOG_AUTH); /* now: its socket is nowhere later */
	r = limits_confine(order.memory);
	if (r < 0)
		return refuse_unconfined(PROGRAM, "limits", r);
	r = command_line_split(command, &line);
	if (r < 0)
		return refuse(PROGRAM, "command", r == -EINVAL ? "a quote is not closed" : strerror(-r), EXIT_REFUSED);
	return serve(&order, &line);
}
