/* SPDX-License-Identifier: ISC */
/* `subuid list` and `subuid show`: accounts, as a table or as JSON. */
#include "cli/subuid.h"

#include <string.h>

#include "account/record.h"
#include "cli/facts.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/removed.h"
#include "cli/row.h"
#include "cli/rows.h"
#include "cli/use.h"

static const char *or_dash(const char *text)
{
	return text[0] != '\0' ? text : "-";
}

static const char *quota_text(const struct row *account, char out[24])
{
	uint64_t quota = row_number(account, "quota");

	return quota != 0 ? size_text(quota, out) : "-";
}

/* One account: printed as it comes, or once enough have come to choose the widths of the columns. */
struct listing {
	struct table table;
	struct row_json json;
};

static int list_row(const struct row *row, void *data)
{
	struct listing *listing = data;
	struct table *table = &listing->table;
	char quota[24];

	if (common.json)
		return row_json_put(&listing->json, row);
	table_cell(table, row_text(row, "name"));
	table_number(table, row_number(row, "uid"));
	table_cell(table, account_state_text(row));
	table_number(table, row_number(row, "keys"));
	table_number(table, row_number(row, "ranges"));
	table_cell(table, quota_text(row, quota));
	table_cell(table, or_dash(row_text(row, "expires")));
	table_cell(table, row_text(row, "comment"));
	return table->failed;
}

/* Counts those of the caller, or all that an administrator may see. They are no longer accounts, so they have no row.
 */
static int print_pending(void)
{
	json_t *reply = NULL;
	int status = call("Status", NULL, &reply);
	uint64_t count = status == STATUS_DONE ? json_number(reply, "purging") : 0;

	if (count > 0)
		printf("\nRemoved with --purge, but not deleted yet (pending): %llu. `sudo subuid check` says why.\n",
		       (unsigned long long)count);
	json_decref(reply);
	return status;
}

int command_list(int argc, char **argv)
{
	static const char *const heads[] = { "NAME",   ">UID",    "STATE",   ">KEYS", ">RANGES",
					     ">QUOTA", "EXPIRES", "COMMENT", NULL };
	struct listing listing = { .table = TABLE(heads) };
	json_t *parameters;
	bool removed = false;
	int status = owner_all_removed("list", argc, argv, &removed, &parameters), printed;

	if (status < 0)
		return -1 - status;
	if (removed)
		return removed_print(parameters);
	status = call_rows("List", parameters, "account", list_row, &listing);
	if (status != STATUS_DONE)
		return status;
	printed = common.json ? row_json_end(&listing.json) : table_print(&listing.table);
	if (printed == STATUS_DONE && !common.json)
		printed = print_pending();
	return printed;
}

static void print_field(const char *name, const char *text)
{
	if (text[0] != '\0')
		printf("%-9s %s\n", name, shown(text));
}

static const char *view_text(const json_t *account)
{
	const char *view = json_text(account, "effectiveView");

	if (strcmp(view, "owner") == 0)
		return "owner: the files are as your own; what was pushed can act as you (git, vim, ...)";
	if (strcmp(view, "theirs") == 0)
		return "theirs: the files belong to another user; subuid exec, copy and ls read all of them";
	return "ACLs: files that were pushed with mode 0600 may be closed to you";
}

/* How old the last good one is, as status shows it; "" if there never was a run. */
static const char *backup_text(const json_t *account, char *out, size_t size)
{
	int64_t good = (int64_t)json_number(account, "lastGood");
	bool silent = json_is_true(json_object_get(account, "silent"));

	out[0] = '\0';
	if (good != 0 || json_number(account, "lastRun") != 0 || silent)
		snprintf(out, size, "last good %s%s", good != 0 ? time_text(good) : "never",
			 silent ? "; SILENT for longer than its alarm allows" : "");
	return out;
}

static const char *keeper_text(const char *keeper)
{
	return strcmp(keeper, "disk") == 0    ? "enforced by the file system" :
	       strcmp(keeper, "uid") == 0     ? "enforced by the file system, for files of its own uid" :
	       strcmp(keeper, "metered") == 0 ? "metered after each run" :
						"";
}

/* The enforcer of the limits, in one line if it is the same for both. */
static void print_limit(const json_t *account)
{
	const char *bytes = json_text(account, "quotaKept"), *files = json_text(account, "filesKept");
	char text[256];

	if (bytes[0] != '\0' && files[0] != '\0' && strcmp(bytes, files) != 0) {
		snprintf(text, sizeof(text), "bytes: %s; files: %s", keeper_text(bytes), keeper_text(files));
		print_field("limit", text);
	} else {
		print_field("limit", keeper_text(bytes[0] != '\0' ? bytes : files));
	}
	if (json_is_true(json_object_get(account, "full")))
		print_field("full", "over its limit: nothing can be written until some of it is removed");
}

/* What it runs now; NULL: nothing, or it cannot be seen. */
static json_t *use_json(const json_t *account)
{
	const struct use_want want = { .uid = (uint32_t)json_number(account, "uid") };
	const struct use_account *found;
	json_t *json = NULL;
	struct use use;

	if (use_look(&want, &use) < 0)
		return NULL;
	found = use_of(&use, want.uid);
	if (found != NULL)
		json = json_pack("{s:i, s:i, s:I}", "processes", (int)found->processes, "sessions",
				 (int)found->sessions, "memoryBytes", (json_int_t)found->memory);
	use_free(&use);
	return json;
}

static void print_use(const json_t *use)
{
	char memory[USE_TEXT_MAX], text[128];

	if (use == NULL)
		return;
	snprintf(text, sizeof(text), "%llu processes, %llu sessions, %s of memory",
		 (unsigned long long)json_number(use, "processes"), (unsigned long long)json_number(use, "sessions"),
		 use_size_text(json_number(use, "memoryBytes"), memory));
	print_field("runs", text);
}

/* The bounds that hold where they are not this host's, and whose they are. */
static void print_bounds(const json_t *account)
{
	char text[FACTS_TEXT_MAX + 64], own[FACTS_TEXT_MAX], name[32] = "effective";

	for (size_t i = FACT_BOUNDS; i < FACTS; i++) {
		const struct field *field = &facts_record.fields[i];
		json_t *value;

		snprintf(name + strlen("effective"), sizeof(name) - strlen("effective"), "%c%s",
			 field->name[0] - 'a' + 'A', field->name + 1);
		value = json_object_get(account, name);
		if (value == NULL)
			continue;
		facts_number_text(i, value, own);
		if (json_equal(value, json_object_get(account, field->name)))
			snprintf(text, sizeof(text), "%s", own);
		else
			snprintf(text, sizeof(text), "%s (the limit of %s)", own, json_text(account, "owner"));
		print_field(field_option(field), text);
	}
}

static void print_account(const json_t *account, const json_t *use)
{
	const struct row row = { .object = account };
	char text[512];

	printf("%s\n", shown(json_text(account, "name")));
	snprintf(text, sizeof(text), "%llu", (unsigned long long)json_number(account, "uid"));
	print_field("uid", text);
	print_field("owner", json_text(account, "owner"));
	print_field("state", account_state_text(&row));
	print_field("created", time_text((int64_t)json_number(account, "created")));
	for (size_t i = 0; i < FACT_BOUNDS; i++)
		if (i != FACT_VIEW)
			print_field(facts_record.fields[i].name, facts_text(i, account, text));
	print_bounds(account);
	print_limit(account);
	print_use(use);
	print_field("backup", backup_text(account, text, sizeof(text)));
	print_field("home", json_text(account, "home"));
	print_field("files in", json_text(account, "link"));
	print_field("view", view_text(account));
}

/* The ranges of the owner that were given to this account. */
static json_t *ranges_of(const json_t *ranges, const char *name)
{
	json_t *own = json_array(), *range;
	size_t i;

	json_array_foreach(ranges, i, range)
		if (strcmp(json_text(range, "account"), name) == 0)
			json_array_append(own, range);
	return own;
}

static int fetch(const char *name, json_t **account, json_t **keys, json_t **ranges)
{
	json_t *parameters, *copy, *all = NULL;
	int status = name_parameters(name, &parameters);

	if (status != STATUS_DONE)
		return status;
	copy = json_copy(parameters);
	status = call("Get", parameters, account);
	if (status == STATUS_DONE)
		status = call_list("KeyList", json_copy(copy), "key", keys);
	json_object_del(copy, "label");
	if (status == STATUS_DONE)
		status = call_list("RangeList", json_incref(copy), "range", &all);
	if (status == STATUS_DONE)
		*ranges = ranges_of(all, json_text(json_object_get(*account, "account"), "name"));
	json_decref(all);
	json_decref(copy);
	return status;
}

static int print_whole(const json_t *account, json_t *keys, json_t *ranges)
{
	json_t *use = use_json(json_object_get(account, "account"));
	int status = STATUS_DONE;

	if (common.json) {
		json_t *whole = json_pack("{s:O, s:O, s:O, s:o*}", "account", json_object_get(account, "account"),
					  "keys", keys, "ranges", ranges, "use", use);

		status = print_json(whole);
		json_decref(whole);
		return status;
	}
	print_account(json_object_get(account, "account"), use);
	json_decref(use);
	if (json_array_size(keys) > 0) {
		putchar('\n');
		status = print_keys(keys);
	}
	if (json_array_size(ranges) > 0 && status == STATUS_DONE) {
		putchar('\n');
		status = print_ranges(ranges);
	}
	return status;
}

int command_show(int argc, char **argv)
{
	json_t *account = NULL, *keys = NULL, *ranges = NULL;
	int status = STATUS_DONE;

	if (option_next("show", argc, argv, &status) < 0)
		return status;
	status = fetch(argv[optind], &account, &keys, &ranges);
	if (status == STATUS_DONE)
		status = print_whole(account, keys, ranges);
	json_decref(account);
	json_decref(keys);
	json_decref(ranges);
	return status;
}
