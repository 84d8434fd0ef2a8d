/* SPDX-License-Identifier: ISC */
/*
 * Parses the gate's own command line: the options that an administrator or the login shell put in front of the
 * key.
 */
#include "backup/gate_policy.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "backup/report.h"

#define MEMORY_MIB_MAX (1u << 24)

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
		{ "-snapshots", &policy->history },
		{ REPORT_OPTION, &policy->report },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(options[i].name, name) == 0)
			return options[i].value;
	return NULL;
}

/* "-timeout=3600": digits, no sign, at most max. */
static bool number_parse(const char *argument, const char *name, uint64_t max, uint64_t *number)
{
	size_t length = strlen(name);
	uint64_t value = 0;

	if (strncmp(argument, name, length) != 0 || argument[length] == '\0' || strlen(argument + length) > 9)
		return false;
	for (const char *digit = argument + length; *digit != '\0'; digit++) {
		if (*digit < '0' || *digit > '9')
			return false;
		value = value * 10 + (uint64_t)(*digit - '0');
	}
	*number = value;
	return value <= max;
}

static bool number_option(struct gate_policy *policy, const char *argument)
{
	uint64_t number;

	if (number_parse(argument, "-timeout=", INT_MAX, &number))
		policy->timeout = (unsigned)number;
	else if (number_parse(argument, "-memory=", MEMORY_MIB_MAX, &number) && number > 0)
		policy->limits.memory = number << 20;
	else if (number_parse(argument, "-bwlimit=", INT_MAX, &number))
		policy->bandwidth = number;
	else
		return limits_option(argument, &policy->limits);
	return true;
}

int gate_options_parse(int argc, char **argv, struct gate_policy *policy, const char **directory,
		       struct gate_refusal *refusal)
{
	struct gate_policy parsed = { .timeout = GATE_TIMEOUT, .limits = { .memory = GATE_MEMORY, .addresses = true } };
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		bool *value = option_of(&parsed, argv[i]);

		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (strcmp(argv[i], "-help") == 0 || strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0)
			return 1;
		if (value != NULL)
			*value = true;
		else if (!number_option(&parsed, argv[i]))
			return gate_refuse(refusal, argv[i], "unknown option; see subuid-rrsync(1)");
	}
	if (i + 1 != argc || argv[i][0] == '\0')
		return gate_refuse(refusal, "usage", "exactly one DIR is needed; see subuid-rrsync(1)");
	parsed.write_only |= parsed.blind;
	if (parsed.read_only && parsed.write_only)
		return gate_refuse(refusal, parsed.blind ? "-ro and -blind" : "-ro and -wo", "one of the two");
	if (parsed.history && !parsed.read_only)
		return gate_refuse(refusal, "-snapshots", "only with -ro");
	if (parsed.private_root && parsed.shared_root)
		return gate_refuse(refusal, "-private and -no-private", "one of the two");
	parsed.no_delete |= parsed.read_only || parsed.blind;
	*policy = parsed;
	*directory = argv[i];
	return 0;
}
