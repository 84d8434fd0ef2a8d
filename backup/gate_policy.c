/* SPDX-License-Identifier: ISC */
#include "backup/gate_policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backup/file_count.h"

int gate_refuse(struct gate_refusal *refusal, const char *what, const char *why)
{
	snprintf(refusal->what, sizeof(refusal->what), "%s", what);
	snprintf(refusal->why, sizeof(refusal->why), "%s", why);
	return -EPERM;
}

static bool *option_of(struct gate_policy *policy, const char *name)
{
	const struct {
		const char *name;
		bool *value;
	} options[] = {
		{ "-ro", &policy->read_only },
		{ "-wo", &policy->write_only },
		{ "-blind", &policy->blind },
		{ "-no-del", &policy->no_delete },
		{ "-no-overwrite", &policy->no_overwrite },
		{ "-munge", &policy->munge },
		{ "-no-lock", &policy->no_lock },
		{ "-fake-super", &policy->fake_super },
		{ "-absolute", &policy->absolute },
		{ "-private", &policy->private_root },
		{ "-no-private", &policy->shared_root },
		{ FILE_COUNT_OPTION, &policy->report },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(options[i].name, name) == 0)
			return options[i].value;
	return NULL;
}

int gate_options_parse(int argc, char **argv, struct gate_policy *policy, const char **directory,
		       struct gate_refusal *refusal)
{
	struct gate_policy parsed = { 0 };
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		bool *value = option_of(&parsed, argv[i]);

		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (strcmp(argv[i], "-help") == 0 || strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0)
			return 1;
		if (value == NULL)
			return gate_refuse(refusal, argv[i], "unknown option; see subuid-rrsync(1)");
		*value = true;
	}
	if (i + 1 != argc || argv[i][0] == '\0')
		return gate_refuse(refusal, "usage", "exactly one DIR is needed; see subuid-rrsync(1)");
	parsed.write_only |= parsed.blind;
	if (parsed.read_only && parsed.write_only)
		return gate_refuse(refusal, parsed.blind ? "-ro and -blind" : "-ro and -wo", "one of the two");
	if (parsed.private_root && parsed.shared_root)
		return gate_refuse(refusal, "-private and -no-private", "one of the two");
	parsed.no_delete |= parsed.read_only || parsed.blind;
	*policy = parsed;
	*directory = argv[i];
	return 0;
}
