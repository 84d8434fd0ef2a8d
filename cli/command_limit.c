/* SPDX-License-Identifier: ISC */
/* `subuid limit`: shows what an owner may have; root and administrators set it. */
#include "cli/subuid.h"

#include <string.h>

#include "account/record.h"
#include "cli/facts.h"
#include "cli/options.h"
#include "cli/print.h"

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

	while (status == STATUS_DONE && (c = option_next("limit", argc, argv, &status)) != 0) {
		if (c < 0)
			return -1 - status;
		if (facts_option(c, optarg, parameters, &status))
			continue;
		if (c == 'R')
			json_object_set_new(parameters, "reset", json_true());
		else
			status = put_number(parameters, c == 'a' ? "accounts" : c == 'k' ? "keys" : "ranges", optarg);
	}
	return status == STATUS_DONE ? STATUS_DONE : -1 - status;
}

static int print_limit(const json_t *limit)
{
	char text[FACTS_TEXT_MAX];

	if (common.json)
		return print_json(limit);
	printf(common.dry_run ? "would be set: %s may have%s\n" : "%s may have%s\n", shown(json_text(limit, "owner")),
	       json_is_true(json_object_get(limit, "default")) ? " (default of this host)" : "");
	printf("  accounts  %llu\n", (unsigned long long)json_number(limit, "accounts"));
	printf("  keys      %llu per account\n", (unsigned long long)json_number(limit, "keys"));
	printf("  ranges    %llu of 65536 ids\n", (unsigned long long)json_number(limit, "ranges"));
	for (size_t i = FACT_BOUNDS; i < FACTS; i++)
		if (facts_text(i, limit, text)[0] != '\0')
			printf("  %-10s %s for each account\n", field_option(&facts_record.fields[i]), text);
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
	common.dry_run &= set; /* to show it is one anyway */
	status = set ? call_change("LimitSet", parameters, &reply) : call("LimitGet", parameters, &reply);
	if (status != STATUS_DONE)
		return status;
	status = print_limit(json_object_get(reply, "limit"));
	json_decref(reply);
	return status;
}
