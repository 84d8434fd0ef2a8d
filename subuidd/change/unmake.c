/* SPDX-License-Identifier: ISC */
/* A row that cannot be made after all, once its intent is committed: what was made of it goes, the others go on. Run by
 * the broker. */
#include "subuidd/change/unmake.h"

#include "subuidd/change/change.h"
#include "subuidd/change/churn.h"
#include "subuidd/life/lifecycle.h"

/* Parts that were to be made for an account that does not exist after all. */
static void dependents_fail(struct change *change, const struct change_row *gone)
{
	for (size_t i = 0; i < change->count; i++) {
		struct change_row *row = &change->rows[i];

		if (row != gone && row->account.uid == gone->account.uid && row->outcome == IMPORT_MADE) {
			row->outcome = IMPORT_FAILED;
			failure_set(&row->failure, FAILURE_FAILED, row->target, "its account could not be made", "");
		}
	}
}

void row_fail(struct call *call, struct change_row *row, enum failure failure)
{
	row->outcome = IMPORT_FAILED;
	row->failure = call->answer.failure;
	row->failure.failure = failure;
	dependents_fail(call->change, row);
}

void row_undo(struct call *call, struct change_row *row, enum failure failure)
{
	row_fail(call, row, failure);
	lifecycle_undo(call, failure);
}

void row_unmake(struct call *call, struct change_row *row, const char *doing, int error)
{
	enum failure failure;

	row_take(call, row);
	failure = call_fail_system(call, doing, error);
	row_fail(call, row, failure);
	if (row->request.uid != 0) {
		lifecycle_undo(call, failure);
	} else {
		lifecycle_undo_unseen(call, failure);
		churn_account_back(call, row->owner.uid);
	}
}

void row_undo_errno(struct call *call, struct change_row *row, const char *doing, int error)
{
	row_take(call, row);
	row_undo(call, row, call_fail_system(call, doing, error));
}
