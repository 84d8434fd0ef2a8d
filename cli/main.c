/* SPDX-License-Identifier: ISC */
/* subuid(1): its commands, and the options in front of them. Runs as the caller, who may be root. */
#include "cli/subuid.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "account/name.h"
#include "cli/usage.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
};

/* clang-format off */
static const struct command commands[] = {
	{ "add", command_add },
	{ "list", command_list },
	{ "show", command_show },
	{ "set", command_set },
	{ "lock", command_lock },
	{ "unlock", command_unlock },
	{ "freeze", command_freeze },
	{ "thaw", command_thaw },
	{ "kill", command_kill },
	{ "top", command_top },
	{ "rename", command_rename },
	{ "owner", command_owner },
	{ "remove", command_remove },
	{ "restore", command_restore },
	{ "key", command_key },
	{ "passwd", command_passwd },
	{ "range", command_range },
	{ "mount", command_mount },
	{ "exec", command_exec },
	{ "shell", command_shell },
	{ "socket", command_socket },
	{ "socket", command_socket },
	{ "ls", command_ls },
	{ "copy", command_copy },
	{ "idmap", command_idmap },
	{ "release", command_release },
	{ "limit", command_limit },
	{ "status", command_status },
	{ "log", command_log },
	{ "metrics", command_metrics },
	{ "audit", command_audit },
	{ "check", command_check },
	{ "import", command_import },
	{ "export", command_export },
	{ "adopt", command_adopt },
	{ "state", command_state },
	{ "setup", command_setup },
	{ "doctor", command_doctor },
	{ "manage-key", command_manage_key },
};
/* clang-format on */

static const char head[] = "usage: subuid COMMAND [ARGUMENT]...\n"
			   "Sub-accounts: other uids of yours, with their own ssh keys, below your home.\n\n";

static const char tail[] = "\nNAME is web1 for your own, alice+web1 for anybody's.\n"
			   "  --json         machine-readable output\n"
			   "  --socket PATH  of the daemon, " SOCKET_PATH " by default\n"
			   "  --version\n"
			   "subuid help COMMAND says more, subuid(1) all of it.\n";

static int show_help(FILE *to)
{
	fputs(head, to);
	usage_print_commands(to);
	fputs(tail, to);
	return STATUS_DONE;
}

static const struct command *command_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	usage_error(name[0] ? name : "command", "unknown command", "`subuid help` lists them");
	return NULL;
}

/* `help COMMAND [WORD]` is `COMMAND [WORD] --help`. */
static int help_of(int argc, char **argv)
{
	static char option[] = "--help";
	char *words[4] = { NULL };
	int count = 0;

	if (argc < 2)
		return show_help(stdout);

	const struct command *command = command_by_name(argv[1]);

	if (command == NULL)
		return STATUS_USAGE;
	for (int i = 1; i < argc && i < 3; i++)
		words[count++] = argv[i];
	words[count++] = option;
	return command->run(count, words);
}

/* Options in front of the command. The index of the command, or -1 and *status. */
static int global_options(int argc, char **argv, int *status)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			common.json = true;
		} else if (strcmp(argv[i], "--over-ssh") == 0) {
			common.over_ssh = true;
		} else if (strcmp(argv[i], "--socket") == 0 && i + 1 < argc) {
			common.socket = argv[++i];
		} else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			*status = show_help(stdout);
			return -1;
		} else if (strcmp(argv[i], "--version") == 0) {
			puts("subuid " VERSION);
			*status = STATUS_DONE;
			return -1;
		} else {
			*status = usage_error(argv[i], "unknown option", "`subuid help` lists them");
			return -1;
		}
	}
	if (i == argc) {
		show_help(stderr);
		*status = STATUS_USAGE;
		return -1;
	}
	return i;
}

static int subuid(int argc, char **argv)
{
	int status = STATUS_DONE, at = global_options(argc, argv, &status);

	if (at < 0)
		return status;
	if (strcmp(argv[at], "help") == 0)
		return help_of(argc - at, argv + at);

	const struct command *command = command_by_name(argv[at]);

	return command == NULL ? STATUS_USAGE : command->run(argc - at, argv + at);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN); /* a reader that is gone is reported as a failed write */
	return output_ended(subuid(argc, argv));
}
