/* SPDX-License-Identifier: ISC */
/*
 * Adding an account: one idempotent call for id, home, link, key and range. It is a change of one line (change.h). Run
 * by the broker.
 */
#include <errno.h>

#include "subuidd/call/account_view.h"
#include "subuidd/change/change.h"
#include "subuidd/door/operation.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/op/repair.h"

/* An equal account is answered as if it had been made now. Missing parts (home, view, link) are made again, so that a
 * caller who gets an answer finds them. */
static enum failure add_answer(struct call *call)
{
	enum failure failure = change_failed(call);
	int r;

	if (failure == FAILURE_NONE && call->change->rows[0].outcome == IMPORT_PRESENT)
		return lifecycle_mend(call, LINK_MEND);
	if (failure != FAILURE_NONE)
		return failure;
	call->answer.account.created = 1;
	r = account_view_fill(call, &call->account, &call->answer.account);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

enum failure op_account_add(struct call *call)
{
	const struct request_add *add = &call->request.add;
	struct change_row *row;

	if (repair_touches(call->broker, call->target))
		return call_fail(call, FAILURE_BUSY, NULL, "a repair of it is under way", "try again");
	if (change_open(call, 3, add_answer) < 0)
		return call_fail_system(call, "the account", -ENOMEM);
	row = change_add(call, IMPORT_ACCOUNT, add->name.label);
	row->request.facts = add->facts;
	row->request.set = add->set;
	row->rules = ROW_VIEW;
	if (add->range_count != 0) {
		row = change_add(call, IMPORT_RANGE, add->name.label);
		row->request.count = add->range_count;
		row->rules = ROW_TOGETHER;
	}
	if (add->key.type[0] != '\0') {
		row = change_add(call, IMPORT_KEY, add->name.label);
		row->request.key = add->key;
		row->rules = ROW_TOGETHER;
	}
	return change_run(call);
}
