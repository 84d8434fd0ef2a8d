/* SPDX-License-Identifier: ISC */
/* What the command lines of all commands have in common. */
#include "cli/subuid.h"

#include <stdio.h>
#include <string.h>

struct common common = { .json = false, .socket = SOCKET_PATH };

static int option_complain(const char *name, int kind, char **argv)
{
	char what[128], todo[128];

	snprintf(what, sizeof(what), "%s %s", name, argv[optind - 1]);
	snprintf(todo, sizeof(todo), "see `subuid help %s`", name);
	return usage_error(
		what, kind == ':' ? "needs a value" : "unknown option, or with a value that it does not take", todo);
}

int option_next(const char *name, const char *help, int argc, char **argv, const struct option *options,
		int *status)
{
	bool numbered = false; /* the one short option that a command may have, -n N */

	for (const struct option *option = options; option->name != NULL; option++)
		numbered = numbered || option->val == 'n';
	opterr = 0;
	for (;;) {
		int c = getopt_long(argc, argv, numbered ? ":hn:" : ":h", options, NULL);

		switch (c) {
		case -1:
			return 0;
		case 'J':
			common.json = true;
			continue;
		case 'h':
			fputs(help, stdout);
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

int operands_check(const char *name, int argc, int least, int most)
{
	int count = argc - optind;
	char todo[128];

	if (count >= least && count <= most)
		return STATUS_DONE;
	snprintf(todo, sizeof(todo), "see `subuid help %s`", name);
	return usage_error(name, count < least ? "an argument is missing" : "too many arguments", todo);
}

int subcommand_run(const struct subcommand *list, const char *name, const char *help, int argc, char **argv)
{
	const struct subcommand *all = list;
	char todo[128], what[128], which[64] = "";
	int at = 1;

	for (; at < argc && strcmp(argv[at], "--json") == 0; at++)
		common.json = true;
	if (at < argc && (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0)) {
		fputs(help, stdout);
		return STATUS_DONE;
	}
	for (; at < argc && list->name != NULL; list++)
		if (strcmp(list->name, argv[at]) == 0)
			return list->run(argc - at, argv + at);
	for (list = all; list->name != NULL; list++)
		snprintf(which + strlen(which), sizeof(which) - strlen(which), "%s%s",
			 list == all ? "" : list[1].name == NULL ? " or " : ", ", list->name);
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
