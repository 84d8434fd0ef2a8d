/* SPDX-License-Identifier: ISC */
/* `subuid audit`: prints the audit trail, newest first. */
#include "cli/subuid.h"

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
	return owner_all_object(owner, all, parameters);
}

int command_audit(int argc, char **argv)
{
	uint64_t wanted = ENTRIES_DEFAULT;
	json_t *parameters = NULL, *entries;
	int status = parse(argc, argv, &wanted, &parameters);

	if (status < 0)
		return -1 - status;
	status = call_list_most("Audit", parameters, "entry", wanted, &entries);
	if (status != STATUS_DONE)
		return status;
	status = common.json ? print_json(entries) : print_entries(entries);
	json_decref(entries);
	return status;
}
