/* SPDX-License-Identifier: ISC */
/* Code that the command lines of all commands share. */
#include "cli/subuid.h"
#include "cli/usage.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

struct common common = { .json = false, .socket = SOCKET_PATH };

static int option_complain(const char *name, int kind, char **argv)
{
	char what[128], todo[128];

	snprintf(what, sizeof(what), "%s %s", name, argv[optind - 1]);
	snprintf(todo, sizeof(todo), "see `subuid help %s`", name);
	return usage_error(
		what, kind == ':' ? "needs a value" : "unknown option, or an option with a value that it does not take",
		todo);
}

/* Of the word of a command, the command: `key add` has no help of its own. */
static void help_print(const char *name)
{
	char group[32];

	snprintf(group, sizeof(group), "%.*s", (int)strcspn(name, " "), name);
	usage_print(usage_find(group), stdout);
}

int operands_check(const char *name, int argc, int least, int most)
{
	int count = argc - optind;
	char todo[128];

	if (count >= least && count <= most)
		return STATUS_DONE;
	snprintf(todo, sizeof(todo), "see `subuid help %s`", name);
	return usage_error(name, count < least ? "an argument is missing" : "too many arguments", todo);
}

/* As many as the row names. */
static int operands_count(const struct usage *usage, int argc)
{
	const char *at = usage->operands != NULL ? usage->operands : "";
	int least = 0, most = 0;

	for (; *at != '\0'; at += strspn(at, " ")) {
		at += strcspn(at, " ");
		least += at[-1] != '?' && at[-1] != '.';
		most = at[-1] == '.' ? INT_MAX : most + 1;
	}
	return operands_check(usage->name, argc, least, most);
}

int option_next(const char *name, int argc, char **argv, int *status)
{
	const struct usage *usage = usage_find(name);
	struct option options[USAGE_OPTIONS_MAX];
	char letters[USAGE_LETTERS_MAX];

	usage_getopt(usage, options, letters);
	common.command = name;
	opterr = 0;
	for (;;) {
		int c = getopt_long(argc, argv, letters, options, NULL);

		switch (c) {
		case -1:
			*status = operands_count(usage, argc);
			return *status == STATUS_DONE ? 0 : -1;
		case 'J':
			common.json = true;
			continue;
		case 'N':
			common.dry_run = true;
			continue;
		case 'h':
			help_print(name);
			*status = STATUS_DONE;
			return -1;
		case ':':
		case '?':
			*status = option_complain(name, c, argv);
			return -1;
		default:
			return c;
		}
	}
}

int file_allowed(const char *file)
{
	if (!common.over_ssh || strcmp(file, "-") == 0)
		return STATUS_DONE;
	return usage_error(file, "no file of this host is read or written over ssh",
			   "give - and send it on standard input");
}

int subcommand_run(const struct subcommand *list, const char *name, int argc, char **argv)
{
	const struct subcommand *all = list;
	char todo[128], what[128], which[64] = "";
	int at = 1;

	for (; at < argc && strcmp(argv[at], "--json") == 0; at++)
		common.json = true;
	if (at < argc && (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0)) {
		help_print(name);
		return STATUS_DONE;
	}
	for (; at < argc && list->name != NULL; list++)
		if (strcmp(list->name, argv[at]) == 0)
			return list->run(argc - at, argv + at);
	for (list = all; list->name != NULL; list++)
		snprintf(which + strlen(which), sizeof(which) - strlen(which), "%s%s",
			 list == all          ? "" :
			 list[1].name == NULL ? " or " :
						", ",
			 list->name);
	strncat(which, " is missing", sizeof(which) - strlen(which) - 1);
	snprintf(what, sizeof(what), "%s%s%s", name, at < argc ? " " : "", at < argc ? argv[at] : "");
	snprintf(todo, sizeof(todo), "see `subuid help %s`", name);
	return usage_error(what, at < argc ? "unknown command" : which, todo);
}

int output_ended(int status)
{
	if ((fflush(stdout) == 0 && !ferror(stdout)) || status != STATUS_DONE)
		return status;
	complain("output", "cannot be written", "");
	return STATUS_FAILED;
}
