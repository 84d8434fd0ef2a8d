/* SPDX-License-Identifier: ISC */
/* Tables of keys and ranges, and the options of the commands that list something. */
#include "cli/rows.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "account/name.h"
#include "account/passwd.h"
#include "cli/facts.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/row.h"
#include "cli/subuid.h"

/* "no-delete,no-overwrite" */
static const char *options_text(const json_t *key, char *out, size_t size)
{
	const json_t *list = json_object_get(key, "options"), *option;
	size_t i, used = 0;

	snprintf(out, size, "-");
	json_array_foreach(list, i, option) {
		int wrote = snprintf(out + used, size - used, "%s%s", i > 0 ? "," : "", json_string_value(option));

		if (wrote < 0 || (size_t)wrote >= size - used)
			break;
		used += (size_t)wrote;
	}
	return out;
}

int print_keys(const json_t *keys)
{
	static const char *const heads[] = { ">ID",     "ROLE",    "OPTIONS", "FROM",      "FORWARD",
					     "NET",     ">QUOTA",  "EXPIRES", "LAST USED", "FINGERPRINT",
					     "COMMENT", "COMMAND", NULL };
	struct table table = TABLE(heads);
	const json_t *key;
	char options[128], quota[24];
	size_t i;

	json_array_foreach(keys, i, key) {
		const char *from = json_text(key, "from"), *forward = json_text(key, "forward"),
			   *net = json_text(key, "net"), *command = json_text(key, "command");
		uint64_t bytes = json_number(key, "storageQuota");

		table_number(&table, json_number(key, "id"));
		table_cell(&table, json_text(key, "role"));
		table_cell(&table, options_text(key, options, sizeof(options)));
		table_cell(&table, from[0] ? from : "any");
		table_cell(&table, forward[0] ? forward : "-");
		table_cell(&table, net[0] ? net : "-");
		table_cell(&table, bytes != 0 ? size_text(bytes, quota) : "-");
		table_cell(&table, time_text((int64_t)json_number(key, "expires")));
		table_cell(&table, time_text((int64_t)json_number(key, "lastUsed")));
		table_cell(&table, json_text(key, "fingerprint"));
		table_cell(&table, json_text(key, "comment"));
		table_cell(&table, command[0] ? command : "-");
	}
	return table_print(&table);
}

const char *owner_text(const char *name, uint64_t uid, char *out, size_t size)
{
	entry_cleanup struct host_entry entry = { 0 };
	int r = user_find(name, &entry);
	bool changed = r == 0 && entry.user.pw_uid != uid;

	snprintf(out, size, "%s%s", name, r == -ENOENT ? " (gone)" : changed ? " (changed)" : "");
	return out;
}

int print_ranges(const json_t *ranges)
{
	static const char *const heads[] = { ">FIRST", ">COUNT", "OWNER", "ACCOUNT", "ADOPTED", NULL };
	struct table table = TABLE(heads);
	char owner[OWNER_TEXT_MAX];
	const json_t *range;
	size_t i;

	json_array_foreach(ranges, i, range) {
		const char *account = json_text(range, "account");

		table_number(&table, json_number(range, "first"));
		table_number(&table, json_number(range, "count"));
		table_cell(&table,
			   owner_text(json_text(range, "owner"), json_number(range, "ownerUid"), owner, sizeof(owner)));
		table_cell(&table, account[0] ? account : "-");
		table_cell(&table, json_is_true(json_object_get(range, "adopted")) ? "yes" : "-");
	}
	return table_print(&table);
}

const char *account_state_text(const struct row *account)
{
	if (strcmp(row_text(account, "state"), "active") != 0)
		return row_text(account, "state");
	if (row_flag(account, "locked"))
		return "locked";
	if (facts_expired(row_text(account, "expires")))
		return "expired";
	if (row_flag(account, "frozen"))
		return "frozen";
	if (strcmp(row_text(account, "ownerState"), "gone") == 0)
		return "owner gone";
	if (strcmp(row_text(account, "ownerState"), "changed") == 0)
		return "owner changed";
	return row_flag(account, "full") ? "full" : "active";
}

/* Root of a container is somebody else to the daemon. */
bool caller_owns_nothing(void)
{
	json_t *status = geteuid() == 0 ? daemon_status() : NULL;
	bool contained = json_is_true(json_object_get(status, "callerIsContained"));

	json_decref(status);
	return geteuid() == 0 && !contained;
}

int owner_all_object(const char *owner, int all, json_t **parameters)
{
	if (owner == NULL)
		all = all || caller_owns_nothing();
	if (all && owner != NULL)
		return -1 - usage_error("--all", "given together with --owner", "choose one");

	json_t *object = json_pack("{s:b, s:s*}", "all", all, "owner", owner);

	if (object == NULL)
		return -1 - usage_error("--owner", "not UTF-8", "");
	*parameters = object;
	return STATUS_DONE;
}

int owner_all_parameters(const char *name, int argc, char **argv, json_t **parameters)
{
	return owner_all_removed(name, argc, argv, NULL, parameters);
}

int owner_all_removed(const char *name, int argc, char **argv, bool *removed, json_t **parameters)
{
	const char *owner = NULL;
	int c, status = STATUS_DONE, all = 0;

	while ((c = option_next(name, argc, argv, &status)) > 0) {
		if (c == 'o')
			owner = optarg;
		else if (c == 'r' && removed != NULL)
			*removed = true;
		else
			all = 1;
	}
	if (c < 0)
		return -1 - status;
	return owner_all_object(owner, all, parameters);
}
