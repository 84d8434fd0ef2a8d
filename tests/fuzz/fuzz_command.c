/* SPDX-License-Identifier: ISC */
/*
 * The client's command, from bytes to the arguments of rsync. First byte: the policy. What
 * must hold of anything that is accepted is checked without the table: here, by hand.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup/command_line.h"
#include "backup/rsync_arguments.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
	if (!condition)
		abort();
}

/* Never, whatever the policy. */
static const char *const never[] = { "daemon", "rsh", "config", "write-devices", "copy-devices", "debug", "no-munge-links",
				     "insecure-links", "secluded-args", "protect-args", "copy-as", "password-file",
				     "read-batch", "write-batch", "rsync-path", "sockopts", "early-input",
				     "copy-unsafe-links", "copy-links", "keep-dirlinks", "copy-dirlinks", "exclude-from",
				     "include-from", "filter", "no-drop-D" };

static int named(const char *argument, const char *name)
{
	size_t length = strlen(name);

	return strncmp(argument, "--", 2) == 0 && strncmp(argument + 2, name, length) == 0 &&
	       (argument[2 + length] == '\0' || argument[2 + length] == '=');
}

static int begins(const char *argument, const char *start)
{
	return strncmp(argument, start, strlen(start)) == 0;
}

static void check_cluster(const char *argument)
{
	const char *end = strchr(argument, 'e'); /* capabilities follow */
	size_t length = end == NULL ? strlen(argument) : (size_t)(end - argument);

	must(argument[1] != '\0');
	for (size_t i = 1; i < length; i++)
		must(strchr("sKLkefMTPhFai", argument[i]) == NULL);
	must(end == NULL || strpbrk(end, " /;$'\"\\-=") == NULL);
}

static void check_option(const struct gate_policy *policy, const char *argument, int sender)
{
	static const char *const paths[] = { "backup-dir", "partial-dir", "temp-dir", "compare-dest", "copy-dest",
					     "link-dest", "log-file", "files-from", "confine-root" };

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		must(!named(argument, never[i]));
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const char *value = strchr(argument, '=');

		if (!named(argument, paths[i]))
			continue;
		must(value != NULL && value[1] != '\0' && !path_goes_up(value + 1));
		must(value[1] != '/' || strcmp(value + 1, "/d") == 0 || begins(value + 1, "/d/"));
		must(!sender || i >= 6);
	}
	must(!policy->no_delete || (!begins(argument, "--delete") && !begins(argument, "--remove") &&
				    !named(argument, "force")));
	must(!policy->no_overwrite || (!named(argument, "backup-dir") && !named(argument, "log-file") &&
				       !named(argument, "partial-dir") && !named(argument, "delay-updates")));
	must(!policy->write_only || !named(argument, "files-from") || strcmp(argument, "--files-from=-") == 0);
	must(!policy->fake_super || !named(argument, "super"));
	if (argument[1] != '-') {
		check_cluster(argument);
		must(!policy->no_overwrite || strchr("B@", argument[1]) != NULL ||
		     memchr(argument, 'b', strcspn(argument, "e")) == NULL);
	}
}

static void check(const struct gate_policy *policy, const struct rsync_request *request, const struct text_list *argv)
{
	int faked = 0, kept = 0;

	must(argv->count >= 1 && strcmp(argv->items[0], "--server") == 0 && argv->items[argv->count] == NULL);
	must(!policy->read_only || request->sender);
	must(!policy->write_only || !request->sender);
	must(request->sender == (argv->count > 1 && strcmp(argv->items[1], "--sender") == 0));
	for (size_t i = 1 + request->sender; i < argv->count; i++) {
		must(argv->items[i][0] == '-' && argv->items[i][1] != '\0');
		must(strcmp(argv->items[i], "--sender") != 0 && strcmp(argv->items[i], "--server") != 0);
		must(strcmp(argv->items[i], "--") != 0);
		check_option(policy, argv->items[i], request->sender);
		faked |= strcmp(argv->items[i], "--fake-super") == 0;
		kept |= strcmp(argv->items[i], "--ignore-existing") == 0;
	}
	must(!policy->fake_super || faked);
	must(!policy->no_overwrite || kept);
	must(request->sender || request->changes);
	must(request->sender || request->paths_count <= 1);
	for (size_t i = 0; i < request->paths_count; i++) {
		const struct word *path = &request->paths[i];

		must(path->text[0] != '\0' && path->text[0] != '/' && !path_goes_up(path->text));
		must(path->pattern == NULL || (path->pattern[0] != '/' && path->pattern[0] != '\0'));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gate_policy policy = { .directory = "/d" };
	struct gate_refusal refusal = { 0 };
	struct rsync_request request = { 0 };
	struct text_list argv = { 0 }, inside = { 0 };
	struct command_line line = { 0 };
	char *command;

	if (size < 1)
		return 0;
	policy.read_only = (data[0] & 3) == 1;
	policy.write_only = (data[0] & 3) == 2;
	policy.no_delete = policy.read_only || (data[0] & 4) != 0;
	policy.no_overwrite = (data[0] & 8) != 0;
	policy.fake_super = (data[0] & 16) != 0;
	policy.munge = (data[0] & 32) != 0;
	policy.absolute = (data[0] & 64) != 0;
	policy.drop_devices = policy.confine_root = (data[0] & 128) != 0;
	command = strndup((const char *)data + 1, size - 1);
	if (command == NULL)
		return 0;
	if (command_line_split(command, &line) == 0) {
		if (rsync_request_parse(&policy, &line, &request, &refusal) == 0 &&
		    rsync_options_build(&policy, &request, "a/b", &argv, &inside, &refusal) == 0)
			check(&policy, &request, &argv);
		rsync_request_free(&request);
		text_list_free(&argv);
		text_list_free(&inside);
		command_line_free(&line);
	}
	free(command);
	return 0;
}
