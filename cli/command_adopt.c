/* SPDX-License-Identifier: ISC */
/* `subuid adopt`: takes ranges that are in /etc/subuid and /etc/subgid into the daemon's table. Run by root. */
#include "cli/subuid.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/import.h"
#include "cli/print.h"
#include "cli/subid_text.h"

#define SUBUID SYSCONFDIR "/subuid"
#define SUBGID SYSCONFDIR "/subgid"

struct adoption {
	struct subid_entries uids, gids;
	struct subid_lines published; /* the daemon's own there */
	const char *owner;
	struct subid_entry **all; /* the wanted ones of both files, in order */
	size_t count;
	size_t *asked; /* where the range of a line of the import begins in `all`; lines from 1 */
	size_t asked_count;
	json_t *ranges; /* reported at the end */
	unsigned long failed;
};

static void told(struct adoption *adoption, const struct subid_entry *entry, const char *outcome, const char *why)
{
	size_t length;
	const char *holder = subid_entry_holder(entry, &length);

	if (strcmp(outcome, "failed") == 0) {
		/* the uid of a sub-account, say: in the table already, and not as a range */
		if (subid_entry_published(&adoption->published, entry))
			return;
		adoption->failed++;
	}
	json_array_append_new(adoption->ranges,
			      json_pack("{s:s%, s:I, s:I, s:s, s:s*, s:o*}", "owner", holder, length, "first",
					(json_int_t)entry->line.ids.first, "count",
					(json_int_t)subid_line_count(&entry->line), "outcome", outcome, "why", why,
					"dryRun", common.dry_run ? json_true() : NULL));
}

/* The index after the last entry of the same range of the same owner. */
static size_t range_end(const struct adoption *adoption, size_t begin)
{
	size_t end = begin + 1;

	while (end < adoption->count && subid_entry_order(adoption->all[begin], adoption->all[end]) == 0)
		end++;
	return end;
}

/* Takes every line that gives exactly that range to exactly that owner. */
static int take(json_t *reply, void *data)
{
	struct adoption *adoption = data;
	const json_t *result = json_object_get(reply, "result");
	size_t line = (size_t)json_number(result, "line"), begin;
	const char *outcome = json_text(result, "outcome");
	bool taken = strcmp(outcome, "made") == 0 || strcmp(outcome, "present") == 0;

	if (result == NULL || line == 0 || line > adoption->asked_count)
		return 0;
	begin = adoption->asked[line - 1];
	for (size_t i = begin; i < range_end(adoption, begin); i++)
		adoption->all[i]->taken = taken;
	told(adoption, adoption->all[begin], outcome, strcmp(outcome, "failed") == 0 ? json_text(result, "why") : NULL);
	return 0;
}

static int ask(struct adoption *adoption, json_t *rows)
{
	const bool many = adoption->count > IMPORT_BATCH; /* each dry call finds what the ones before would have made */

	return call_each_reply("Import",
			       json_pack("{s:o, s:b, s:b, s:b}", "rows", rows, "keepGoing", 1, "dryRun",
					 (int)common.dry_run, "goesOn", (int)(common.dry_run && many)),
			       take, adoption);
}

static json_t *row_of(const struct subid_entry *entry, size_t line)
{
	return json_pack("{s:I, s:s, s:s, s:I, s:I, s:b}", "line", (json_int_t)line, "kind", "range", "owner",
			 entry->owner, "first", (json_int_t)entry->line.ids.first, "count",
			 (json_int_t)subid_line_count(&entry->line), "adopt", 1);
}

/* The daemon reads both files itself, and decides whether they agree. */
static int adopt(struct adoption *adoption)
{
	json_t *rows = json_array();
	int status = STATUS_DONE;

	for (size_t i = 0; status == STATUS_DONE && i < adoption->count; i = range_end(adoption, i)) {
		const struct subid_entry *entry = adoption->all[i];

		if (entry->owner[0] == '\0') {
			told(adoption, entry, "failed", "there is no such account on this host");
			continue;
		}
		adoption->asked[adoption->asked_count++] = i;
		json_array_append_new(rows, row_of(entry, adoption->asked_count));
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

static int lines_would_be_removed(const struct adoption *adoption)
{
	size_t lines = 0;

	for (size_t i = 0; i < adoption->count; i++)
		lines += adoption->all[i]->taken && !subid_entry_published(&adoption->published, adoption->all[i]);
	if (!common.json)
		printf("would be removed: %zu lines of " SUBUID " and " SUBGID "\n", lines);
	return STATUS_DONE;
}

static int lines_remove(struct adoption *adoption)
{
	if (common.dry_run)
		return lines_would_be_removed(adoption);

	int r = subid_entries_remove(&adoption->uids, &adoption->gids);

	if (r == 0)
		return STATUS_DONE;
	complain(SUBUID,
		 r == -EBUSY ? "another program holds its locks" :
		 r == -EPERM ? "not a plain file that root alone can write" :
			       strerrordesc_np(-r),
		 "no line was removed; the ranges are adopted, run it once more");
	return STATUS_FAILED;
}

static int print_ranges_told(const json_t *ranges)
{
	static const char *const heads[] = { "OWNER", ">FIRST", ">COUNT", "OUTCOME", "WHY", NULL };
	struct table table = TABLE(heads);
	const json_t *range;
	size_t i;

	if (common.json)
		return print_json(ranges);
	json_array_foreach(ranges, i, range) {
		table_cell(&table, json_text(range, "owner"));
		table_number(&table, json_number(range, "first"));
		table_number(&table, json_number(range, "count"));
		table_cell(&table, strcmp(json_text(range, "outcome"), "made") != 0 ? json_text(range, "outcome") :
				   common.dry_run                                   ? "would be adopted" :
										      "adopted");
		table_cell(&table, json_text(range, "why"));
	}
	return table_print(&table);
}

static void wanted(struct adoption *adoption, struct subid_entries *entries)
{
	for (size_t i = 0; i < entries->count; i++)
		if (adoption->owner == NULL || strcmp(adoption->owner, entries->list[i].owner) == 0)
			adoption->all[adoption->count++] = &entries->list[i];
}

static int order(const void *a, const void *b)
{
	const struct subid_entry *const *x = a, *const *y = b;

	return subid_entry_order(*x, *y);
}

static int read_files(struct adoption *adoption)
{
	size_t count;
	int r = subid_entries_read(SUBUID, &adoption->uids);

	if (r == 0)
		r = subid_entries_read(SUBGID, &adoption->gids);
	if (r == 0)
		r = subid_entries_published(&adoption->published);
	if (r == -EACCES) /* root's alone; the daemon says what this caller may do, and what it holds already */
		r = 0;
	count = adoption->uids.count + adoption->gids.count + 1;
	adoption->all = calloc(count, sizeof(struct subid_entry *));
	adoption->asked = calloc(count, sizeof(adoption->asked[0]));
	if (r == 0 && (adoption->all == NULL || adoption->asked == NULL))
		r = -ENOMEM;
	if (r < 0) {
		complain(SUBUID, strerrordesc_np(-r), "");
		return STATUS_FAILED;
	}
	r = subid_entries_owners(&adoption->uids);
	if (r == 0)
		r = subid_entries_owners(&adoption->gids);
	if (r < 0) {
		complain(SUBUID, strerrordesc_np(-r),
			 "the user database must answer for every name there; try again when it does");
		return STATUS_FAILED;
	}
	wanted(adoption, &adoption->uids);
	wanted(adoption, &adoption->gids);
	qsort(adoption->all, adoption->count, sizeof(struct subid_entry *), order);
	return STATUS_DONE;
}

int command_adopt(int argc, char **argv)
{
	struct adoption adoption = { .ranges = json_array() };
	int c, status = STATUS_DONE;
	bool away = false;

	while ((c = option_next("adopt", argc, argv, &status)) > 0) {
		if (c == 'o')
			adoption.owner = optarg;
		else
			away = true;
	}
	if (c == 0) {
		status = read_files(&adoption);
		if (status == STATUS_DONE)
			status = adopt(&adoption);
		if (status == STATUS_DONE) {
			status = print_ranges_told(adoption.ranges);
			if (status == STATUS_DONE && away)
				status = lines_remove(&adoption);
			if (status == STATUS_DONE && adoption.failed > 0)
				status = STATUS_FAILED;
		}
	}
	subid_entries_free(&adoption.uids);
	subid_entries_free(&adoption.gids);
	subid_lines_free(&adoption.published);
	free(adoption.all);
	free(adoption.asked);
	json_decref(adoption.ranges);
	return status;
}
