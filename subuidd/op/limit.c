/* SPDX-License-Identifier: ISC */
/* The limits of owners, and the list of removed ids. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "subuidd/op/limit.h"
#include "subuidd/door/operation.h"

int limit_of(struct call *call, const char *owner, struct limit *limit)
{
	const struct settings *settings = &call->broker->settings;
	int r = store_limit_get(call->broker->store, owner, limit);

	if (r != -ENOENT)
		return r;
	*limit = (struct limit){
		.accounts = settings->limit_accounts,
		.keys = settings->limit_keys,
		.ranges = settings->limit_ranges,
		.is_default = 1,
	};
	memcpy(limit->owner, owner, strnlen(owner, sizeof(limit->owner) - 1));
	return 0;
}

enum failure op_limit_get(struct call *call)
{
	int r = limit_of(call, call->owner.name, &call->answer.limit);

	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

/* Limits that are not asked for are read in the same transaction: two admins who set different limits both get
 * theirs. */
static enum failure body_limit(struct call *call)
{
	const struct request_limit_set *set = &call->request.limit_set;
	struct limit limit;
	int r;

	if (set->reset) {
		r = store_limit_delete(call->broker->store, set->limit.owner);
		snprintf(call->detail, sizeof(call->detail), "back to the default");
		return r < 0 && r != -ENOENT ? call_fail_store(call, r) : FAILURE_NONE;
	}
	r = limit_of(call, set->limit.owner, &limit);
	if (r < 0)
		return call_fail_store(call, r);
	limit.accounts = set->set & SET_LIMIT_ACCOUNTS ? set->limit.accounts : limit.accounts;
	limit.keys = set->set & SET_LIMIT_KEYS ? set->limit.keys : limit.keys;
	limit.ranges = set->set & SET_LIMIT_RANGES ? set->limit.ranges : limit.ranges;
	r = store_limit_set(call->broker->store, &limit);
	snprintf(call->detail, sizeof(call->detail), "accounts %u, keys %u, ranges %u", limit.accounts, limit.keys,
		 limit.ranges);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

enum failure op_limit_set(struct call *call)
{
	enum failure failure = call_transaction(call, call->operation->action, body_limit);

	return failure == FAILURE_NONE ? op_limit_get(call) : failure;
}

/* Root's, for an export: every limit that is not the default. */
enum failure op_limit_list(struct call *call)
{
	struct limit rows[WIRE_BATCH];
	struct answer row;
	uint64_t last = 0;
	int n = store_limit_list(call->broker->store, call->request.list.cursor, rows, WIRE_BATCH, &last);

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
	n = store_tombstone_list(call->broker->store, (uint32_t)list->cursor, rows, WIRE_BATCH);
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
