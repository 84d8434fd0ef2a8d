/* SPDX-License-Identifier: ISC */
/* `subuid restore` and `subuid list --removed`: removed accounts, and how they come back. */
#include "cli/removed.h"

#include <stdio.h>
#include <string.h>

#include "cli/options.h"
#include "cli/print.h"
#include "cli/subuid.h"

static int restore_options(int argc, char **argv, const char **as, uint64_t *uid)
{
	int c, status = STATUS_DONE;

	while ((c = option_next("restore", argc, argv, &status)) > 0) {
		if (c == 'a')
			*as = optarg;
		else if (option_number(optarg, 1, UINT32_MAX - 1, uid) < 0)
			return -1 - usage_error(optarg, "not a uid", "`subuid list --removed` shows it");
	}
	return c < 0 ? -1 - status : STATUS_DONE;
}

int command_restore(int argc, char **argv)
{
	json_t *parameters, *account;
	const char *as = NULL;
	uint64_t uid = 0;
	int status = restore_options(argc, argv, &as, &uid);

	if (status < 0)
		return -1 - status;
	status = name_parameters(argv[optind], &parameters);
	if (status != STATUS_DONE)
		return status;
	if (as != NULL)
		json_object_set_new(parameters, "as", json_string(as));
	if (uid != 0)
		json_object_set_new(parameters, "uid", json_integer((json_int_t)uid));
	status = call_told("Restore", parameters, "account", &account);
	if (account != NULL)
		printf("%s %s back, with uid %llu; its files: %s\n", shown(json_text(account, "name")),
		       common.dry_run ? "would be" : "is", (unsigned long long)json_number(account, "uid"),
		       shown(json_text(account, "link")));
	json_decref(account);
	return status;
}

static const char *until_text(const json_t *row)
{
	int64_t until = (int64_t)json_number(row, "until");

	if (!json_is_true(json_object_get(row, "restorable")))
		return "cannot be taken back";
	return until != 0 ? time_text(until) : "for good";
}

static int print_removed(const json_t *rows)
{
	static const char *const heads[] = { "NAME", ">UID", "REMOVED", "CAN BE TAKEN BACK UNTIL", NULL };
	struct table table = TABLE(heads);
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		int64_t removed = (int64_t)json_number(row, "removed");

		table_cell(&table, json_text(row, "name"));
		table_number(&table, json_number(row, "uid"));
		table_cell(&table, removed != 0 ? time_text(removed) : "-");
		table_cell(&table, until_text(row));
	}
	return table_print(&table);
}

int removed_print(json_t *parameters)
{
	return list_told("RemovedList", parameters, "removed", UINT64_MAX, print_removed);
}
