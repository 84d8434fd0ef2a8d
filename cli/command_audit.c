/* SPDX-License-Identifier: ISC */
/* `subuid audit`: prints the audit trail, newest first. */
#include "cli/subuid.h"

#include "cli/options.h"
#include "cli/print.h"
#include "cli/rows.h"

#define ENTRIES_DEFAULT 20
#define ENTRIES_MAX 1000000

static int print_entries(const json_t *entries)
{
	static const char *const heads[] = { "TIME", "CALLER", "ACTION", "TARGET", "RESULT", "DETAIL", NULL };
	struct table table = TABLE(heads);
	const json_t *entry;
	size_t i;

	json_array_foreach(entries, i, entry) {
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
	const char *owner = NULL;
	int c, all = 0, status = STATUS_DONE;

	while ((c = option_next("audit", argc, argv, &status)) > 0) {
		if (c == 'o')
			owner = optarg;
		else if (c == 'a')
			all = 1;
		else if (option_number(optarg, 1, ENTRIES_MAX, wanted) < 0)
			return -1 - usage_error(optarg, "not a number of entries", "1 to 1000000");
	}
	if (c < 0)
		return -1 - status;
	return owner_all_object(owner, all, parameters);
}

int command_audit(int argc, char **argv)
{
	uint64_t wanted = ENTRIES_DEFAULT;
	json_t *parameters = NULL;
	int status = parse(argc, argv, &wanted, &parameters);

	return status < 0 ? -1 - status : list_told("Audit", parameters, "entry", wanted, print_entries);
}
