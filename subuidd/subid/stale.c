/* SPDX-License-Identifier: ISC */
/*
 * Finds lines that give one user ids that belong to another by the index: wherever they come from, newuidmap goes
 * by them when it cannot load the plug-in, and any caller can bring that about (ulimit -n 6).
 *
 * A line need not have the shape of one entry: neighbours are one line (join.c), and an old copy of the file that
 * somebody restores has lines for ranges that have been given back since. So each line answers for every entry that
 * it touches under the entry's own name. Run by children of the broker (root).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/id.h"
#include "confine/cleanup.h"
#include "subuidd/subid/plan.h"

/* One line; max_last: of all lines up to this one. */
struct standing {
	struct subid_parts parts;
	const char *at;
	size_t length;
	uint64_t last, max_last;
};

struct standings {
	struct standing *list;
	size_t count;
};

static int compare(const void *a, const void *b)
{
	const struct standing *x = a, *y = b;

	return (x->parts.first > y->parts.first) - (x->parts.first < y->parts.first);
}

static int standings_make(const struct subid_lines *present, struct standings *made)
{
	uint64_t max_last = 0;

	made->list = calloc(present->count + 1, sizeof(*made->list));
	if (made->list == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < present->count; i++) {
		struct standing *line = &made->list[made->count];

		line->at = present->sorted[i].at;
		line->length = present->sorted[i].length;
		if (!subid_line_parse(line->at, line->length, &line->parts))
			continue;
		line->last = (uint64_t)line->parts.first + line->parts.count - 1;
		made->count++;
	}
	if (made->count > 0)
		qsort(made->list, made->count, sizeof(*made->list), compare);
	for (size_t i = 0; i < made->count; i++) {
		max_last = made->list[i].last > max_last ? made->list[i].last : max_last;
		made->list[i].max_last = max_last;
	}
	return 0;
}

/* The number of lines that begin at or before the id. */
static size_t begun_by(const struct standings *lines, uint64_t id)
{
	size_t low = 0, high = lines->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (lines->list[middle].parts.first <= id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* By name, by number, or under the name of the account that has it. */
static bool names(const struct subid_parts *line, const struct id_range *range, char separator)
{
	char name[ACCOUNT_NAME_MAX + 1];
	uint32_t uid;

	if (strcmp(line->name, range->owner) == 0 || (id_parse(line->name, &uid) == 0 && uid == range->owner_uid))
		return true;
	return range->label[0] != '\0' && name_join(range->owner, separator, range->label, name) == 0 &&
	       strcmp(line->name, name) == 0;
}

/* Those lines that touch the entry and name its owner. */
static int entry_look(const struct standings *lines, const struct subid_claim *entry, char separator,
		      struct subid_claims *found)
{
	uint64_t last = (uint64_t)entry->range.first + entry->range.count - 1;
	int r = 0;

	for (size_t i = begun_by(lines, last); r == 0 && i-- > 0 && lines->list[i].max_last >= entry->range.first;) {
		struct subid_claim claim = *entry;

		if (lines->list[i].last < entry->range.first || !names(&lines->list[i].parts, &entry->range, separator))
			continue;
		claim.line = lines->list[i].at;
		claim.length = lines->list[i].length;
		r = subid_claims_add(found, &claim);
	}
	return r;
}

static int ranges_look(const struct standings *lines, const struct index_view *view, struct subid_claims *found)
{
	struct subid_claim claim = { 0 };
	uint64_t cursor = 0;
	int r;

	while ((r = index_view_range_next(view, &cursor, &claim.range)) == 0) {
		r = entry_look(lines, &claim, view->header.separator, found);
		if (r < 0)
			return r;
	}
	return r == -ENOENT ? 0 : r;
}

static int accounts_look(const struct standings *lines, const struct index_view *view, struct subid_claims *found)
{
	struct index_account account;
	uint64_t cursor = 0;
	int r;

	while ((r = index_view_next(view, &cursor, &account)) == 0) {
		const struct subid_claim claim = subid_claim_of_account(&account);

		r = entry_look(lines, &claim, view->header.separator, found);
		if (r < 0)
			return r;
	}
	return r == -ENOENT ? 0 : r;
}

static int line_add(struct subid_lines *lines, const struct subid_claim *claim)
{
	int r = subid_lines_add_text(lines, claim->line, claim->length);

	return r < 0 ? r : subid_lines_add_text(lines, "\n", 1);
}

int subid_stale_find(const struct index_view *view, const struct subid_lines *present, struct subid_lines *stale)
{
	struct subid_claims claims = { 0 };
	struct standings lines = { 0 };
	int r = standings_make(present, &lines);

	if (r == 0 && lines.count > 0)
		r = ranges_look(&lines, view, &claims);
	if (r == 0 && lines.count > 0)
		r = accounts_look(&lines, view, &claims);
	free(lines.list);
	if (r == 0)
		r = subid_claims_ask(&claims);
	for (size_t i = 0; r == 0 && i < claims.count; i++)
		if (claims.list[i].stand == STAND_NO)
			r = line_add(stale, &claims.list[i]);
	subid_claims_free(&claims);
	return r == 0 ? subid_lines_sort(stale) : r;
}
