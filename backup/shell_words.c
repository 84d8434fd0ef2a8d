/* SPDX-License-Identifier: ISC */
/* What an isolated shell is started with: of the client's there is the command line, and the name of its terminal. */
#include "backup/shell.h"

#include <stdlib.h>
#include <string.h>

#define TERM_MAX 63

static const struct {
	const char *name, *program, *called, *login;
} shells[] = {
	{ "bash", "/bin/bash", "bash", "-bash" },
	{ "dash", "/bin/dash", "dash", "-dash" },
	{ "busybox", "/bin/busybox", "sh", "-sh" },
};
#define SHELLS_COUNT (sizeof(shells) / sizeof(shells[0]))

static size_t shell_of(const struct shell_order *order)
{
	for (size_t i = 0; i < SHELLS_COUNT; i++)
		if (strcmp(shells[i].name, order->shell) == 0)
			return i;
	return 0;
}

const char *shell_program(const struct shell_order *order)
{
	return shells[shell_of(order)].program;
}

int shell_arguments(const struct shell_order *order, struct text_list *argv)
{
	const size_t i = shell_of(order);
	int r;

	if (order->line == NULL)
		return text_list_add(argv, shells[i].login);
	r = text_list_add(argv, shells[i].called);
	if (r == 0)
		r = text_list_add(argv, "-c");
	return r < 0 ? r : text_list_add(argv, order->line);
}

/* A name in the terminal database: programs look there for a file of that name. */
static bool term_plain(const char *term)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-";

	return term != NULL && term[0] != '\0' && term[0] != '.' && strlen(term) <= TERM_MAX &&
	       term[strspn(term, set)] == '\0';
}

static bool resolves_by_tcp(const struct shell_order *order)
{
	for (const uint16_t *port = order->ports; *port != 0; port++)
		if (*port == 53)
			return true;
	return false;
}

int shell_environment(const struct shell_order *order, struct text_list *environment)
{
	const char *term = getenv("TERM"), *connection = getenv("SSH_CONNECTION");
	const struct {
		const char *name, *value;
	} entries[] = {
		{ "HOME", order->home },
		{ "USER", order->user },
		{ "LOGNAME", order->user },
		{ "SHELL", shell_program(order) },
		{ "PATH", "/usr/local/bin:/usr/bin:/bin" },
		{ "LANG", "C.UTF-8" },
		{ "SSH_CONNECTION", connection },
		{ "SSH_ORIGINAL_COMMAND", order->asked },
		{ "SSH_TTY", order->tty ? "/dev/console" : NULL },
		{ "TERM", !order->tty      ? NULL :
			  term_plain(term) ? term :
					     "dumb" },
		{ "RES_OPTIONS", resolves_by_tcp(order) ? "use-vc" : NULL },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(entries) / sizeof(entries[0]); i++)
		if (entries[i].value != NULL)
			r = text_list_format(environment, "%s=%s", entries[i].name, entries[i].value);
	return r;
}

bool shell_leaves_to_role(const char *program)
{
	static const char *const programs[] = {
		"rsync", "scp", "sftp-server", "internal-sftp", "git-receive-pack", "git-upload-pack"
	};
	const char *slash = strrchr(program, '/');

	program = slash != NULL ? slash + 1 : program;
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (strcmp(programs[i], program) == 0)
			return true;
	return false;
}
