/* SPDX-License-Identifier: ISC */
/* The limits of owners, and the list of removed ids. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "subuidd/change/change.h"
#include "subuidd/change/churn.h"
#include "subuidd/door/operation.h"

enum failure op_limit_get(struct call *call)
{
	int r = limit_of(call, call->owner.name, &call->answer.limit);

	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure limit_answer(struct call *call)
{
	enum failure failure = change_failed(call);

	return failure == FAILURE_NONE ? op_limit_get(call) : failure;
}

enum failure op_limit_set(struct call *call)
{
	const struct request_limit_set *set = &call->request.limit_set;
	struct change_row *row;

	if (change_open(call, 1, limit_answer) < 0)
		return call_fail_system(call, "the limit", -ENOMEM);
	row = change_add(call, IMPORT_LIMIT, "");
	row->request.accounts = set->limit.accounts;
	row->request.keys = set->limit.keys;
	row->request.ranges = set->limit.ranges;
	row->request.facts.bounds = set->limit.bounds;
	row->limits = set->set;
	row->rules = ROW_OWNERLESS | ROW_ANEW | (set->reset ? ROW_RESET : 0);
	return change_run(call);
}

/* The administrators', for an export and for metrics: every limit that is not the default. */
enum failure op_limit_list(struct call *call)
{
	struct limit rows[WIRE_BATCH];
	struct answer row;
	uint64_t last = 0;
	int n = store_limit_list(call->store, call->request.list.cursor, rows, WIRE_BATCH, &last);

	if (n < 0)
		return call_fail_store(call, n);
	for (int i = 0; i < n; i++) {
		memset(&row, 0, sizeof(row));
		row.limit = rows[i];
		call_row(call, &row);
	}
	call->answer.cursor = last;
	call->answer.more = n == WIRE_BATCH;
	return FAILURE_NONE;
}

/* Ids that are never given out again; with owner "" those that others were seen to hold. */
enum failure op_tombstone_list(struct call *call)
{
	const struct request_list *list = &call->request.list;
	struct id_range rows[WIRE_BATCH];
	struct answer row;
	int n;

	if (list->cursor > UINT32_MAX)
		return call_fail(call, FAILURE_INVALID, "cursor", "not one of this list", "");
	n = store_tombstone_list(call->store, (uint32_t)list->cursor, rows, WIRE_BATCH);
	if (n < 0)
		return call_fail_store(call, n);
	for (int i = 0; i < n; i++) {
		memset(&row, 0, sizeof(row));
		row.range = rows[i];
		call->answer.cursor = rows[i].first;
		call_row(call, &row);
	}
	call->answer.more = n == WIRE_BATCH;
	return FAILURE_NONE;
}
