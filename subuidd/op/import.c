/* SPDX-License-Identifier: ISC */
/* An import, batch by batch: its rows are collected, run in one transaction, and answered together. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "subuidd/life/evidence.h"
#include "subuidd/op/import.h"
#include "subuidd/op/rehearsal.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/base/log.h"
#include "subuidd/publish/publish.h"
#include "subuidd/runs/runs.h"
#include "subuidd/door/operation.h"

/* ---- collecting ---- */

static void batch_free(struct call *call)
{
	struct import *import = call->import;

	import_look_end(call);
	if (import->shared != NULL)
		munmap(import->shared, sizeof(*import->shared));
	free(import);
	call->import = NULL;
	call->batch = NULL;
}

static bool batch_collects(const struct call *call)
{
	return call->import->collecting;
}

static bool batch_changes(const struct call *call, uint32_t uid)
{
	const struct import *import = call->import;

	for (size_t i = 0; i < import->fresh_count; i++)
		if (import->fresh[i]->account.uid == uid)
			return true;
	return false;
}

static int batch_open(struct call *call)
{
	static const struct call_batch batch = { batch_collects, batch_changes, batch_free };

	call->import = calloc(1, sizeof(*call->import));
	if (call->import == NULL)
		return -ENOMEM;
	call->batch = &batch;
	return 0;
}

enum failure op_import(struct call *call)
{
	int r = batch_open(call);

	return r < 0 ? call_fail_system(call, "the import", r) : CALL_PENDING;
}

int import_continue(struct call *call, const struct request *request)
{
	const uint32_t same = IMPORT_DRY_RUN | IMPORT_KEEP_GOING | IMPORT_GOES_ON;
	struct import *import = call->import;
	uint32_t flags = request->import.flags;

	if (request->op != OP_IMPORT || import == NULL || import->count == WIRE_IMPORT_BATCH)
		return -EPROTO;
	if (import->count > 0 && ((flags ^ import->rows[0].request.flags) & same))
		return -EPROTO;
	import->rows[import->count].slot = NO_SLOT;
	import->rows[import->count++].request = request->import;
	import->collecting = (flags & IMPORT_MORE) != 0;
	if (import->collecting)
		return 0;
	if (import->refused != FAILURE_NONE) {
		call->answer.failure = import->refusal;
		call_finish(call, import->refused);
	} else if (flags & IMPORT_GOES_ON) {
		rehearsal_run(call);
	} else if ((flags & IMPORT_DRY_RUN) || !evidence_holds(call, import_look)) {
		import_look(call);
	}
	return 0;
}

/* A refused caller has sent the rest already: it is taken, and answered once. */
int import_begin(struct call *call, enum failure failure)
{
	if (call->import == NULL && batch_open(call) < 0)
		return -ENOMEM;
	if (failure != CALL_PENDING) {
		call->import->refused = failure;
		call->import->refusal = call->answer.failure;
	}
	return import_continue(call, &call->request);
}

/* ---- the transaction ---- */

void import_row_take(struct call *call, const struct import_row *row)
{
	call->owner = row->owner;
	call->owner_exists = row->owner.uid != 0;
	call->account = row->account;
	call->range = row->range;
	memcpy(call->target, row->target, sizeof(call->target));
	snprintf(call->detail, sizeof(call->detail), "%s", row->detail);
	memset(&call->answer.failure, 0, sizeof(call->answer.failure));
}

/* A line that failed is as if it had not been there. */
static void line_forget(struct import_row *rows, size_t count, const struct import_row *failed)
{
	for (size_t i = 0; i < count; i++) {
		if (&rows[i] != failed)
			rows[i].outcome = IMPORT_NOT_TRIED;
		rows[i].fresh = false;
		rows[i].account.uid = 0;
		rows[i].action[0] = '\0';
	}
}

/* The rows of one line, all or none. 0, 1 when one failed, or the negative errno of the store. */
static int line_run(struct call *call, struct import_row *rows, size_t count)
{
	struct store *store = call->broker->store;
	const struct import_row *failed = NULL;
	int r = store_part_begin(store);

	for (size_t i = 0; r == 0 && failed == NULL && i < count; i++) {
		enum failure failure = import_row_run(call, &rows[i]);

		if (failure == FAILURE_NONE)
			continue;
		rows[i].outcome = IMPORT_FAILED;
		rows[i].failure = call->answer.failure;
		failed = &rows[i];
	}
	if (r == 0)
		r = store_part_end(store, failed != NULL ? -ECANCELED : 0);
	if (failed == NULL)
		return r;
	line_forget(rows, count, failed);
	return r == -ECANCELED ? 1 : r;
}

static size_t line_length(const struct import *import, size_t at)
{
	size_t end = at + 1;

	while (end < import->count && import->rows[end].request.line == import->rows[at].request.line)
		end++;
	return end - at;
}

/* 0: to be committed; 1: a line failed that stops all; or negative errno. */
static int lines_run(struct call *call)
{
	struct import *import = call->import;
	bool keep_going = (import->rows[0].request.flags & IMPORT_KEEP_GOING) != 0;
	struct allocate_probe *probe = &call->broker->probe;
	int (*start)(void *) = probe->start;
	int r = start != NULL ? start(probe->data) : 0;

	/* ids that the rest of the host holds are read once for the batch, not for each of its ids */
	probe->start = NULL;
	for (size_t at = 0, length; r == 0 && at < import->count; at += length) {
		length = line_length(import, at);
		r = line_run(call, &import->rows[at], length);
		if (r == 1 && keep_going)
			r = 0;
	}
	probe->start = start;
	return r;
}

/* Nothing of the batch is made: the transaction is undone. */
static void batch_forget(struct import *import)
{
	for (size_t i = 0; i < import->count; i++) {
		if (import->rows[i].outcome == IMPORT_MADE)
			import->rows[i].outcome = IMPORT_NOT_TRIED;
		import->rows[i].fresh = false;
	}
}

static void batch_fail(struct call *call, int error)
{
	struct import *import = call->import;

	batch_forget(import);
	call->target[0] = '\0';
	call_fail_store(call, error);
	import->rows[0].outcome = IMPORT_FAILED;
	import->rows[0].failure = call->answer.failure;
}

/* Keys and ranges of accounts that were there, and of owners themselves, are seen from now on. */
static void rows_publish(struct call *call)
{
	struct import *import = call->import;

	for (size_t i = 0; i < import->count; i++) {
		struct import_row *row = &import->rows[i];
		int r = 0;

		if (row->outcome != IMPORT_MADE)
			continue;
		if (row->account.uid != 0 && row->account.state == ACCOUNT_ACTIVE)
			r = publish_account_whole(call->broker->publication, &row->account);
		else if (row->account.uid == 0 && row->range.count != 0)
			r = publish_range(call->broker->publication, &row->range);
		if (r < 0) {
			import_row_take(call, row);
			call_fail_system(call, "it is saved, but the index cannot be written", r);
			row->failure = call->answer.failure;
			row->outcome = IMPORT_FAILED;
		}
	}
}

static void rows_log(struct call *call)
{
	for (size_t i = 0; i < call->import->count; i++) {
		const struct import_row *row = &call->import->rows[i];

		if (row->action[0] == '\0' || row->outcome != IMPORT_MADE)
			continue;
		import_row_take(call, row);
		audit_log(call, row->action, NULL);
	}
}

/* In a dry run nobody makes them: the batches that follow take them as made. */
static int fresh_activate(struct call *call)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < call->import->count; i++) {
		struct import_row *row = &call->import->rows[i];

		if (!row->fresh || row->outcome != IMPORT_MADE)
			continue;
		row->account = lifecycle_active(&row->account);
		r = store_account_update(call->broker->store, &row->account);
	}
	return r;
}

/* 0, 1 when a line failed that stops all, or negative errno. */
static int batch_run(struct call *call, bool keep)
{
	struct store *store = call->broker->store;
	int r = store_begin(store);

	if (r < 0)
		return r;
	r = lines_run(call);
	if (r == 0 && call->import->rehearsed != NULL)
		r = fresh_activate(call);
	if (r == 0 && keep)
		return store_commit(store);
	store_rollback(store);
	return r;
}

struct store *import_store(const struct call *call)
{
	return call->import->rehearsed != NULL ? call->import->rehearsed : call->broker->store;
}

void import_looked(struct call *call)
{
	struct import *import = call->import;
	struct store *store = call->broker->store;
	bool dry_run = (import->rows[0].request.flags & IMPORT_DRY_RUN) != 0;
	int r;

	if (import->rehearsed != NULL)
		rehearsal_looked(call->broker);
	call->broker->store = import_store(call);
	r = batch_run(call, !dry_run || import->rehearsed != NULL);
	if (r < 0) /* says what the store says that it was done in */
		batch_fail(call, r);
	else if (r == 1)
		batch_forget(import);
	call->broker->store = store;
	if (r != 0 || dry_run) {
		import_end(call);
		return;
	}
	rows_log(call);
	rows_publish(call);
	if (import_make(call) != CALL_PENDING)
		import_end(call);
}

/* ---- the answers ---- */

/* Every line that was refused is recorded, all of the batch in one transaction. */
static void failures_record(struct call *call)
{
	struct import *import = call->import;
	struct store *store = call->broker->store;
	int r = 0, failures = 0;

	for (size_t i = 0; i < import->count && r == 0; i++) {
		const struct import_row *row = &import->rows[i];

		if (row->outcome != IMPORT_FAILED)
			continue;
		if (failures++ == 0)
			r = store_begin(store);
		import_row_take(call, row);
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

static bool alarms_set(const struct import *import)
{
	for (size_t i = 0; i < import->count; i++)
		if (import->rows[i].outcome == IMPORT_MADE && import->rows[i].request.facts.alarm != 0)
			return true;
	return false;
}

void import_end(struct call *call)
{
	struct import *import = call->import;
	struct answer row;

	if ((import->rows[0].request.flags & IMPORT_DRY_RUN) == 0)
		failures_record(call);
	publication_commit(call->broker->publication);
	if (alarms_set(import))
		alarm_look(call->broker);
	for (size_t i = 0; i < import->count; i++) {
		const struct import_row *from = &import->rows[i];

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
	call_finish(call, FAILURE_NONE);
}
