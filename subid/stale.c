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

#include "confine/cleanup.h"
#include "subid/line.h"
#include "subid/plan.h"
#include "subid/sorted.h"

struct standing {
	uint32_t reach;         /* the highest last id of this one and of all before it */
	struct subid_line line; /* its text too, which is `length` bytes from the name on */
	size_t length;
};

struct standings {
	struct standing *list;
	size_t count;
};

static int compare(const void *a, const void *b)
{
	const struct standing *x = a, *y = b;

	return (x->line.ids.first > y->line.ids.first) - (x->line.ids.first < y->line.ids.first);
}

static int standings_make(const struct subid_lines *present, struct standings *made)
{
	uint32_t reach = 0;

	made->list = calloc(present->count + 1, sizeof(*made->list));
	if (made->list == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < present->count; i++) {
		struct standing *standing = &made->list[made->count];

		standing->length = present->sorted[i].length;
		made->count += subid_line_parse(present->sorted[i].at, standing->length, &standing->line);
	}
	if (made->count > 0)
		qsort(made->list, made->count, sizeof(*made->list), compare);
	for (size_t i = 0; i < made->count; i++) {
		reach = made->list[i].line.ids.last > reach ? made->list[i].line.ids.last : reach;
		made->list[i].reach = reach;
	}
	return 0;
}

/* By name, by number, or under the name of the account that has it. */
static bool names(const struct subid_line *line, const struct id_range *range, char separator)
{
	char name[ACCOUNT_NAME_MAX + 1];

	return subid_line_names(line, range->owner, range->owner_uid) ||
	       (range->label[0] != '\0' && name_join(range->owner, separator, range->label, name) == 0 &&
		subid_line_is(line, name));
}

/* Those lines that touch the entry and name its owner. */
static int entry_look(const struct standings *lines, const struct subid_claim *entry, char separator,
		      struct subid_claims *found)
{
	const struct standing *at, last = { .line.ids.first = entry->range.first + (entry->range.count - 1) };
	int r = 0;

	at = lines->list + sorted_upto(lines->list, lines->count, sizeof(*at), &last, compare);
	while (r == 0 && at-- > lines->list && at->reach >= entry->range.first) {
		struct subid_claim claim = *entry;

		if (at->line.ids.last < entry->range.first || !names(&at->line, &entry->range, separator))
			continue;
		claim.line = at->line.name;
		claim.length = at->length;
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
		r = entry_look(lines, &claim, view->header.host.separator, found);
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
		struct subid_claim claim = { .range = { account.uid, 1, .owner_uid = account.owner_uid } };

		memcpy(claim.range.owner, account.owner, strlen(account.owner) + 1);
		r = entry_look(lines, &claim, view->header.host.separator, found);
		if (r < 0)
			return r;
	}
	return r == -ENOENT ? 0 : r;
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
			r = subid_lines_add_line(stale, claims.list[i].line, claims.list[i].length);
	subid_claims_free(&claims);
	return r == 0 ? subid_lines_sort(stale) : r;
}
