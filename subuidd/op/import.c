/* SPDX-License-Identifier: ISC */
/*
 * An import, batch by batch: its rows are collected, made by one change (change.h), and answered together, each with
 * what came of it. Run by the broker.
 */
#include "subuidd/op/import.h"

#include <errno.h>
#include <string.h>

#include "subuidd/base/log.h"
#include "subuidd/change/change.h"
#include "subuidd/change/rehearsal.h"
#include "subuidd/door/operation.h"
#include "subuidd/life/evidence.h"

/* Every line that was refused is recorded, all of the batch in one transaction. */
static void failures_record(struct call *call)
{
	struct change *change = call->change;
	struct store *store = call->store;
	int r = 0, failures = 0;

	for (size_t i = 0; i < change->count && r == 0; i++) {
		const struct change_row *row = &change->rows[i];

		if (row->outcome != IMPORT_FAILED)
			continue;
		if (failures++ == 0)
			r = store_begin(store);
		row_take(call, row);
		call->account.uid = 0;
		audit_log(call, call->operation->action, &row->failure);
		if (r == 0) {
			r = audit_write(call, call->operation->action, &row->failure);
			if (r < 0)
				store_rollback(store);
		}
	}
	if (r == 0 && failures > 0)
		r = store_commit(store);
	if (r < 0)
		log_error("refusals could not be recorded: %s", strerror(-r));
}

/* The outcome of each row. */
static enum failure import_answer(struct call *call)
{
	struct answer row;

	if (!call->request.dry_run)
		failures_record(call);
	for (size_t i = 0; i < call->change->count; i++) {
		const struct change_row *from = &call->change->rows[i];

		memset(&row, 0, sizeof(row));
		row.import.line = from->request.line;
		row.import.kind = from->request.kind;
		row.import.outcome = from->outcome;
		if (from->outcome == IMPORT_FAILED)
			row.failure = from->failure;
		if (from->outcome == IMPORT_MADE || from->outcome == IMPORT_PRESENT)
			row.import.id = from->range.count != 0 ? from->range.first : from->account.uid;
		if (from->outcome == IMPORT_MADE) {
			row.import.home = from->disk.home;
			row.import.link = from->disk.link;
		}
		call_row(call, &row);
	}
	memset(&call->account, 0, sizeof(call->account));
	memset(&call->answer, 0, sizeof(call->answer));
	return FAILURE_NONE;
}

enum failure op_import(struct call *call)
{
	int r = change_open(call, WIRE_IMPORT_BATCH, import_answer);

	return r < 0 ? call_fail_system(call, "the import", r) : CALL_PENDING;
}

static void change_run_again(struct call *call)
{
	(void)change_run(call);
}

/* All rows are there. */
static void import_run(struct call *call, uint32_t flags)
{
	enum failure refused = (enum failure)call->answer.failure.failure;

	if (refused != FAILURE_NONE)
		call_finish(call, refused);
	else if (flags & IMPORT_GOES_ON)
		rehearsal_run(call);
	else if (call->request.dry_run || !evidence_holds(call, change_run_again))
		(void)change_run(call);
}

/* The members of a limit that are given: bounds are among its facts. */
static uint32_t limit_set(const struct request_import *row)
{
	return SET_LIMIT_ACCOUNTS | SET_LIMIT_KEYS | SET_LIMIT_RANGES |
	       (row->set >> FACT_BOUNDS & ((1u << BOUNDS) - 1)) << LIMIT_ROW_BOUNDS;
}

int import_continue(struct call *call, const struct request *request)
{
	const uint32_t same = IMPORT_KEEP_GOING | IMPORT_GOES_ON;
	struct change *change = call->change;
	uint32_t flags = request->import.flags;

	if (request->op != call->request.op || !wire_message(request->op)->import || !change->collecting ||
	    change->count == change->capacity)
		return -EPROTO;
	if (change->count > 0 &&
	    (((flags ^ change->rows[0].request.flags) & same) != 0 || request->dry_run != call->request.dry_run))
		return -EPROTO;
	change->rows[change->count++] = (struct change_row){
		.request = request->import,
		.slot = NO_SLOT,
		.limits = limit_set(&request->import),
	};
	change->keep_going = (flags & IMPORT_KEEP_GOING) != 0;
	change->collecting = (flags & IMPORT_MORE) != 0;
	if (!change->collecting)
		import_run(call, flags);
	return 0;
}

/* A refused caller has sent the rest already: it is taken, and answered once, with call->answer as it is. */
int import_begin(struct call *call, enum failure failure)
{
	if (call->change == NULL && change_open(call, WIRE_IMPORT_BATCH, import_answer) < 0)
		return -ENOMEM;
	if (failure == CALL_PENDING)
		memset(&call->answer.failure, 0, sizeof(call->answer.failure));
	else
		call->answer.failure.failure = failure;
	call->change->collecting = true;
	return import_continue(call, &call->request);
}
