/* SPDX-License-Identifier: ISC */
#include "cli/subuid.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/import.h"
#include "cli/print.h"
#include "cli/subid_text.h"

#define SUBUID SYSCONFDIR "/subuid"
#define SUBGID SYSCONFDIR "/subgid"

static const char help[] =
	"usage: subuid adopt [--owner NAME] [--remove] [--json]\n"
	"Root: takes ranges into the daemon's table that /etc/subuid and /etc/subgid give to owners\n"
	"alike, and says what it cannot take and why. The files stay as they are.\n\n"
	"  --owner NAME  this owner's alone\n"
	"  --remove      take the lines away that are adopted, under the locks of usermod(8)\n";

struct adoption {
	struct subid_entries uids, gids;
	const char *owner;
	struct subid_entry **asked; /* by line of the import, from 1 */
	size_t asked_count;
	json_t *ranges; /* told at the end */
	unsigned long failed;
};

static void told(struct adoption *adoption, const struct subid_entry *entry, const char *outcome, const char *why)
{
	if (strcmp(outcome, "failed") == 0)
		adoption->failed++;
	json_array_append_new(adoption->ranges,
			      json_pack("{s:s, s:I, s:I, s:s, s:s*}", "owner",
					entry->owner[0] ? entry->owner : entry->name, "first", (json_int_t)entry->first,
					"count", (json_int_t)entry->count, "outcome", outcome, "why", why));
}

static int take(json_t *reply, void *data)
{
	struct adoption *adoption = data;
	const json_t *result = json_object_get(reply, "result");
	size_t line = (size_t)json_number(result, "line");
	const char *outcome = json_text(result, "outcome");

	if (result == NULL || line == 0 || line > adoption->asked_count)
		return 0;
	adoption->asked[line - 1]->taken = strcmp(outcome, "made") == 0 || strcmp(outcome, "present") == 0;
	told(adoption, adoption->asked[line - 1], outcome,
	     strcmp(outcome, "failed") == 0 ? json_text(result, "why") : NULL);
	return 0;
}

static int ask(struct adoption *adoption, json_t *rows)
{
	return call_each_reply("Import", json_pack("{s:o, s:b}", "rows", rows, "keepGoing", 1), take, adoption);
}

/* Why this line cannot even be asked for; NULL: it can. */
static const char *unfit(const struct adoption *adoption, const struct subid_entry *entry)
{
	if (entry->owner[0] == '\0')
		return "there is no such account on this host";
	if (subid_entry_like(&adoption->gids, entry) == NULL)
		return SUBGID " does not give the same to the same owner";
	return NULL;
}

static bool wanted(const struct adoption *adoption, const struct subid_entry *entry)
{
	return adoption->owner == NULL || strcmp(adoption->owner, entry->owner) == 0;
}

static void gids_alone(struct adoption *adoption)
{
	for (size_t i = 0; i < adoption->gids.count; i++) {
		const struct subid_entry *entry = &adoption->gids.list[i];

		if (wanted(adoption, entry) && subid_entry_like(&adoption->uids, entry) == NULL)
			told(adoption, entry, "failed", SUBUID " does not give the same to the same owner");
	}
}

static int adopt(struct adoption *adoption)
{
	json_t *rows = json_array();
	int status = STATUS_DONE;

	for (size_t i = 0; status == STATUS_DONE && i < adoption->uids.count; i++) {
		struct subid_entry *entry = &adoption->uids.list[i];
		const char *why = unfit(adoption, entry);

		if (!wanted(adoption, entry))
			continue;
		if (why != NULL) {
			told(adoption, entry, "failed", why);
			continue;
		}
		adoption->asked[adoption->asked_count++] = entry;
		json_array_append_new(rows, json_pack("{s:I, s:s, s:s, s:I, s:I, s:b}", "line",
						      (json_int_t)adoption->asked_count, "kind", "range", "owner",
						      entry->owner, "first", (json_int_t)entry->first, "count",
						      (json_int_t)entry->count, "adopt", 1));
		if (json_array_size(rows) < IMPORT_BATCH)
			continue;
		status = ask(adoption, rows);
		rows = json_array();
	}
	if (status == STATUS_DONE && json_array_size(rows) > 0)
		return ask(adoption, rows);
	json_decref(rows);
	return status;
}

/* The lines of both files: the gids' of what was taken by its uids. */
static int lines_remove(struct adoption *adoption)
{
	struct subid_entries all = adoption->uids;
	int r;

	for (size_t i = 0; i < adoption->gids.count; i++) {
		const struct subid_entry *same = subid_entry_like(&adoption->uids, &adoption->gids.list[i]);

		/* one that names him otherwise than the uids' line does has to be found by its own name */
		if (same != NULL && same->taken && strcmp(same->name, adoption->gids.list[i].name) != 0) {
			complain(SUBGID, "names an owner otherwise than " SUBUID, "take that line away by hand");
			adoption->failed++;
		}
	}
	r = subid_entries_remove(&all);
	if (r == 0)
		return STATUS_DONE;
	complain("remove", r == -EBUSY ? "another program holds the locks of " SUBUID : strerrordesc_np(-r),
		 "the ranges are adopted; run it once more");
	return STATUS_FAILED;
}

static int print_ranges_told(const json_t *ranges)
{
	static const char *const heads[] = {"OWNER", ">FIRST", ">COUNT", "OUTCOME", "WHY", NULL};
	struct table table = TABLE(heads);
	const json_t *range;
	size_t i;

	if (common.json)
		return print_json(ranges);
	json_array_foreach(ranges, i, range)
	{
		table_cell(&table, json_text(range, "owner"));
		table_number(&table, json_number(range, "first"));
		table_number(&table, json_number(range, "count"));
		table_cell(&table, strcmp(json_text(range, "outcome"), "made") == 0 ? "adopted" : json_text(range, "outcome"));
		table_cell(&table, json_text(range, "why"));
	}
	return table_print(&table);
}

static int read_files(struct adoption *adoption)
{
	int r = subid_entries_read(SUBUID, &adoption->uids);

	if (r == 0)
		r = subid_entries_read(SUBGID, &adoption->gids);
	if (r == 0) {
		adoption->asked = calloc(adoption->uids.count + 1, sizeof(adoption->asked[0]));
		r = adoption->asked == NULL ? -ENOMEM : 0;
	}
	if (r == 0)
		return STATUS_DONE;
	complain(SUBUID, strerrordesc_np(-r), "");
	return STATUS_FAILED;
}

int command_adopt(int argc, char **argv)
{
	static const struct option options[] = {
		{"owner", required_argument, NULL, 'o'},
		{"remove", no_argument, NULL, 'r'},
		COMMON_OPTIONS,
	};
	struct adoption adoption = {.ranges = json_array()};
	int c, status = STATUS_DONE;
	bool away = false;

	while ((c = option_next("adopt", help, argc, argv, options, &status)) > 0) {
		if (c == 'o')
			adoption.owner = optarg;
		else
			away = true;
	}
	if (c == 0) {
		status = operands_check("adopt", argc, 0, 0);
		if (status == STATUS_DONE)
			status = read_files(&adoption);
		if (status == STATUS_DONE)
			status = adopt(&adoption);
		if (status == STATUS_DONE) {
			gids_alone(&adoption);
			status = print_ranges_told(adoption.ranges);
			if (status == STATUS_DONE && away)
				status = lines_remove(&adoption);
			if (status == STATUS_DONE && adoption.failed > 0)
				status = STATUS_FAILED;
		}
	}
	subid_entries_free(&adoption.uids);
	subid_entries_free(&adoption.gids);
	free(adoption.asked);
	json_decref(adoption.ranges);
	return status;
}
