/* SPDX-License-Identifier: ISC */
/* A change from its rows to its answer: the transaction in which they are made, and what follows it (change.h). */
#include "subuidd/change/change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "subuidd/change/churn.h"
#include "subuidd/change/rehearsal.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/publish/publish.h"
#include "subuidd/runs/runs.h"

/* ---- rows ---- */

static void change_free(struct call *call)
{
	struct change *change = call->change;

	change_look_end(call);
	if (change->links != NULL) {
		munmap(change->links, sizeof(*change->links));
		close(change->links_fd);
	}
	free(change);
	call->change = NULL;
	call->batch = NULL;
}

static bool change_collects(const struct call *call)
{
	return call->change->collecting;
}

static bool change_changes(const struct call *call, uint32_t uid)
{
	const struct change *change = call->change;

	for (size_t i = 0; i < change->fresh_count; i++)
		if (change->fresh[i]->account.uid == uid)
			return true;
	return false;
}

bool change_makes(const struct broker *broker, const char *owner, const char *label)
{
	for (const struct call *call = broker->calls; call != NULL; call = call->next)
		for (size_t i = 0; call->change != NULL && i < call->change->slots_count; i++) {
			const struct request_name *name = &call->change->slots[i]->request.name;

			if (strcmp(name->owner, owner) == 0 && strcmp(name->label, label) == 0)
				return true;
		}
	return false;
}

int change_open(struct call *call, size_t capacity, enum failure (*answer)(struct call *call))
{
	static const struct call_batch batch = { change_collects, change_changes, change_free };

	call->change = calloc(1, sizeof(*call->change) + capacity * sizeof(call->change->rows[0]));
	if (call->change == NULL)
		return -ENOMEM;
	call->change->capacity = capacity;
	call->change->answer = answer;
	call->batch = &batch;
	return 0;
}

struct change_row *change_add(struct call *call, enum import_kind kind, const char *label)
{
	struct change *change = call->change;
	struct change_row *row = &change->rows[change->count++];

	if (change->count > change->capacity)
		abort();
	row->request.kind = kind;
	memcpy(row->request.name.owner, call->owner.name, sizeof(row->request.name.owner));
	memcpy(row->request.name.label, label, strnlen(label, LABEL_MAX));
	row->owner = call->owner;
	row->slot = NO_SLOT;
	return row;
}

enum failure change_run(struct call *call)
{
	change_look(call);
	return CALL_PENDING;
}

/* ---- the transaction ---- */

/* A line that failed is as if it had not been there. */
static void line_forget(const struct call *call, struct change_row *rows, size_t count, const struct change_row *failed)
{
	for (size_t i = 0; i < count; i++) {
		if (rows[i].fresh && (rows[i].rules & ROW_RESTORE) == 0)
			churn_account_back(call, rows[i].owner.uid);
		if (&rows[i] != failed)
			rows[i].outcome = IMPORT_NOT_TRIED;
		rows[i].fresh = false;
		rows[i].account.uid = 0;
		rows[i].action[0] = '\0';
	}
}

/* The audit trail has a row of each, and in that what is made together with it. */
static int line_record(struct call *call, struct change_row *rows, size_t count)
{
	int r = 0;

	for (size_t i = 1; i < count; i++) {
		size_t used = strlen(rows[0].detail);

		if ((rows[i].rules & ROW_TOGETHER) != 0 && rows[i].detail[0] != '\0')
			snprintf(rows[0].detail + used, sizeof(rows[0].detail) - used, ", %s", rows[i].detail);
	}
	for (size_t i = 0; r == 0 && i < count; i++) {
		row_take(call, &rows[i]);
		r = rows[i].action[0] != '\0' ? audit_write(call, rows[i].action, NULL) : 0;
	}
	return r;
}

/* How the kinds of rows differ. */
static const struct {
	bool owned; /* the owner has to be there */
	enum failure (*run)(struct call *call, struct change_row *row);
	int (*publish)(struct call *call, const struct change_row *row);
} kinds[IMPORT_KIND_MAX_] = {
	[IMPORT_ACCOUNT] = { true, account_run, NULL },      [IMPORT_KEY] = { true, key_run, key_publish },
	[IMPORT_RANGE] = { true, range_run, range_publish }, [IMPORT_LIMIT] = { true, limit_run, limit_publish },
	[IMPORT_TOMBSTONE] = { false, tombstone_run, NULL }, [IMPORT_RUN] = { true, run_run, NULL },
	[IMPORT_FORMER] = { false, former_run, NULL },
};

/* One row. Its outcome, account, range and words for the audit trail are in the row; a failure's text in
 * call->answer. */
static enum failure row_run(struct call *call, struct change_row *row)
{
	enum failure failure = row_enter(call, row, kinds[row->request.kind].owned);

	return failure == FAILURE_NONE ? kinds[row->request.kind].run(call, row) : failure;
}

/* The rows of one line, all or none. 0, 1 when one failed, or the negative errno of the store. */
static int line_run(struct call *call, struct change_row *rows, size_t count)
{
	struct store *store = call->store;
	const struct change_row *failed = NULL;
	int r = store_save(store);

	for (size_t i = 0; r == 0 && failed == NULL && i < count; i++) {
		enum failure failure = row_run(call, &rows[i]);

		if (failure == FAILURE_NONE)
			continue;
		rows[i].outcome = IMPORT_FAILED;
		rows[i].failure = call->answer.failure;
		failed = &rows[i];
	}
	if (r == 0 && failed == NULL)
		r = line_record(call, rows, count);
	if (r == 0)
		r = store_save_end(store, failed != NULL ? -ECANCELED : 0);
	if (failed == NULL)
		return r;
	line_forget(call, rows, count, failed);
	return r == -ECANCELED ? 1 : r;
}

static size_t line_length(const struct change *change, size_t at)
{
	size_t end = at + 1;

	while (end < change->count && change->rows[end].request.line == change->rows[at].request.line)
		end++;
	return end - at;
}

/* 0: to be committed; 1: a line failed that stops all; or negative errno. */
static int lines_run(struct call *call)
{
	struct change *change = call->change;
	struct allocate_probe *probe = &call->broker->probe;
	int r = 0;

	change->probe_start = probe->start;
	probe->start = NULL; /* row_probe() does it once */
	for (size_t at = 0, length; r == 0 && at < change->count; at += length) {
		length = line_length(change, at);
		r = line_run(call, &change->rows[at], length);
		if (r == 1 && change->keep_going)
			r = 0;
	}
	probe->start = change->probe_start;
	return r;
}

/* Nothing of the batch is made: the transaction is undone. */
static void batch_forget(struct change *change)
{
	for (size_t i = 0; i < change->count; i++) {
		if (change->rows[i].outcome == IMPORT_MADE)
			change->rows[i].outcome = IMPORT_NOT_TRIED;
		change->rows[i].fresh = false;
	}
}

static void batch_fail(struct call *call, int error)
{
	struct change *change = call->change;

	batch_forget(change);
	call->target[0] = '\0';
	call_fail_store(call, error);
	change->rows[0].outcome = IMPORT_FAILED;
	change->rows[0].failure = call->answer.failure;
}

/* After the commit: what a row made of things that existed before is seen by the readers. All that belongs to a new
 * account is seen with it. */
static int row_publish(struct call *call, const struct change_row *row)
{
	bool later = row->account.uid != 0 && row->account.state != ACCOUNT_ACTIVE;

	return later || kinds[row->request.kind].publish == NULL ? 0 : kinds[row->request.kind].publish(call, row);
}

static void rows_publish(struct call *call)
{
	struct change *change = call->change;

	for (size_t i = 0; i < change->count; i++) {
		struct change_row *row = &change->rows[i];
		int r = row->outcome == IMPORT_MADE ? row_publish(call, row) : 0;

		if (r < 0) {
			row_take(call, row);
			call_published(call, "it is saved", r);
			row->failure = call->answer.failure;
			row->outcome = IMPORT_FAILED;
		}
	}
}

static void rows_log(struct call *call)
{
	for (size_t i = 0; i < call->change->count; i++) {
		const struct change_row *row = &call->change->rows[i];

		if (row->action[0] == '\0' || row->outcome != IMPORT_MADE)
			continue;
		row_take(call, row);
		audit_log(call, row->action, NULL);
	}
}

/* In a dry run nobody makes them: its answer, and the batches that follow, take them as made. */
static int fresh_activate(struct call *call)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < call->change->count; i++) {
		struct change_row *row = &call->change->rows[i];

		if (!row->fresh || row->outcome != IMPORT_MADE)
			continue;
		row->account = lifecycle_active(&row->account);
		r = store_account_update(call->store, &row->account);
	}
	return r;
}

/* 0, 1 when a line failed that stops all, or negative errno. keep: or 0 leaves the transaction open. */
static int batch_run(struct call *call, bool keep)
{
	struct store *store = call->store;
	int r = store_begin(store);

	if (r < 0)
		return r;
	r = lines_run(call);
	if (r == 0 && call->request.dry_run)
		r = fresh_activate(call);
	if (r == 0)
		return keep ? store_commit(store) : 0;
	store_rollback(store);
	return r;
}

/* Nothing follows: the answer tells of what is in the transaction, if one is open, which is then undone. */
static void dry_end(struct call *call, bool open)
{
	struct store *store = call->store;
	enum failure failure = call->change->answer(call);

	if (open)
		store_rollback(store);
	call_finish(call, failure);
}

void change_looked(struct call *call)
{
	struct change *change = call->change;
	const bool dry = call->request.dry_run, keep = !dry || change->rehearsed;
	int r;

	if (change->rehearsed)
		rehearsal_looked(call->broker);
	r = batch_run(call, keep);
	if (r < 0) /* says what the store says that it was done in */
		batch_fail(call, r);
	else if (r == 1)
		batch_forget(change);
	call->store = call->broker->store;
	if (dry) {
		dry_end(call, r == 0 && !keep);
		return;
	}
	if (r != 0) {
		change_end(call);
		return;
	}
	rows_log(call);
	rows_publish(call);
	if (change_make(call) != CALL_PENDING)
		change_end(call);
}

/* ---- the answer ---- */

enum failure change_failed(struct call *call)
{
	const struct change *change = call->change;

	for (size_t i = 0; i < change->count; i++)
		if (change->rows[i].outcome == IMPORT_FAILED) {
			row_take(call, &change->rows[i]);
			call->answer.failure = change->rows[i].failure;
			return (enum failure)change->rows[i].failure.failure;
		}
	row_take(call, &change->rows[0]);
	return FAILURE_NONE;
}

static bool alarms_set(const struct change *change)
{
	for (size_t i = 0; i < change->count; i++)
		if (change->rows[i].outcome == IMPORT_MADE && change->rows[i].request.facts.alarm != 0)
			return true;
	return false;
}

void change_end(struct call *call)
{
	publication_commit(call->broker->publication);
	if (alarms_set(call->change))
		alarm_look(call->broker);
	call_finish(call, call->change->answer(call));
}
