/* SPDX-License-Identifier: ISC */
/* Reading the runs of an account, newest first. */
#include <string.h>

#include "subuidd/operation.h"

enum failure op_run_list(struct call *call)
{
	enum failure failure = call_account(call, TO_READ);
	struct run_row rows[WIRE_BATCH];
	struct answer row;
	int n;

	if (failure != FAILURE_NONE)
		return failure;
	n = store_run_list(call->broker->store, call->account.uid, call->request.list.cursor, rows, WIRE_BATCH);
	if (n < 0)
		return call_fail_store(call, n);
	for (int i = 0; i < n; i++) {
		memset(&row, 0, sizeof(row));
		row.run = rows[i];
		call->answer.cursor = rows[i].seq;
		call_row(call, &row);
	}
	call->answer.more = n == WIRE_BATCH;
	return FAILURE_NONE;
}
