/* SPDX-License-Identifier: ISC */
/* Ranges of subordinate ids: given to an owner, or to one of the owner's sub-accounts. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "account/id.h"
#include "confine/cleanup.h"
#include "subuidd/op/limit.h"
#include "subuidd/ids/allocate.h"
#include "subuidd/op/churn.h"
#include "subuidd/op/claim.h"
#include "subuidd/op/range.h"
#include "subuidd/publish/publish.h"
#include "subuidd/wire/request.h"
#include "subuidd/door/operation.h"

#define BATCH 64

enum failure range_limit(struct call *call, const char *owner, uint32_t units)
{
	struct limit limit;
	uint32_t present = 0;
	char why[FAILURE_TEXT_MAX + 1];
	int r = limit_of(call, owner, &limit);

	if (r >= 0)
		r = store_range_units(call->broker->store, owner, &present);
	if (r < 0)
		return call_fail_store(call, r);
	if ((uint64_t)present + units <= limit.ranges)
		return churn_range(call, &limit, present, units);
	snprintf(why, sizeof(why), "%s has %u of %u blocks of %u ids, and asks for %u more", owner, present,
		 limit.ranges, RANGE_UNIT, units);
	return call_fail(call, FAILURE_LIMIT_REACHED, NULL, why, "remove one, or ask for a higher limit");
}

enum failure range_allocate(struct call *call, uint32_t units, const struct account *account)
{
	struct id_range *range = &call->range;
	int r;

	memset(range, 0, sizeof(*range));
	range->count = units * RANGE_UNIT;
	range->created = time(NULL);
	r = allocate_range(call->broker->store, &call->broker->settings, &call->broker->probe, range->created,
			   &range->count, &range->first);
	if (r == -ENOENT)
		return call_fail(call, FAILURE_POOL_EXHAUSTED, NULL,
				 "no such block of ids is left in the blocks of the settings",
				 "ask for fewer, or add a block to ranges= in subuidd.conf");
	if (r < 0)
		return call_fail_system(call, "no ids can be found", r);
	range->owner_uid = call->owner.uid;
	memcpy(range->owner, call->owner.name, sizeof(range->owner));
	if (account != NULL) {
		range->account_uid = account->uid;
		memcpy(range->label, account->label, sizeof(range->label));
	}
	r = store_range_insert(call->broker->store, range);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

int range_units_of_account(struct call *call, const struct account *account, uint32_t *units)
{
	cleanup_free struct id_range *rows = calloc(BATCH, sizeof(*rows));
	uint32_t after = 0, found = 0;
	int n;

	if (rows == NULL)
		return -ENOMEM;
	while ((n = store_range_list_account(call->broker->store, account->uid, after, rows, BATCH)) > 0)
		for (int i = 0; i < n; i++) {
			after = rows[i].first;
			found += request_units(rows[i].count);
		}
	if (n == 0)
		*units = found;
	return n;
}

/* A range of the caller's own, or of an owner they may act for; another's is not found, like one that does not
 * exist. */
static enum failure range_find(struct call *call, uint32_t first, struct id_range *range)
{
	char what[16];
	int r = store_range_get(call->broker->store, first, range);

	if (r < 0 && r != -ENOENT)
		return call_fail_store(call, r);
	snprintf(what, sizeof(what), "%u", first);
	if (r < 0 || strcmp(range->owner, call->owner.name) != 0 ||
	    (!call->caller.admin && range->owner_uid != call->caller.uid))
		return call_fail(call, FAILURE_NOT_FOUND, what, "there is no such range", "see subuid range list");
	return FAILURE_NONE;
}

/* The block behind a range, for the holder of that range. */
static enum failure range_follow(struct call *call, uint32_t units)
{
	struct id_range *range = &call->range, before;
	enum failure failure = range_find(call, call->request.range_add.after, &before);
	int r;

	if (failure != FAILURE_NONE)
		return failure;
	if (before.owner_uid != call->owner.uid ||
	    (call->request.range_add.name.label[0] != '\0' && before.account_uid != call->account.uid))
		return call_fail(call, FAILURE_CONFLICT, NULL, "the range to follow is another's",
				 "see subuid range list");
	*range = before;
	range->first = before.first + before.count;
	range->count = units * RANGE_UNIT;
	range->created = time(NULL);
	r = allocate_range_at(call->broker->store, &call->broker->settings, &call->broker->probe, range->first,
			      &range->count);
	if (r == -EEXIST || r == -ENOENT)
		return call_fail(call, FAILURE_CONFLICT, NULL,
				 r == -EEXIST ? "the ids behind the range are or were somebody's" :
						"behind the range the blocks of the settings end",
				 "take a block of its own: leave --grow out");
	if (r < 0)
		return call_fail_system(call, "no ids can be found", r);
	r = store_range_insert(call->broker->store, range);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure body_range_add(struct call *call)
{
	uint32_t units = request_units(call->request.range_add.count);
	enum failure failure = range_limit(call, call->owner.name, units);

	if (failure == FAILURE_NONE && call->request.range_add.after != 0)
		failure = range_follow(call, units);
	else if (failure == FAILURE_NONE)
		failure = range_allocate(call, units, call->account.uid != 0 ? &call->account : NULL);
	snprintf(call->detail, sizeof(call->detail), "%u ids from %u", call->range.count, call->range.first);
	return failure;
}

enum failure op_range_add(struct call *call)
{
	enum failure failure = FAILURE_NONE;
	int r;

	if (call->request.range_add.name.label[0] != '\0')
		failure = call_account(call, TO_CHANGE);
	if (failure == FAILURE_NONE && call->account.uid != 0)
		failure = call_owner_same(call);
	if (failure == FAILURE_NONE)
		failure = call_transaction(call, call->operation->action, body_range_add);
	if (failure != FAILURE_NONE)
		return failure;
	r = publish_range(call->broker->publication, &call->range);
	if (r < 0)
		return call_fail_system(call, "the range is saved, but the index cannot be written", r);
	call->answer.range = call->range;
	return FAILURE_NONE;
}

enum failure op_range_list(struct call *call)
{
	const struct request_list *list = &call->request.list;
	struct id_range rows[WIRE_BATCH];
	struct answer row;
	int n;

	if (list->cursor > UINT32_MAX)
		return call_fail(call, FAILURE_INVALID, "cursor", "not one of this list", "");
	n = store_range_list(call->broker->store, list->all ? NULL : call->owner.name, (uint32_t)list->cursor, rows,
			     WIRE_BATCH);
	if (n < 0)
		return call_fail_store(call, n);
	for (int i = 0; i < n; i++) {
		call->answer.cursor = rows[i].first;
		if (!call->caller.admin && rows[i].owner_uid != call->caller.uid)
			continue;
		if (list->name.label[0] != '\0' && strcmp(list->name.label, rows[i].label) != 0)
			continue;
		memset(&row, 0, sizeof(row));
		row.range = rows[i];
		row.range_adopted = !claim_range_inside(&call->broker->settings, rows[i].first, rows[i].count);
		call_row(call, &row);
	}
	call->answer.more = n == WIRE_BATCH;
	return FAILURE_NONE;
}

static enum failure body_range_remove(struct call *call)
{
	int r = store_range_delete(call->broker->store, call->range.first, time(NULL));

	snprintf(call->detail, sizeof(call->detail), "%u ids from %u, not given out again", call->range.count,
		 call->range.first);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

enum failure op_range_remove(struct call *call)
{
	enum failure failure = range_find(call, call->request.range_remove.first, &call->range);
	char what[16];
	int r;

	if (failure != FAILURE_NONE)
		return failure;
	snprintf(what, sizeof(what), "%u", call->range.first);
	if (call->range.account_uid != 0 && call_busy(call->broker, call->range.account_uid, call))
		return call_fail(call, FAILURE_BUSY, what, "a change of its account is under way", "try again");
	failure = call_transaction(call, call->operation->action, body_range_remove);
	if (failure != FAILURE_NONE)
		return failure;
	r = publish_range_gone(call->broker->publication, &call->range);
	if (r < 0)
		return call_fail_system(call, "the range is removed, but the index cannot be written", r);
	return FAILURE_NONE;
}
