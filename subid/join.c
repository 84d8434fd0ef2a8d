/* SPDX-License-Identifier: ISC */
/*
 * Turns holders and their ids into lines. A holder has a line for each range, in the order in which they were given:
 * programs take the lines of one user for the map of a container, from the first to the last. Neighbours that were
 * given one after the other are one line, if no line of others comes between them: newuidmap writes a map of one page.
 *
 * An owner's lines are their own ranges alone. The uids of sub-accounts, and what these were given, are mapped by the
 * daemon (op/enter.c): in these files whatever is granted is listed.
 *
 * Pure, but for the heap. Run by children of the broker (root).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/name.h"
#include "confine/cleanup.h"
#include "subid/line.h"
#include "subid/plan.h"
#include "subid/sorted.h"

/* One line in the making. */
struct item {
	char name[ACCOUNT_NAME_MAX + 1];
	uint32_t place;
	uint32_t first;
	uint64_t count;
	struct subid_turn turn;
	bool fixed; /* joined with nothing */
};

struct items {
	struct item *list;
	size_t count;
};

static int compare_item(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int order = strcmp(x->name, y->name) ?: (x->place > y->place) - (x->place < y->place);

	return order != 0 ? order : (x->first > y->first) - (x->first < y->first);
}

static bool neighbours(const struct item *a, const struct item *b)
{
	return !a->fixed && !b->fixed && strcmp(a->name, b->name) == 0 && a->first + a->count == b->first &&
	       memcmp(a->turn.behind, b->turn.behind, sizeof(a->turn.behind)) == 0;
}

static void join(struct items *items)
{
	size_t n = 0;

	if (items->count == 0)
		return;
	qsort(items->list, items->count, sizeof(*items->list), compare_item);
	for (size_t i = 1; i < items->count; i++) {
		if (neighbours(&items->list[n], &items->list[i]))
			items->list[n].count += items->list[i].count;
		else
			items->list[++n] = items->list[i];
	}
	items->count = n + 1;
}

static int claim_add(struct items *items, const struct subid_claim *claim, char separator,
		     const struct subid_lines *fixed)
{
	const struct id_range *range = &claim->range;
	struct item item = { .place = range->place, .first = range->first, .count = range->count };
	struct subid_lines line = { 0 };
	int r = name_of_holder(range->owner, separator, range->label, item.name);

	item.turn.uid = range->account_uid != 0 ? range->account_uid : range->owner_uid;
	memcpy(item.turn.behind, range->behind, sizeof(range->behind));
	if (r == 0)
		r = subid_lines_add(&line, item.name, range->first, range->count);
	if (r == 0)
		item.fixed = subid_lines_find(fixed, line.text, line.length - 1) >= 0;
	subid_lines_free(&line);
	if (r == 0)
		items->list[items->count++] = item;
	return r;
}

/* ---- owners in doubt */

/* Lines as blocks, by name and first id. */
static int compare_lines(const void *a, const void *b)
{
	const struct subid_line *x = a, *y = b;
	int order = subid_bytes_order(x->name, x->name_length, y->name, y->name_length);

	return order != 0 ? order : (x->ids.first > y->ids.first) - (x->ids.first < y->ids.first);
}

struct standing {
	struct subid_line *list;
	size_t count;
};

static int standing_make(const struct subid_lines *before, struct standing *standing)
{
	standing->list = calloc(before->count + 1, sizeof(*standing->list));
	if (standing->list == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < before->count; i++)
		standing->count += subid_line_parse(before->sorted[i].at, before->sorted[i].length,
						    &standing->list[standing->count]);
	if (standing->count > 0)
		qsort(standing->list, standing->count, sizeof(*standing->list), compare_lines);
	return 0;
}

/* All of it is in one line of its holder. */
static bool stands(const struct standing *standing, const struct id_range *range, char separator)
{
	char name[ACCOUNT_NAME_MAX + 1] = "";
	const int r = name_of_holder(range->owner, separator, range->label, name);
	const struct subid_line asked = { name, strlen(name), { .first = range->first } };
	size_t upto = sorted_upto(standing->list, standing->count, sizeof(asked), &asked, compare_lines);
	const struct subid_line *line = upto > 0 ? &standing->list[upto - 1] : NULL;

	return r == 0 && line != NULL && subid_line_is(line, name) &&
	       range->first + (range->count - 1) <= line->ids.last;
}

/* ---- */

static int lines_write(const struct items *items, struct subid_lines *lines, struct subid_turn *turns)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < items->count; i++) {
		turns[i] = items->list[i].turn;
		r = subid_lines_add(lines, items->list[i].name, items->list[i].first, (uint32_t)items->list[i].count);
	}
	return r == 0 ? subid_lines_sort(lines) : r;
}

int subid_lines_of(const struct subid_claims *claims, char separator, const struct subid_lines *fixed,
		   const struct subid_lines *before, struct subid_lines *lines, struct subid_turn **turns,
		   unsigned *waiting)
{
	cleanup_free struct item *list = calloc(claims->count + 1, sizeof(*list));
	cleanup_free struct subid_turn *made = calloc(claims->count + 1, sizeof(*made));
	struct standing standing = { 0 };
	struct items items = { list, 0 };
	unsigned left_out = 0;
	int r = list == NULL || made == NULL ? -ENOMEM : standing_make(before, &standing);

	for (size_t i = 0; r == 0 && i < claims->count; i++) {
		const struct subid_claim *claim = &claims->list[i];

		if (claim->stand == STAND_YES ||
		    (claim->stand == STAND_DOUBT && stands(&standing, &claim->range, separator)))
			r = claim_add(&items, claim, separator, fixed);
		else
			left_out += claim->stand == STAND_DOUBT;
	}
	free(standing.list);
	if (r < 0)
		return r;
	join(&items);
	r = lines_write(&items, lines, made);
	if (r < 0)
		return r;
	*waiting = left_out;
	*turns = steal_ptr(&made);
	return 0;
}
