/* SPDX-License-Identifier: ISC */
/*
 * subuid-tool: what an ssh key may do with backup tools other than rsync, as profiles say it. Run by the login
 * shell of a sub-account, with the uid of the account and no privilege. The client's own command is in
 * SSH_ORIGINAL_COMMAND; it only says which tool, and which place below the home.
 *
 * The order: our own arguments; profiles; the client's words, which are only compared; the confinement, which leaves
 * only the home and what the tool needs; then the tool.
 */
#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "account/role.h"
#include "account/shell.h"
#include "backup/login_words.h"
#include "backup/probe.h"
#include "backup/refuse.h"
#include "backup/report.h"
#include "backup/shell.h"
#include "backup/tool_command.h"
#include "backup/tool_confine.h"
#include "account/snapshot.h"
#include "backup/tool_environment.h"
#include "backup/tool_load.h"
#include "backup/tool_try.h"
#include "confine/harden.h"
#include "confine/limits.h"

#define TEXT_MAX (2 * REFUSAL_TEXT_MAX + 2)
#define CHOSE_NONE (-1)
#define PROGRAM "subuid"                 /* as the client sees it */
#define MEMORY_LEAST (UINT64_C(1) << 30) /* Go's run time reserves this much and uses little of it */

struct order {
	enum tool_form form;
	struct tool_values values;
	const char *tools;
	const char *takes; /* all that the key allows, in words */
	struct limits limits;
	uint64_t key;             /* its number */
	struct shell_order shell; /* .shell NULL: the key has neither shell nor command */
};

/* Faults that the administrator has to fix go to the log; the client's user learns which file it is. */
static int refuse_profile(const struct tool *tool, int error)
{
	char why[REFUSAL_TEXT_MAX + 1];

	if (error == -EINVAL && tool->fault.word != NULL)
		snprintf(why, sizeof(why), "%s: %s; ask the administrator of this host", tool->fault.word,
			 tool->fault.why);
	else if (error == -EINVAL)
		snprintf(why, sizeof(why), "line %u: %s; ask the administrator of this host", tool->fault.line,
			 tool->fault.why);
	else
		snprintf(why, sizeof(why), "%s; ask the administrator of this host",
			 error == -EPERM ? "users other than root could write it" : strerror(-error));
	return refuse(PROGRAM, tool->path, why, EXIT_UNCONFINED);
}

/* In the way that the client shows to its user; once confined, and to other clients, by standard error. */
static int refuse_client(const char *text)
{
	const char *way = login_words_way(getenv("SSH_ORIGINAL_COMMAND"));
	char program[] = "refusal", form[8], copy[TEXT_MAX + 1];
	char *const argv[] = { program, form, copy, NULL }, *const environment[] = { NULL };

	if (way != NULL) {
		snprintf(form, sizeof(form), "%s", way);
		snprintf(copy, sizeof(copy), "%s", text);
		execve(LIBEXECDIR "/refusal", argv, environment);
	}
	refuse_text(PROGRAM, text);
	return EXIT_REFUSED;
}

static int refuse_request(const struct gate_refusal *refusal)
{
	char text[TEXT_MAX + 1];

	snprintf(text, sizeof(text), "%s: %s", refusal->what, refusal->why);
	return refuse_client(text);
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

/* Of the roles shell and command. */
static bool shell_option(const char *argument, struct shell_order *shell)
{
	const char *ports = argument + 5;

	if (strcmp(argument, "-tty") == 0)
		shell->tty = isatty(STDIN_FILENO) == 1;
	else if (strncmp(argument, "-shell=", 7) == 0)
		shell->shell = argument + 7;
	else if (strncmp(argument, "-line=", 6) == 0)
		shell->line = argument + 6;
	else if (strncmp(argument, "-net=", 5) == 0 && ports_valid(ports))
		for (size_t i = 0; i + 1 < SHELL_PORTS_MAX && *ports != '\0'; i++)
			shell->ports[i] = ports_next(&ports);
	else
		return false;
	return true;
}

/* -report [-append-only|-read-only] [-quota=BYTES] [-memory=MIB] [-processes=N …] [-shell=NAME [-tty] [-net=PORTS]
 * [-line=LINE]] -key=NUMBER -takes=WORDS -- TOOLS HOME, from the login shell. */
static int order_parse(char **argv, struct order *order)
{
	for (argv++; *argv != NULL && strcmp(*argv, "--") != 0; argv++) {
		if (strcmp(*argv, REPORT_OPTION) == 0)
			continue; /* it is always there */
		if (strcmp(*argv, "-append-only") == 0 && order->form == TOOL_READ_WRITE)
			order->form = TOOL_APPEND_ONLY;
		else if (strcmp(*argv, "-read-only") == 0 && order->form == TOOL_READ_WRITE)
			order->form = TOOL_READ_ONLY;
		else if (strncmp(*argv, "-takes=", 7) == 0)
			order->takes = *argv + 7;
		else if (!number_parse(*argv, "-quota=", &order->values.quota) &&
			 !number_parse(*argv, "-key=", &order->key) && !memory_parse(*argv, &order->limits.memory) &&
			 !limits_option(*argv, &order->limits) && !shell_option(*argv, &order->shell))
			return -EINVAL;
	}
	if (order->takes == NULL || *argv == NULL || argv[1] == NULL || argv[2] == NULL || argv[3] != NULL)
		return -EINVAL;
	order->tools = argv[1];
	order->values.home = argv[2];
	return tools_valid(order->tools) && order->tools[0] != '\0' && order->values.home[0] == '/' ? 0 : -EINVAL;
}

/* To the login shell, which records the run without it as well as it can. */
static void report(enum report_kind kind, const char *text)
{
	struct report said = { .kind = kind, .fd = -1 };

	snprintf(said.text, sizeof(said.text), "%s", text);
	report_send(REPORT_SOCKET, &said);
}

/* How it will be seen whether something was added. */
static void report_traces(const struct tool_profile *profile)
{
	if (profile->log.count > 0)
		report(REPORT_SFTP, "");
	if (profile->adds.count > 0)
		report(REPORT_ADDS, profile->adds.words[0]);
	if (profile->begins.count > 0)
		report(REPORT_BEGINS, profile->begins.words[0]);
	if (profile->tidies.count > 0)
		report(REPORT_TIDIES, profile->tidies.words[0]);
}

/* The command is for none of the key's tools; begun: it names the program of this one, but is not what its client
 * sends. */
static int refuse_other(const struct order *order, const struct command_line *line, const char *begun)
{
	struct login_command key = { .role = strncmp(order->takes, "rsync", 5) == 0 ? ROLE_SYNC : ROLE_NONE };
	char text[TEXT_MAX + 1], why[LOGIN_WORDS_MAX + 1];

	snprintf(key.tools, sizeof(key.tools), "%s", order->tools);
	login_words_why(&key, getenv("SSH_ORIGINAL_COMMAND"), why);
	if (begun[0] != '\0')
		snprintf(text, sizeof(text), "%.60s%s%.60s: not what the client of %s sends; this key takes %s",
			 line->words[0].text, line->count > 1 ? " " : "", line->count > 1 ? line->words[1].text : "",
			 begun, order->takes);
	else
		snprintf(text, sizeof(text), "%s; this key takes %s only", why, order->takes);
	report(REPORT_REFUSED, "");
	return refuse_client(text);
}

/* An isolated shell for the command, or for what comes; nothing that it does says anything of backups. */
static int serve_shell(struct order *order, const char *command)
{
	struct shell_order *shell = &order->shell;

	report(REPORT_TOOL, shell->line != NULL ? COMMAND_ROLE : SHELL_ROLE);
	report(REPORT_READS, "");
	shell->home = order->values.home;
	shell->user = getenv("USER");
	shell->read_only = order->form == TOOL_READ_ONLY;
	if (shell->user == NULL)
		return refuse(PROGRAM, "tool", "the login shell of sub-accounts runs it", 2);
	if (shell->line != NULL)
		shell->asked = command;
	else
		shell->line = command;
	return shell_run(shell);
}

/* None of the key's tools is meant: for its shell, unless the command is for a role that the key lacks. */
static int serve_other(struct order *order, const struct command_line *line, const char *begun)
{
	if (order->shell.shell == NULL || (line->count > 0 && shell_leaves_to_role(line->words[0].text)))
		return refuse_other(order, line, begun);
	return serve_shell(order, getenv("SSH_ORIGINAL_COMMAND"));
}

/* The first of the key's tools that the command is for. 0, the exit status of a refusal, or CHOSE_NONE: `begun` is the
 * one whose program it names, or "". */
static int choose(const struct order *order, const struct command_line *line, struct tool *tool, const char **path,
		  char begun[LABEL_MAX + 1])
{
	struct gate_refusal refusal = { 0 };
	const char *next = order->tools, *name;
	size_t length;

	begun[0] = '\0';
	while ((length = tools_next(&next, &name)) > 0) {
		int r;

		if (role_built_in(name, length))
			continue;
		r = tool_load(name, length, tool);
		if (r < 0)
			return refuse_profile(tool, r);
		r = tool_command_match(&tool->profile, line, path, &refusal);
		if (r < 0)
			return refuse_request(&refusal);
		if (r == 1) {
			if (isatty(STDERR_FILENO) == 1) /* its log is to be read by the login shell */
				return refuse(PROGRAM, line->words[0].text, "not on a terminal: ssh -T", EXIT_REFUSED);
			snprintf(begun, LABEL_MAX + 1, "%.*s", (int)length, name);
			report(REPORT_TOOL, begun);
			if (order->shell.shell != NULL) /* the login shell took it for the shell's */
				report(order->form == TOOL_READ_ONLY ? REPORT_READS : REPORT_WRITES, "");
			return 0;
		}
		if (tool_command_begins(&tool->profile, line))
			snprintf(begun, LABEL_MAX + 1, "%.*s", (int)length, name);
	}
	return CHOSE_NONE;
}

/* The history of the home is one more directory that the tool may read; clients find it in ".snapshots". */
static int show_snapshots(const struct order *order, struct tool_profile *profile, struct text_list *environment)
{
	static char path[PATH_MAX];
	int r;

	if (!profile->form[order->form].snapshots || profile->read.count == TOOL_WORDS_MAX)
		return 0;
	r = snapshots_beside(order->values.home, path, sizeof(path));
	if (r < 0)
		return r;
	profile->read.words[profile->read.count++] = path;
	return text_list_format(environment, SNAPSHOTS_VARIABLE "=%s", path);
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
	r = tool_confine(&tool->profile, order->form, (uint32_t)order->key, &step);
	return r < 0 ? refuse_unconfined(PROGRAM, step, r) : 0;
}

static int serve(struct order *order, const struct command_line *line)
{
	static struct tool tool;
	struct text_list argv = { 0 }, environment = { 0 };
	struct gate_refusal refusal = { 0 };
	char begun[LABEL_MAX + 1];
	int r = choose(order, line, &tool, &order->values.path, begun);

	if (r == CHOSE_NONE)
		return serve_other(order, line, begun);
	if (r != 0)
		return r;
	r = tool_command_build(&tool.profile, order->form, &order->values, &argv, &refusal);
	if (r == -EPERM)
		return refuse_request(&refusal);
	if (r == 0)
		r = tool_environment(&tool.profile, order->form, &order->values, &environment);
	if (r == 0)
		r = show_snapshots(order, &tool.profile, &environment);
	if (r < 0)
		return refuse(PROGRAM, tool.path, r == -EINVAL ? "braces that mean nothing" : strerror(-r),
			      EXIT_UNCONFINED);
	report_traces(&tool.profile);
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
	char answer[PROBE_ANSWER_MAX + 1];
	struct order order = { .form = TOOL_READ_WRITE, .limits.memory = MEMORY_LEAST };
	int r;

	refuse_without_log();
	if (argc == 4 && strcmp(argv[1], TOOL_TRY_OPTION) == 0 && getuid() != 0) /* of doctor's */
		return tool_try(argv[2], argv[3]);
	if (argc < 5 || order_parse(argv, &order) < 0 || getuid() == 0)
		return refuse(PROGRAM, "tool", "the login shell of sub-accounts runs it", 2);
	if (command == NULL && order.shell.shell == NULL)
		return refuse(PROGRAM, "no command", "this key runs backup tools only", EXIT_REFUSED);
	if (order.shell.shell == NULL && probe_answer(command, answer))
		return fputs(answer, stdout) < 0 ? EXIT_REFUSED : EXIT_SUCCESS;
	r = descriptors_first_only(REPORT_SOCKET + 1);
	if (r == 0 && fcntl(REPORT_SOCKET, F_SETFD, FD_CLOEXEC) < 0)
		r = -errno;
	if (r < 0)
		return refuse_unconfined(PROGRAM, "descriptors", r);
	openlog("subuid-tool", LOG_PID | LOG_NDELAY, LOG_AUTH); /* now, because its socket cannot be reached later */
	r = limits_confine(&order.limits);
	if (r < 0)
		return refuse_unconfined(PROGRAM, "limits", r);
	if (command == NULL || order.shell.line != NULL)
		return serve_shell(&order, command);
	r = command_line_split(command, &line);
	if (r < 0 && order.shell.shell != NULL) /* what no tool's client sends */
		return serve_shell(&order, command);
	if (r < 0)
		return refuse(PROGRAM, "command", r == -EINVAL ? "a quote is not closed" : strerror(-r), EXIT_REFUSED);
	return serve(&order, &line);
}
