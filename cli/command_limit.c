/* SPDX-License-Identifier: ISC */
/* `subuid limit`: shows what an owner may have; root and administrators set it. */
#include "cli/subuid.h"

#include <string.h>

#include "cli/options.h"
#include "cli/print.h"

static const char help[] = "usage: subuid limit [OWNER] [--json]\n"
			   "       subuid limit OWNER [--accounts N] [--keys N] [--ranges N]\n"
			   "       subuid limit OWNER --reset\n"
			   "What an owner may have; without OWNER, what you may have. Only root and\n"
			   "administrators set limits. What exists already stays, whatever the limit.\n\n"
			   "  --accounts N  sub-accounts\n"
			   "  --keys N      keys of one account\n"
			   "  --ranges N    blocks of 65536 ids, those of the owner and of their accounts together\n"
			   "  --reset       back to the default of this host's settings\n";

static const struct option options[] = {
	{"accounts", required_argument, NULL, 'a'},
	{"keys", required_argument, NULL, 'k'},
	{"ranges", required_argument, NULL, 'r'},
	{"reset", no_argument, NULL, 'R'},
	COMMON_OPTIONS,
};

static int put_number(json_t *parameters, const char *name, const char *text)
{
	uint64_t number;

	if (option_number(text, 0, INT32_MAX, &number) < 0)
		return usage_error(text, "not a number", "");
	json_object_set_new(parameters, name, json_integer((json_int_t)number));
	return STATUS_DONE;
}

/* -1 - status to end with. */
static int parse(int argc, char **argv, json_t *parameters)
{
	int c, status = STATUS_DONE;

	while (status == STATUS_DONE && (c = option_next("limit", help, argc, argv, options, &status)) != 0) {
		if (c < 0)
			return -1 - status;
		if (c == 'R')
			json_object_set_new(parameters, "reset", json_true());
		else
			status = put_number(parameters,
					    c == 'a'   ? "accounts"
					    : c == 'k' ? "keys"
						       : "ranges",
					    optarg);
	}
	if (status == STATUS_DONE)
		status = operands_check("limit", argc, 0, 1);
	return status == STATUS_DONE ? STATUS_DONE : -1 - status;
}

static int print_limit(const json_t *limit)
{
	if (common.json)
		return print_json(limit);
	printf("%s may have%s\n", shown(json_text(limit, "owner")),
	       json_is_true(json_object_get(limit, "default")) ? " (default of this host)" : "");
	printf("  accounts  %llu\n", (unsigned long long)json_number(limit, "accounts"));
	printf("  keys      %llu per account\n", (unsigned long long)json_number(limit, "keys"));
	printf("  ranges    %llu of 65536 ids\n", (unsigned long long)json_number(limit, "ranges"));
	return STATUS_DONE;
}

int command_limit(int argc, char **argv)
{
	json_t *parameters = json_object(), *reply;
	int status = parse(argc, argv, parameters);
	bool set = json_object_size(parameters) > 0;

	if (status == STATUS_DONE && optind < argc &&
	    json_object_set_new(parameters, "owner", json_string(argv[optind])) < 0)
		status = -1 - usage_error("OWNER", "not UTF-8", "");
	if (status == STATUS_DONE && set && optind == argc)
		status = -1 - usage_error("limit", "whose?", "subuid limit OWNER --accounts N");
	if (status < 0) {
		json_decref(parameters);
		return -1 - status;
	}
	status = call(set ? "LimitSet" : "LimitGet", parameters, &reply);
	if (status != STATUS_DONE)
		return status;
	status = print_limit(json_object_get(reply, "limit"));
	json_decref(reply);
	return status;
}
