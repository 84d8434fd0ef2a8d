/* SPDX-License-Identifier: ISC */
/* Ranges of subordinate ids: given to an owner, or to one of the owner's sub-accounts. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "subuidd/change/claim.h"
#include "subuidd/change/change.h"
#include "subuidd/change/range.h"
#include "subuidd/publish/publish.h"
#include "subuidd/door/operation.h"

static struct id_range told(const struct id_range *range)
{
	struct id_range copy = *range;

	memset(copy.behind, 0, sizeof(copy.behind));
	return copy;
}

static enum failure range_answer(struct call *call)
{
	enum failure failure = change_failed(call);

	if (failure == FAILURE_NONE)
		call->answer.range = told(&call->change->rows[0].range);
	return failure;
}

enum failure op_range_add(struct call *call)
{
	const struct request_range_add *add = &call->request.range_add;
	struct change_row *row;

	if (change_open(call, 1, range_answer) < 0)
		return call_fail_system(call, "the range", -ENOMEM);
	row = change_add(call, IMPORT_RANGE, add->name.label);
	row->request.count = add->count;
	row->after = add->after;
	row->small = add->small != 0;
	row->rules = ROW_ANEW;
	return change_run(call);
}

enum failure op_range_list(struct call *call)
{
	const struct request_list *list = &call->request.list;
	struct id_range rows[WIRE_BATCH];
	struct answer row;
	int n;

	if (list->cursor > UINT32_MAX)
		return call_fail(call, FAILURE_INVALID, "cursor", "not one of this list", "");
	if (caller_is_account(&call->caller))
		n = store_range_list_account(call->store, call->caller.account_uid, (uint32_t)list->cursor, rows,
					     WIRE_BATCH);
	else
		n = store_range_list(call->store, list->all ? NULL : call->owner.name, (uint32_t)list->cursor, rows,
				     WIRE_BATCH);
	if (n < 0)
		return call_fail_store(call, n);
	for (int i = 0; i < n; i++) {
		call->answer.cursor = rows[i].first;
		if (!caller_sees(&call->caller, rows[i].owner_uid, rows[i].account_uid))
			continue;
		if (list->name.label[0] != '\0' && strcmp(list->name.label, rows[i].label) != 0)
			continue;
		memset(&row, 0, sizeof(row));
		row.range = told(&rows[i]);
		row.range_adopted = !claim_range_inside(&call->broker->settings, rows[i].first, rows[i].count);
		call_row(call, &row);
	}
	call->answer.more = n == WIRE_BATCH;
	return FAILURE_NONE;
}

static enum failure body_range_remove(struct call *call)
{
	int r = store_range_delete(call->store, call->range.first, time(NULL));

	snprintf(call->detail, sizeof(call->detail), "%u ids from %u, not given out again", call->range.count,
		 call->range.first);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure range_removed(struct call *call, enum failure failure)
{
	if (failure != FAILURE_NONE)
		return failure;
	return call_published(call, "the range is removed",
			      publish_range_gone(call->broker->publication, &call->range));
}

enum failure op_range_remove(struct call *call)
{
	enum failure failure = range_find(call, call->request.range_remove.first, &call->range);
	char what[16];

	if (failure != FAILURE_NONE)
		return failure;
	snprintf(what, sizeof(what), "%u", call->range.first);
	if (call->range.account_uid != 0 && call_busy(call->broker, call->range.account_uid, call))
		return call_fail(call, FAILURE_BUSY, what, "a change of its account is under way", "try again");
	return call_act(call, call->operation->action, body_range_remove, range_removed);
}
