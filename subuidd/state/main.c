/* SPDX-License-Identifier: ISC */
/* The state program: `state VERB [OPTION...] [FILE|-]`. Executed by subuid(1) alone, which has told of wrong
 * options. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "subuidd/state/program.h"

static const char usage[] = "usage: state save|collect [--force] FILE|-\n"
			    "       state save|collect --daily\n"
			    "       state verify [--json] FILE|-\n"
			    "       state load [--dry-run] [--yes] [--json] FILE|-\n"
			    "       state repair [--dry-run] [--yes] [--json]\n"
			    "       state newest\n"
			    "Run by `subuid state` and `subuid check --repair`: see subuid(1).\n";

static const struct verb {
	const char *name;
	int (*run)(const struct options *options);
	const char *options; /* that it takes */
	enum { FILE_NONE, FILE_ONE, FILE_OR_DAILY } file;
} verbs[] = {
	{ "save", state_save_offline, "fdJ", FILE_OR_DAILY },
	{ "collect", state_collect, "fdJ", FILE_OR_DAILY },
	{ "verify", state_verify, "J", FILE_ONE },
	{ "load", state_load, "nyJ", FILE_ONE },
	{ "repair", state_repair, "nyJ", FILE_NONE },
	{ "newest", state_newest, "", FILE_NONE },
};

static const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static bool option_take(struct options *options, int c)
{
	bool *const flags[] = { &options->force, &options->daily, &options->dry_run, &options->yes, &options->json };
	const char *at = strchr("fdnyJ", c);

	if (c == '?' || at == NULL)
		return false;
	*flags[at - "fdnyJ"] = true;
	return true;
}

static bool options_parse(const struct verb *verb, int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{ "force", no_argument, NULL, 'f' },   { "daily", no_argument, NULL, 'd' },
		{ "dry-run", no_argument, NULL, 'n' }, { "yes", no_argument, NULL, 'y' },
		{ "json", no_argument, NULL, 'J' },    { NULL, 0, NULL, 0 },
	};
	bool wanted;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if (c == '?' || strchr(verb->options, c) == NULL || !option_take(options, c))
			return false;
	wanted = verb->file == FILE_ONE || (verb->file == FILE_OR_DAILY && !options->daily);
	if (argc - optind != wanted)
		return false;
	options->file = wanted ? argv[optind] : NULL;
	return true;
}

int main(int argc, char **argv)
{
	const struct verb *verb = argc > 1 ? verb_find(argv[1]) : NULL;
	struct options options = { .file = NULL };

	if (verb == NULL || !options_parse(verb, argc - 1, argv + 1, &options)) {
		fputs(usage, stderr);
		return STATUS_USAGE;
	}
	signal(SIGPIPE, SIG_IGN); /* a reader that has gone is a failed write */
	umask(077);
	return verb->run(&options);
}
