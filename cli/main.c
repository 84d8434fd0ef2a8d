/* SPDX-License-Identifier: ISC */
/* subuid(1): its commands, and the options in front of them. Runs as the caller, who may be root. */
#include "cli/subuid.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "account/name.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
};

static const struct command commands[] = {
	{"add", command_add, "make a sub-account; prints the command for its server"},
	{"list", command_list, "your sub-accounts"},
	{"show", command_show, "one account with its keys and ranges"},
	{"set", command_set, "change its expiry, quota, view, comment or alarm"},
	{"lock", command_lock, "refuse its logins from now on and end those that run"},
	{"unlock", command_unlock, "admit them again"},
	{"remove", command_remove, "remove an account; its data is kept aside for a time"},
	{"key", command_key, "add, list, remove its ssh keys"},
	{"range", command_range, "add, list, remove ranges of ids for containers"},
	{"mount", command_mount, "make your view of an account's files now"},
	{"exec", command_exec, "run a command as root over an account's files, without privilege"},
	{"shell", command_shell, "the same with your shell"},
	{"ls", command_ls, "what was pushed, as the server had it"},
	{"copy", command_copy, "out of an account, whatever the modes, harmless"},
	{"idmap", command_idmap, "ranges as newuidmap, LXC and podman take them"},
	{"release", command_release, "ids of what was removed may be given out again (root)"},
	{"limit", command_limit, "what an owner may have"},
	{"status", command_status, "how old the last good backup of each account is"},
	{"log", command_log, "what was done with an account's keys"},
	{"audit", command_audit, "who did what"},
	{"check", command_check, "prove that nothing overlaps and nothing is half-made"},
	{"import", command_import, "many accounts from a file (root and administrators)"},
	{"export", command_export, "everything, for import on another host (root)"},
	{"adopt", command_adopt, "ranges of /etc/subuid and /etc/subgid (root)"},
	{"state", command_state, "save, verify and load all that the daemon knows (root)"},
	{"setup", command_setup, "switch this host on, or off again (root)"},
	{"doctor", command_doctor, "check a live host end to end and say what to do"},
};

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
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].summary);
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
	char *words[4] = {NULL};
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
	int status, at = global_options(argc, argv, &status);

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
