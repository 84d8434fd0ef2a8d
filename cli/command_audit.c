/* SPDX-License-Identifier: ISC */
#include "cli/subuid.h"

#include <errno.h>

#include "cli/options.h"
#include "cli/print.h"
#include "cli/rows.h"

#define ENTRIES_DEFAULT 20
#define ENTRIES_MAX 1000000

static const char help[] = "usage: subuid audit [--owner NAME | --all] [-n N] [--json]\n"
			   "Who did what, newest first: what you did and what was done to your accounts.\n\n"
			   "  -n, --number N  so many entries (20)\n"
			   "  --owner NAME    this owner's (root and administrators)\n"
			   "  --all           everybody's (administrators; the default for root)\n";

struct trail {
	uint64_t wanted;
	json_t *entries;
};

static int take(json_t *reply, void *data)
{
	struct trail *trail = data;
	json_t *entry = json_object_get(reply, "entry");

	if (entry == NULL)
		return 0; /* the last reply */
	if (json_array_append(trail->entries, entry) < 0)
		return -ENOMEM;
	return json_array_size(trail->entries) >= trail->wanted;
}

static int print_entries(const json_t *entries)
{
	static const char *const heads[] = {"TIME", "CALLER", "ACTION", "TARGET", "RESULT", "DETAIL", NULL};
	struct table table = TABLE(heads);
	const json_t *entry;
	size_t i;

	json_array_foreach(entries, i, entry)
	{
		table_cell(&table, time_text((int64_t)json_number(entry, "time")));
		table_cell(&table, json_text(entry, "caller"));
		table_cell(&table, json_text(entry, "action"));
		table_cell(&table, json_text(entry, "target"));
		table_cell(&table, json_text(entry, "result"));
		table_cell(&table, json_text(entry, "detail"));
	}
	return table_print(&table);
}

/* -1 - status to end with. */
static int parse(int argc, char **argv, uint64_t *wanted, json_t **parameters)
{
	static const struct option options[] = {
		{"owner", required_argument, NULL, 'o'},
		{"all", no_argument, NULL, 'a'},
		{"number", required_argument, NULL, 'n'},
		COMMON_OPTIONS,
	};
	const char *owner = NULL;
	int c, all = 0, status = STATUS_DONE;

	while ((c = option_next("audit", help, argc, argv, options, &status)) > 0) {
		if (c == 'o')
			owner = optarg;
		else if (c == 'a')
			all = 1;
		else if (option_number(optarg, 1, ENTRIES_MAX, wanted) < 0)
			return -1 - usage_error(optarg, "not a number of entries", "1 to 1000000");
	}
	if (c < 0)
		return -1 - status;
	status = operands_check("audit", argc, 0, 0);
	if (status != STATUS_DONE)
		return -1 - status;
	if (owner == NULL)
		all = all || caller_owns_nothing();
	if (all && owner != NULL)
		return -1 - usage_error("--all", "given together with --owner", "choose one");
	*parameters = json_pack("{s:b, s:s*}", "all", all, "owner", owner);
	return *parameters != NULL ? STATUS_DONE : -1 - usage_error("--owner", "not UTF-8", "");
}

int command_audit(int argc, char **argv)
{
	struct trail trail = {.wanted = ENTRIES_DEFAULT};
	json_t *parameters = NULL;
	int status = parse(argc, argv, &trail.wanted, &parameters);

	if (status < 0)
		return -1 - status;
	trail.entries = json_array();
	status = call_each_reply("Audit", parameters, take, &trail);
	if (status == STATUS_DONE)
		status = common.json ? print_json(trail.entries) : print_entries(trail.entries);
	json_decref(trail.entries);
	return status;
}
