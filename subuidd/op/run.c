/* SPDX-License-Identifier: ISC */
/* Reading the runs of an account, newest first; or all, in the order in which they came (an export). */
#include <string.h>

#include "subuidd/door/operation.h"

enum failure op_run_list(struct call *call)
{
	bool all = call->request.list.all;
	enum failure failure = all ? FAILURE_NONE : call_account(call, TO_READ);
	uint64_t cursor = call->request.list.cursor;
	struct run_row rows[WIRE_BATCH];
	struct answer row;
	int n;

	if (failure != FAILURE_NONE)
		return failure;
	n = all ? store_run_list_all(call->store, cursor, rows, WIRE_BATCH) :
		  store_run_list(call->store, call->account.uid, cursor, rows, WIRE_BATCH);
	if (n < 0)
		return call_fail_store(call, n);
	for (int i = 0; i < n; i++) {
		memset(&row, 0, sizeof(row));
		row.run = rows[i];
		row.run.uid = all ? rows[i].uid : 0; /* a caller who asks for one account knows which */
		call->answer.cursor = rows[i].seq;
		call_row(call, &row);
	}
	call->answer.more = n == WIRE_BATCH;
	return FAILURE_NONE;
}
