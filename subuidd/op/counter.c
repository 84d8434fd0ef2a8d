/* SPDX-License-Identifier: ISC */
/* What the daemon counts, for metrics: of the host for administrators, of an owner's accounts for the owner. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "subuidd/call/counters.h"
#include "subuidd/call/denied.h"
#include "subuidd/door/operation.h"

static void row_put(struct call *call, const char *name, const char *of, uint64_t value)
{
	struct answer row;

	memset(&row, 0, sizeof(row));
	row.counter.value = value;
	snprintf(row.counter.name, sizeof(row.counter.name), "%s", name);
	snprintf(row.counter.of, sizeof(row.counter.of), "%s", of);
	call_row(call, &row);
}

/* Ids rise: those above all that were ever given out in a block are free. */
static int pool_put(struct call *call, const char *of, const struct id_block *blocks, unsigned count)
{
	uint64_t total = 0, left = 0;

	for (unsigned i = 0; i < count; i++) {
		uint32_t next = blocks[i].first;
		int r = store_ids_next(call->store, blocks[i], &next);

		if (r < 0 && r != -ENOENT)
			return r;
		total += (uint64_t)blocks[i].last - blocks[i].first + 1;
		if (r == 0 && next <= blocks[i].last)
			left += (uint64_t)blocks[i].last - next + 1;
	}
	row_put(call, "idsTotal", of, total);
	row_put(call, "idsFree", of, left);
	return 0;
}

static int host_put(struct call *call)
{
	const struct settings *settings = &call->broker->settings;
	int r = pool_put(call, "accounts", settings->accounts, settings->accounts_count);

	if (r == 0)
		r = pool_put(call, "ranges", settings->ranges, settings->ranges_count);
	row_put(call, "limitDefault", "accounts", settings->limit_accounts);
	row_put(call, "limitDefault", "keys", settings->limit_keys);
	row_put(call, "limitDefault", "ranges", settings->limit_ranges);
	for (unsigned i = FAILURE_NONE + 1; i < FAILURE_MAX_; i++)
		row_put(call, "refusals", failure_name((enum failure)i), call->broker->counters.refusals[i]);
	return r;
}

enum failure op_counter_list(struct call *call)
{
	const bool all = call->request.list.all != 0;
	int r = all ? host_put(call) : 0;

	for (unsigned i = 0; i < LOGIN_RESULTS; i++)
		row_put(call, "logins", login_result_words[i],
			counters_logins(&call->broker->counters, all ? NULL : call->owner.name, i));
	row_put(call, "logins", "denied", denied_logins(all ? NULL : &call->owner.uid));
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}
