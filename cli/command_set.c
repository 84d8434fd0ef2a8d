/* SPDX-License-Identifier: ISC */
/* What can be changed of an account that is there, and root's release of ids. */
#include "cli/subuid.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "account/date.h"
#include "cli/duration.h"
#include "cli/facts.h"
#include "cli/options.h"
#include "cli/print.h"

static const char set_help[] = "usage: subuid set NAME [OPTION]... [--json]\n"
			       "Changes what was given to `subuid add`; what is not named stays.\n\n"
			       "  --expires DATE|never  unusable from that day on: YYYY-MM-DD, +30d, +4w\n"
			       "  --quota SIZE|none     of its files: 500M, 10G, 1T\n"
			       "  --files N|none|default  names in it at the most (inodes); default: from the quota\n"
			       "  --view theirs|owner|default  how its owner sees its files: as another user's, or as\n"
			       "                        their own. With owner what was pushed can act as the owner\n"
			       "                        (git, vim, anything that trusts who a file belongs to)\n"
			       "  --comment TEXT        an empty one takes it away\n"
			       "  --alarm TIME|never    tell when no backup went well for so long: 26h, 3d\n";

static const char release_help[] =
	"usage: subuid release ID [--json]\n"
	"Root: ids of a removed account or range, which are never given out again, may be from now\n"
	"on. ID is the uid of the account or the first id of the range. Refused while a directory of\n"
	"that account lies below the homes. Files that it left elsewhere would belong to the next:\n"
	"look for them first (find / -uid ID).\n";

static int put_expires(json_t *parameters, const char *text)
{
	char date[DATE_TEXT_MAX + 1] = "";
	int32_t day;

	if (option_date(text, time(NULL) / SECONDS_PER_DAY, &day) < 0)
		return usage_error(text, "not a day to come", "for example 2031-12-31, +30d or never");
	if (day >= 0)
		date_format(day, date);
	json_object_set_new(parameters, "expires", json_string(date));
	return STATUS_DONE;
}

static int put_quota(json_t *parameters, const char *text)
{
	uint64_t bytes;

	if (option_size(text, &bytes) < 0)
		return usage_error(text, "not a size", "for example 10G, or none");
	json_object_set_new(parameters, "quota", json_integer((json_int_t)bytes));
	return STATUS_DONE;
}

static int put_comment(json_t *parameters, const char *text)
{
	if (json_object_set_new(parameters, "comment", json_string(text)) < 0)
		return usage_error("--comment", "not UTF-8", "");
	return STATUS_DONE;
}

static int put_alarm(json_t *parameters, const char *text)
{
	uint64_t seconds = 0;

	if (strcmp(text, "never") != 0 && duration_parse(text, &seconds) < 0)
		return usage_error(text, "not a span of time", "for example 26h, 3d or never");
	json_object_set_new(parameters, "alarm", json_integer((json_int_t)seconds));
	return STATUS_DONE;
}

/* -1 - status to end with. */
static int set_options(int argc, char **argv, json_t *parameters)
{
	static const struct option options[] = {
		{"expires", required_argument, NULL, 'e'},
		{"quota", required_argument, NULL, 'q'},
		{"files", required_argument, NULL, 'N'},
		{"view", required_argument, NULL, 'v'},
		{"comment", required_argument, NULL, 'c'},
		{"alarm", required_argument, NULL, 'a'},
		COMMON_OPTIONS,
	};
	int c, status = STATUS_DONE;

	while (status == STATUS_DONE && (c = option_next("set", set_help, argc, argv, options, &status)) != 0) {
		if (c < 0)
			return -1 - status;
		status = c == 'e'   ? put_expires(parameters, optarg)
			 : c == 'q' ? put_quota(parameters, optarg)
			 : c == 'a' ? put_alarm(parameters, optarg)
			 : c == 'N' ? facts_put_files(parameters, optarg)
			 : c == 'v' ? facts_put_view(parameters, optarg)
				    : put_comment(parameters, optarg);
	}
	if (status == STATUS_DONE)
		status = operands_check("set", argc, 1, 1);
	if (status == STATUS_DONE && json_object_size(parameters) == 0)
		status = usage_error("set", "nothing to change",
				     "give --expires, --quota, --files, --view, --comment or --alarm");
	return status == STATUS_DONE ? STATUS_DONE : -1 - status;
}

int command_set(int argc, char **argv)
{
	json_t *values = json_object(), *parameters = NULL, *reply;
	bool view = false;
	int status = set_options(argc, argv, values);

	if (status < 0) {
		json_decref(values);
		return -1 - status;
	}
	status = name_parameters(argv[optind], &parameters);
	if (status == STATUS_DONE) {
		view = json_object_get(values, "view") != NULL;
		json_object_update(parameters, values);
		status = call("Modify", parameters, &reply);
	}
	json_decref(values);
	if (status != STATUS_DONE)
		return status;

	const json_t *account = json_object_get(reply, "account");
	uint64_t quota = json_number(account, "quota");
	const char *expires = json_text(account, "expires");
	uint64_t alarm = json_number(account, "alarm");
	char size[24], files[FILES_TEXT_SIZE], after[16];

	if (view)
		facts_warn_view(account);
	if (common.json)
		status = print_json(account);
	else
		printf("%s: expires %s, quota %s, files %s, view %s, alarm %s%s%s\n", shown(json_text(account, "name")),
		       expires[0] ? expires : "never", quota != 0 ? size_text(quota, size) : "none",
		       files_text(account, files), json_text(account, "view"),
		       alarm != 0 ? duration_text(alarm, after) : "never",
		       json_text(account, "comment")[0] ? ", " : "", shown(json_text(account, "comment")));
	json_decref(reply);
	return status;
}

int command_release(int argc, char **argv)
{
	static const struct option options[] = {COMMON_OPTIONS};
	json_t *reply;
	uint64_t first;
	int status = STATUS_DONE;

	if (option_next("release", release_help, argc, argv, options, &status) < 0)
		return status;
	status = operands_check("release", argc, 1, 1);
	if (status != STATUS_DONE)
		return status;
	if (option_number(argv[optind], 1, UINT32_MAX - 1, &first) < 0)
		return usage_error(argv[optind], "not an id", "the uid of a removed account, or the first id of a range");
	status = call("Release", json_pack("{s:I}", "first", (json_int_t)first), &reply);
	if (status != STATUS_DONE)
		return status;
	if (common.json)
		status = print_json(reply);
	else
		printf("the ids from %llu on may be given out again\n", (unsigned long long)first);
	json_decref(reply);
	return status;
}
