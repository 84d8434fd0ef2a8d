/* SPDX-License-Identifier: ISC */
/*
 * A row that is a range: of an owner, or of one of the owner's sub-accounts; anywhere, behind another one, or just the
 * ids that it names. Run by the broker, in the open transaction.
 */
#include "subuidd/change/range.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "account/id.h"
#include "subuidd/change/change.h"
#include "subuidd/change/churn.h"
#include "subuidd/change/claim.h"
#include "subuidd/publish/publish.h"
#include "subuidd/ids/allocate.h"
#include "subuidd/wire/request.h"

enum failure range_limit(struct call *call, uint32_t units, struct limit *limit, uint32_t *present)
{
	const char *owner = call->owner.name;
	char why[FAILURE_TEXT_MAX + 1];
	int r = limit_of(call, owner, limit);

	*present = 0;
	if (r >= 0)
		r = store_range_units(call->store, owner, present);
	if (r < 0)
		return call_fail_store(call, r);
	if ((uint64_t)*present + units <= limit->ranges)
		return FAILURE_NONE;
	snprintf(why, sizeof(why), "%s has %u of %u blocks of %u ids, and asks for %u more", owner, *present,
		 limit->ranges, RANGE_UNIT, units);
	return call_fail(call, FAILURE_LIMIT_REACHED, NULL, why, "remove one, or ask for a higher limit");
}

/* Whether so many new blocks are allowed to the owner. */
static enum failure limit_check(struct call *call, uint32_t units)
{
	struct limit limit;
	uint32_t present;
	enum failure failure = range_limit(call, units, &limit, &present);

	return failure == FAILURE_NONE ? churn_range(call, &limit, present, units) : failure;
}

enum failure range_find(struct call *call, uint32_t first, struct id_range *range)
{
	char what[16];
	int r = store_range_get(call->store, first, range);

	if (r < 0 && r != -ENOENT)
		return call_fail_store(call, r);
	snprintf(what, sizeof(what), "%u", first);
	if (r < 0 || strcmp(range->owner, call->owner.name) != 0 ||
	    (!call->caller.admin && range->owner_uid != call->caller.uid))
		return call_fail(call, FAILURE_NOT_FOUND, what, "there is no such range", "see subuid range list");
	return FAILURE_NONE;
}

/* The rows of the line that this one is of: they are made together or not at all. */
static const struct change_row *line_first(const struct change *change, const struct change_row *row)
{
	while (row > change->rows && row[-1].request.line == row->request.line)
		row--;
	return row;
}

/* The next row of the same line that asks for a range for the same holder; NULL before the first, and behind the
 * last. */
static const struct change_row *line_range_next(const struct change *change, const struct change_row *row,
						const struct change_row *at)
{
	const struct request_name *name = &row->request.name;

	at = at == NULL ? line_first(change, row) : at + 1;
	for (; at < change->rows + change->count && at->request.line == row->request.line; at++)
		if (at->request.kind == IMPORT_RANGE && strcmp(at->request.name.label, name->label) == 0 &&
		    strcmp(at->request.name.owner, name->owner) == 0)
			return at;
	return NULL;
}

/* How much of it the line asks for anywhere. */
static uint32_t line_units(const struct change *change, const struct change_row *row)
{
	uint32_t units = 0;

	for (const struct change_row *at = NULL; (at = line_range_next(change, row, at)) != NULL;)
		units += at->request.first == 0 ? request_units(at->request.count) : 0;
	return units;
}

/* A range that the line names, or that it has made by now: that one answers to itself. */
static bool line_has(const struct change *change, const struct change_row *row, uint32_t first)
{
	for (const struct change_row *at = NULL; (at = line_range_next(change, row, at)) != NULL;)
		if (at->request.first == first || (at < row && at->outcome == IMPORT_MADE && at->range.first == first))
			return true;
	return false;
}

/* The existing part of what the line asks for anywhere. */
static int units_present(const struct call *call, const struct change_row *row, uint32_t *units)
{
	struct id_range rows[16];
	uint32_t after = 0, found = 0;
	int n;

	while ((n = row->account.uid != 0 ?
			    store_range_list_account(call->store, row->account.uid, after, rows, 16) :
			    store_range_list(call->store, row->request.name.owner, after, rows, 16)) > 0) {
		for (int i = 0; i < n; i++)
			if (rows[i].account_uid == row->account.uid && !line_has(call->change, row, rows[i].first))
				found += request_units(rows[i].count);
		after = rows[n - 1].first;
	}
	if (n == 0)
		*units = found;
	return n;
}

/* Unless it is to be one more, existing ids are counted, so that the same file may be read again. */
static enum failure there_already(struct call *call, struct change_row *row)
{
	uint32_t there = 0;
	int r = row->rules & ROW_ANEW ? 0 : units_present(call, row, &there);

	if (r < 0)
		return call_fail_store(call, r);
	if (there == 0 && !row_apart(call, row))
		return FAILURE_NONE;
	if (there == line_units(call->change, row))
		return row_present(row);
	return call_fail(call, FAILURE_EXISTS, NULL, "there already, with another number of subordinate ids",
			 "use subuid range");
}

static bool same(const struct id_range *there, const struct change_row *row)
{
	return there->count == row->request.count && there->account_uid == row->account.uid &&
	       there->owner_uid == row->owner.uid && strcmp(there->owner, row->request.name.owner) == 0;
}

static enum failure place_anywhere(struct call *call, bool small, struct id_range *range)
{
	struct broker *broker = call->broker;
	int r = small ? allocate_small(call->store, &broker->settings, &broker->probe, range->created, range->count,
				       &range->first) :
			allocate_range(call->store, &broker->settings, &broker->probe, range->created, &range->count,
				       &range->first);

	if (r == -ENOENT)
		return call_fail(call, FAILURE_POOL_EXHAUSTED, NULL,
				 "no such block of ids is left in the blocks of the settings",
				 "ask for fewer, or add a block to ranges= in subuidd.conf");
	return r < 0 ? call_fail_system(call, "no ids can be found", r) : FAILURE_NONE;
}

/* The block behind a range, for the holder of that range. */
static enum failure place_behind(struct call *call, const struct change_row *row, struct id_range *range)
{
	struct broker *broker = call->broker;
	struct id_range before;
	enum failure failure = range_find(call, row->after, &before);
	int r;

	if (failure != FAILURE_NONE)
		return failure;
	if (before.owner_uid != call->owner.uid || (row->account.uid != 0 && before.account_uid != row->account.uid))
		return call_fail(call, FAILURE_CONFLICT, NULL, "the range to follow is another's",
				 "see subuid range list");
	range->first = before.first + before.count;
	if (range_small(before.count))
		return call_fail(call, FAILURE_CONFLICT, NULL, "a small range is not followed by others",
				 "take a block of its own: leave --grow out");
	range->account_uid = before.account_uid;
	memcpy(range->label, before.label, sizeof(range->label));
	r = allocate_range_at(call->store, &broker->settings, &broker->probe, range->first, &range->count);
	if (r == -EEXIST || r == -ENOENT)
		return call_fail(call, FAILURE_CONFLICT, NULL,
				 r == -EEXIST ? "the ids behind the range are or were somebody's" :
						"behind the range the blocks of the settings end",
				 "take a block of its own: leave --grow out");
	return r < 0 ? call_fail_system(call, "no ids can be found", r) : FAILURE_NONE;
}

/* Ids that it names are as another host had given them out, or as the subid files do. */
static enum failure place(struct call *call, const struct change_row *row, struct id_range *range)
{
	const struct request_import *asked = &row->request;

	if (asked->first == 0) {
		range->count = row->small ? asked->count : request_units(asked->count) * RANGE_UNIT;
		return row->after != 0 ? place_behind(call, row, range) : place_anywhere(call, row->small, range);
	}
	range->first = asked->first;
	range->count = asked->count;
	return asked->flags & IMPORT_ADOPT ? claim_adopted(call, range->first, range->count) :
					     claim_range(call, range->first, range->count);
}

static enum failure range_make(struct call *call, const struct change_row *row)
{
	struct id_range range = { .owner_uid = call->owner.uid, .account_uid = row->account.uid };
	enum failure failure = limit_check(call, request_units(row->request.count));
	int r;

	range.created = row->request.created != 0 ? row->request.created : time(NULL);
	memcpy(range.owner, call->owner.name, sizeof(range.owner));
	memcpy(range.label, row->account.label, sizeof(range.label));
	if (failure == FAILURE_NONE)
		failure = row_probe(call);
	if (failure == FAILURE_NONE)
		failure = place(call, row, &range);
	if (failure != FAILURE_NONE)
		return failure;
	r = range_turn(call, (row->request.flags & IMPORT_ADOPT) != 0, &range);
	if (r == 0)
		r = store_range_insert(call->store, &range);
	call->range = range;
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

enum failure range_run(struct call *call, struct change_row *row)
{
	const bool adopted = (row->request.flags & IMPORT_ADOPT) != 0;
	enum failure failure = row->request.name.label[0] != '\0' ? row_account(call, row) : FAILURE_NONE;
	int r = -ENOENT;

	if (failure == FAILURE_NONE && row->request.first != 0)
		r = store_range_get(call->store, row->request.first, &call->range);
	else if (failure == FAILURE_NONE)
		failure = there_already(call, row);
	if (failure != FAILURE_NONE || row->outcome == IMPORT_PRESENT)
		return failure;
	if (r == 0 && same(&call->range, row))
		return row_present(row);
	if (r < 0 && r != -ENOENT)
		return call_fail_store(call, r);
	failure = range_make(call, row);
	if (failure != FAILURE_NONE)
		return failure;
	row->range = call->range;
	snprintf(call->detail, sizeof(call->detail), "%u ids from %u%s", call->range.count, call->range.first,
		 adopted ? ", adopted" : "");
	return row_made(call, row, adopted ? "range.adopt" : "range.add");
}

/* Those that made way. */
static int others_publish(struct call *call, const char *owner)
{
	struct id_range rows[16];
	uint32_t after = 0;
	int n, r = 0;

	do {
		n = store_range_list(call->store, owner, after, rows, 16);
		for (int i = 0; i < n && r == 0; i++) {
			r = publish_range(call->broker->publication, &rows[i]);
			after = rows[i].first;
		}
	} while (n > 0 && r == 0);
	return n < 0 ? n : r;
}

int range_publish(struct call *call, const struct change_row *row)
{
	int r = publish_range(call->broker->publication, &row->range);

	return r == 0 && (row->request.flags & IMPORT_ADOPT) != 0 ? others_publish(call, row->range.owner) : r;
}
