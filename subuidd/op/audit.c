/* SPDX-License-Identifier: ISC */
/* Reading the audit trail, newest first. */
#include <string.h>

#include "subuidd/door/operation.h"

enum failure op_audit_list(struct call *call)
{
	const struct request_list *list = &call->request.list;
	struct audit_entry rows[WIRE_BATCH];
	struct answer row;
	int n = store_audit_list(call->store, list->all ? NULL : call->owner.name, list->cursor, rows, WIRE_BATCH);

	if (n < 0)
		return call_fail_store(call, n);
	for (int i = 0; i < n; i++) {
		memset(&row, 0, sizeof(row));
		row.audit = rows[i];
		call->answer.cursor = rows[i].seq;
		call_row(call, &row);
	}
	call->answer.more = n == WIRE_BATCH;
	return FAILURE_NONE;
}
