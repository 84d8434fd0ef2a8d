/* SPDX-License-Identifier: ISC */
/*
 * Turns holders and their ids into lines. Neighbours of one holder are one line: newuidmap writes a map of one
 * page, and one line for each sub-account (214 of them) filled it, so that no container of their owner started any
 * more.
 *
 * The blocks of one holder are joined: an owner's own ranges, those that the owner gave to one account, the uids of
 * the owner's accounts. A line of another kind of holder is another line, so that taking one back splits no other.
 * A user who may map two neighbouring blocks may map across their border: the plug-in follows a request from piece
 * to piece.
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
	const char *holder; /* the label of the account that has it, "" the owner's own, or `uids` */
	uint32_t first;
	uint64_t count;
	bool fixed; /* joined with nothing */
};

struct items {
	struct item *list;
	size_t count;
};

static const char uids[] = "+";

static int compare_holder(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int order = strcmp(x->name, y->name) ?: strcmp(x->holder, y->holder);

	return order != 0 ? order : (x->first > y->first) - (x->first < y->first);
}

static int compare_first(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int order = (x->first > y->first) - (x->first < y->first);

	return order != 0 ? order : strcmp(x->name, y->name);
}

static bool neighbours(const struct item *a, const struct item *b)
{
	return !a->fixed && !b->fixed && strcmp(a->name, b->name) == 0 && strcmp(a->holder, b->holder) == 0 &&
	       a->first + a->count == b->first;
}

static void join(struct items *items)
{
	size_t n = 0;

	if (items->count == 0)
		return;
	qsort(items->list, items->count, sizeof(*items->list), compare_holder);
	for (size_t i = 1; i < items->count; i++) {
		if (neighbours(&items->list[n], &items->list[i]))
			items->list[n].count += items->list[i].count;
		else
			items->list[++n] = items->list[i];
	}
	items->count = n + 1;
	qsort(items->list, items->count, sizeof(*items->list), compare_first);
}

static int item_add(struct items *items, const char *name, const char *holder, const struct id_range *range,
		    const struct subid_lines *fixed)
{
	struct item item = { .holder = holder, .first = range->first, .count = range->count };
	struct subid_lines line = { 0 };
	int r;

	memcpy(item.name, name, strlen(name) + 1);
	r = subid_lines_add(&line, name, range->first, range->count);
	if (r == 0)
		item.fixed = subid_lines_find(fixed, line.text, line.length - 1) >= 0;
	subid_lines_free(&line);
	if (r == 0)
		items->list[items->count++] = item;
	return r;
}

/* Owners may use ranges that they gave to a sub-account, as the plug-in says too. */
static int claim_add(struct items *items, const struct subid_claim *claim, char separator,
		     const struct subid_lines *fixed)
{
	const struct id_range *range = &claim->range;
	char name[ACCOUNT_NAME_MAX + 1];
	int r = item_add(items, range->owner, claim->account ? uids : range->label, range, fixed);

	if (r < 0 || range->label[0] == '\0')
		return r;
	r = name_join(range->owner, separator, range->label, name);
	return r < 0 ? r : item_add(items, name, "", range, fixed);
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

/* All of it is in one line of this owner. */
static bool stands(const struct standing *standing, const struct id_range *range)
{
	const struct subid_line asked = { range->owner, strlen(range->owner), { .first = range->first } };
	size_t upto = sorted_upto(standing->list, standing->count, sizeof(asked), &asked, compare_lines);
	const struct subid_line *line = upto > 0 ? &standing->list[upto - 1] : NULL;

	return line != NULL && subid_line_is(line, range->owner) && range->first + (range->count - 1) <= line->ids.last;
}

/* ---- */

static int lines_write(const struct items *items, struct subid_lines *lines)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < items->count; i++)
		r = subid_lines_add(lines, items->list[i].name, items->list[i].first, (uint32_t)items->list[i].count);
	return r == 0 ? subid_lines_sort(lines) : r;
}

int subid_lines_of(const struct subid_claims *claims, char separator, const struct subid_lines *fixed,
		   const struct subid_lines *before, struct subid_lines *lines, unsigned *waiting)
{
	cleanup_free struct item *list = calloc(claims->count * 2 + 1, sizeof(*list));
	struct standing standing = { 0 };
	struct items items = { list, 0 };
	unsigned left_out = 0;
	int r = list == NULL ? -ENOMEM : standing_make(before, &standing);

	for (size_t i = 0; r == 0 && i < claims->count; i++) {
		const struct subid_claim *claim = &claims->list[i];

		if (claim->stand == STAND_YES || (claim->stand == STAND_DOUBT && stands(&standing, &claim->range)))
			r = claim_add(&items, claim, separator, fixed);
		else
			left_out += claim->stand == STAND_DOUBT;
	}
	free(standing.list);
	if (r < 0)
		return r;
	join(&items);
	r = lines_write(&items, lines);
	if (r == 0)
		*waiting = left_out;
	return r;
}
