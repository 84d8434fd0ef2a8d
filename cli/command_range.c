/* SPDX-License-Identifier: ISC */
/* `subuid range add`, `range list` and `range remove`. */
#include "cli/subuid.h"

#include <string.h>

#include "cli/options.h"
#include "cli/print.h"
#include "cli/rows.h"

static const char help[] = "usage: subuid range add COUNT [NAME | --owner OWNER] [--grow FIRST] [--json]\n"
			   "       subuid range list [--all | --owner OWNER] [--json]\n"
			   "       subuid range remove FIRST [--owner OWNER] [--json]\n"
			   "Ranges of subordinate ids, uids and gids alike, for containers: newuidmap, podman\n"
			   "and LXC accept them at once. COUNT is rounded up to a multiple of 65536. With NAME a\n"
			   "range is given to that sub-account, else to its owner; each call adds another.\n"
			   "With --grow it follows the range that begins with FIRST without a gap, or\n"
			   "fails when those ids are not free. Ids of a removed range are not given out again.\n";

static int print_one(json_t *reply)
{
	const json_t *range = json_object_get(reply, "range");
	int status = STATUS_DONE;

	if (common.json)
		status = print_json(range);
	else
		printf("%llu ids from %llu on\n", (unsigned long long)json_number(range, "count"),
		       (unsigned long long)json_number(range, "first"));
	json_decref(reply);
	return status;
}

/* --owner and operands. -1 - status to end with. */
static int owner_option(int argc, char **argv, int least, int most, const char **owner, const char **grow)
{
	static const struct option options[] = {
		{"owner", required_argument, NULL, 'o'}, {"grow", required_argument, NULL, 'g'}, COMMON_OPTIONS};
	int c, status = STATUS_DONE;

	while ((c = option_next("range", help, argc, argv, options, &status)) > 0) {
		if (c == 'g' && grow == NULL)
			return -1 - usage_error("--grow", "only for add", "see subuid range --help");
		*(c == 'g' ? grow : owner) = optarg;
	}
	if (c < 0)
		return -1 - status;
	status = operands_check("range", argc, least, most);
	return status == STATUS_DONE ? STATUS_DONE : -1 - status;
}

static int owner_parameters(const char *owner, json_t **parameters)
{
	json_t *object = json_pack("{s:s*}", "owner", owner);

	if (object == NULL)
		return usage_error("--owner", "not UTF-8", "");
	*parameters = object;
	return STATUS_DONE;
}

static int range_add(int argc, char **argv)
{
	const char *owner = NULL, *grow = NULL;
	json_t *parameters = NULL, *reply;
	uint64_t count, after = 0;
	int status = owner_option(argc, argv, 1, 2, &owner, &grow);

	if (status < 0)
		return -1 - status;
	if (option_number(argv[optind], 1, UINT32_MAX - 1, &count) < 0)
		return usage_error(argv[optind], "not a number of ids", "for example `subuid range add 65536`");
	if (grow != NULL && option_number(grow, 1, UINT32_MAX - 1, &after) < 0)
		return usage_error(grow, "not the first id of a range", "`subuid range list` shows them");
	if (argc - optind == 2 && owner != NULL)
		return usage_error("--owner", "given together with a name",
				   "a name such as alice+web1 says the owner");
	status = argc - optind == 2 ? name_parameters(argv[optind + 1], &parameters)
				    : owner_parameters(owner, &parameters);
	if (status != STATUS_DONE)
		return status;
	json_object_set_new(parameters, "count", json_integer((json_int_t)count));
	if (grow != NULL)
		json_object_set_new(parameters, "after", json_integer((json_int_t)after));
	status = call("RangeAdd", parameters, &reply);
	return status == STATUS_DONE ? print_one(reply) : status;
}

static int range_list(int argc, char **argv)
{
	json_t *parameters, *ranges = NULL;
	int status = owner_all_parameters("range", help, argc, argv, &parameters);

	if (status < 0)
		return -1 - status;
	status = call_list("RangeList", parameters, "range", &ranges);
	if (status != STATUS_DONE)
		return status;
	status = common.json ? print_json(ranges) : print_ranges(ranges);
	json_decref(ranges);
	return status;
}

static int range_remove(int argc, char **argv)
{
	const char *owner = NULL;
	json_t *parameters = NULL, *reply;
	uint64_t first;
	int status = owner_option(argc, argv, 1, 1, &owner, NULL);

	if (status < 0)
		return -1 - status;
	if (option_number(argv[optind], 1, UINT32_MAX - 1, &first) < 0)
		return usage_error(argv[optind], "not the first id of a range", "`subuid range list` shows them");
	status = owner_parameters(owner, &parameters);
	if (status != STATUS_DONE)
		return status;
	json_object_set_new(parameters, "first", json_integer((json_int_t)first));
	status = call("RangeRemove", parameters, &reply);
	if (status != STATUS_DONE)
		return status;
	if (common.json)
		status = print_json(reply);
	else
		printf("the range from %llu on is removed\n", (unsigned long long)first);
	json_decref(reply);
	return status;
}

int command_range(int argc, char **argv)
{
	static const struct subcommand commands[] = {
		{"add", range_add},
		{"list", range_list},
		{"remove", range_remove},
		{NULL, NULL},
	};

	return subcommand_run(commands, "range", help, argc, argv);
}
