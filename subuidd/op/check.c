/* SPDX-License-Identifier: ISC */
/*
 * Proving the invariants, in steps: the cursor says which comes next, so that a
 * check of a million accounts holds nobody up. Its upper half is the step, the lower
 * one where in it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account/index.h"
#include "confine/cleanup.h"
#include "subuidd/op/check_child.h"
#include "subuidd/op/frozen.h"
#include "subuidd/child.h"
#include "subuidd/operation.h"

enum step { STEP_STORE, STEP_ACCOUNTS, STEP_RANGES, STEP_FILES, STEP_INDEX, STEP_INDEX_RANGES, STEPS };

struct check {
	struct frozen_turn turn; /* of a proof of the store */
	struct call *call;
	int memory;
	struct check_job job;
};

static void step_at(struct call *call, enum step step, uint32_t at)
{
	call->answer.more = step < STEPS;
	call->answer.cursor = (uint64_t)step << 32 | at;
}

/* What follows the step; only who may see all may see what is of nobody in particular. */
static void step_after(struct call *call, enum step step)
{
	if (step == STEP_RANGES && !call->request.list.all)
		step = STEPS - 1;
	step_at(call, (enum step)(step + 1), 0);
}

static void send_findings(struct call *call, const struct check_result *result)
{
	struct answer row;

	for (uint32_t i = 0; i < result->count && i < WIRE_BATCH; i++) {
		memset(&row, 0, sizeof(row));
		row.finding = result->findings[i];
		call_row(call, &row);
	}
}

/* r: why the walk along the index ended; 0: at this place, to be gone on from. */
static enum failure index_part_end(struct call *call, struct check_result *result, int r, enum step step, uint64_t at)
{
	if (r < 0 && r != -ENOENT)
		check_add(result, "index", "it cannot be read", "restart subuidd: it builds the index anew");
	send_findings(call, result);
	if (r < 0)
		step_after(call, step);
	else
		step_at(call, step, (uint32_t)at);
	return FAILURE_NONE;
}

/* Everything that the index shows is in the store. */
static enum failure step_index(struct call *call, uint64_t cursor)
{
	static struct index_reader reader = INDEX_READER(INDEX_PATH);
	struct check_result result = { 0 };
	struct index_account seen;
	struct account row;
	uint64_t at = cursor;
	int r = 0;

	for (int i = 0; i < 8 * CHECK_BATCH && result.count < CHECK_BATCH - 1; i++) {
		r = index_account_next(&reader, &at, &seen);
		if (r < 0)
			break;
		call->answer.checked++;
		if (store_account_by_uid(call->broker->store, seen.uid, &row) < 0 || row.state != ACCOUNT_ACTIVE)
			check_add(&result, seen.name, "in the index, but not in the store as active",
				  "restart subuidd: it builds the index anew");
	}
	return index_part_end(call, &result, r, STEP_INDEX, at);
}

static bool range_stored(struct store *store, const struct id_range *seen)
{
	struct id_range row;

	return store_range_get(store, seen->first, &row) == 0 && row.count == seen->count &&
	       row.owner_uid == seen->owner_uid && row.account_uid == seen->account_uid &&
	       strcmp(row.owner, seen->owner) == 0 && strcmp(row.label, seen->label) == 0;
}

/* The same of ranges: newuidmap grants what is there. */
static enum failure step_index_ranges(struct call *call, uint64_t cursor)
{
	static struct index_reader reader = INDEX_READER(INDEX_PATH);
	struct check_result result = { 0 };
	struct id_range seen;
	char subject[OWNER_MAX + 16];
	uint64_t at = cursor;
	int r = 0;

	for (int i = 0; i < 8 * CHECK_BATCH && result.count < CHECK_BATCH - 1; i++) {
		r = index_range_next(&reader, &at, &seen);
		if (r < 0)
			break;
		call->answer.checked++;
		if (range_stored(call->broker->store, &seen))
			continue;
		snprintf(subject, sizeof(subject), "%s %u", seen.owner, seen.first);
		check_add(&result, subject, "a range in the index, but not just so in the store",
			  "restart subuidd: it builds the index anew");
	}
	return index_part_end(call, &result, r, STEP_INDEX_RANGES, at);
}

/* Rows that have changed while the child looked are not judged by what it saw. */
static void forget_changed(struct check *check)
{
	for (int i = 0; i < check->job.accounts_count; i++) {
		const struct account *row = &check->job.accounts[i];
		struct account now = { 0 };

		check->job.busy[i] = store_account_by_uid(check->call->broker->store, row->uid, &now) < 0 ||
				     now.state != row->state || now.flags != row->flags ||
				     call_busy(check->call->broker, row->uid, check->call);
	}
}

static bool finding_stale(const struct check *check, const struct finding *finding)
{
	char name[ACCOUNT_NAME_MAX + 1];

	for (int i = 0; i < check->job.accounts_count; i++)
		if (check->job.busy[i] &&
		    name_join(check->job.accounts[i].owner, check->call->broker->settings.separator,
			      check->job.accounts[i].label, name) == 0 &&
		    strcmp(name, finding->subject) == 0)
			return true;
	return false;
}

static void check_done(void *data, int status)
{
	struct check *check = data;
	struct call *call = check->call;
	struct broker *broker = call->broker;
	bool proof = check->job.store;
	cleanup_free struct check_result *result = calloc(1, sizeof(*result)), *current = calloc(1, sizeof(*current));
	cleanup_fd int memory = check->memory;
	enum failure failure = FAILURE_NONE;

	if (result == NULL || current == NULL) {
		failure = call_fail_system(call, "the check", -ENOMEM);
	} else if (status != 0 || pread(memory, result, sizeof(*result), 0) != (ssize_t)sizeof(*result)) {
		failure = call_fail(call, FAILURE_FAILED, "check",
				    status == -ETIMEDOUT ? "a home or the user database does not answer" :
							   "the checking process failed",
				    "look at the log of subuidd");
	} else {
		forget_changed(check);
		for (uint32_t i = 0; i < result->count && i < WIRE_BATCH; i++)
			if (!finding_stale(check, &result->findings[i]))
				current->findings[current->count++] = result->findings[i];
		send_findings(call, current);
	}
	free(check);
	call_finish(call, failure);
	if (proof)
		frozen_end(broker);
}

static enum failure check_begin(struct call *call, struct check *check)
{
	int pidfd = -1, r = check_start(call->broker, &check->job, &check->memory, &pidfd);

	check->call = call;
	if (r >= 0) {
		r = child_watch(call->broker->event, pidfd, check->job.store ? PROOF_SECONDS : CHECK_SECONDS,
				check_done, check);
		if (r < 0)
			close(check->memory);
	}
	if (r >= 0)
		return CALL_PENDING;
	free(check);
	return call_fail_system(call, "the check cannot be started", r);
}

/* The database as a whole; it is frozen. */
static enum failure proof_begin(struct check *check)
{
	struct broker *broker = check->call->broker;
	enum failure failure = check_begin(check->call, check);

	if (failure != CALL_PENDING)
		frozen_end(broker);
	return failure;
}

static void proof_turn(struct frozen_turn *turn, int error)
{
	struct check *check = (struct check *)turn; /* its first member */
	struct call *call = check->call;
	enum failure failure;

	if (error < 0) {
		free(check);
		failure = call_fail_store(call, error);
	} else {
		failure = proof_begin(check);
	}
	if (failure != CALL_PENDING)
		call_finish(call, failure);
}

static enum failure step_store(struct call *call)
{
	struct check *check;
	int r;

	step_after(call, STEP_STORE);
	if (!call->request.list.all)
		return FAILURE_NONE;
	check = calloc(1, sizeof(*check));
	if (check == NULL)
		return call_fail_system(call, "the check", -ENOMEM);
	check->turn.run = proof_turn;
	check->call = call;
	check->job.store = true;
	call->answer.checked = 1;
	r = frozen_begin(call->broker, &check->turn);
	if (r == 0)
		return proof_begin(check);
	if (r > 0)
		return CALL_PENDING;
	free(check);
	return call_fail_store(call, r);
}

/* A row that is not the caller's is not looked at, as it is not listed. */
static bool row_hidden(const struct call *call, uint32_t owner_uid)
{
	return !call->caller.admin && owner_uid != call->caller.uid;
}

static enum failure step_accounts(struct call *call, uint32_t after)
{
	const char *owner = call->request.list.all ? NULL : call->owner.name;
	struct check *check = calloc(1, sizeof(*check));
	int n;

	if (check == NULL)
		return call_fail_system(call, "the check", -ENOMEM);
	n = store_account_list(call->broker->store, owner, after, check->job.accounts, CHECK_BATCH);
	if (n <= 0) {
		free(check);
		if (n < 0)
			return call_fail_store(call, n);
		step_after(call, STEP_ACCOUNTS);
		return FAILURE_NONE;
	}
	check->job.accounts_count = n;
	for (int i = 0; i < n; i++)
		check->job.busy[i] = row_hidden(call, check->job.accounts[i].owner_uid) ||
				     call_busy(call->broker, check->job.accounts[i].uid, call);
	call->answer.checked = (uint64_t)n;
	step_at(call, STEP_ACCOUNTS, check->job.accounts[n - 1].uid);
	return check_begin(call, check);
}

static enum failure step_ranges(struct call *call, uint32_t after)
{
	const char *owner = call->request.list.all ? NULL : call->owner.name;
	struct check *check = calloc(1, sizeof(*check));
	int n, kept = 0;

	if (check == NULL)
		return call_fail_system(call, "the check", -ENOMEM);
	n = store_range_list(call->broker->store, owner, after, check->job.ranges, CHECK_BATCH);
	if (n <= 0) {
		free(check);
		if (n < 0)
			return call_fail_store(call, n);
		step_after(call, STEP_RANGES);
		return FAILURE_NONE;
	}
	step_at(call, STEP_RANGES, check->job.ranges[n - 1].first);
	for (int i = 0; i < n; i++)
		if (!row_hidden(call, check->job.ranges[i].owner_uid) &&
		    !(check->job.ranges[i].account_uid != 0 &&
		      call_busy(call->broker, check->job.ranges[i].account_uid, call)))
			check->job.ranges[kept++] = check->job.ranges[i];
	check->job.ranges_count = kept;
	call->answer.checked = (uint64_t)kept;
	return check_begin(call, check);
}

static enum failure step_files(struct call *call)
{
	struct check *check = calloc(1, sizeof(*check));

	if (check == NULL)
		return call_fail_system(call, "the check", -ENOMEM);
	check->job.files = true;
	call->answer.checked = 1;
	step_after(call, STEP_FILES);
	return check_begin(call, check);
}

enum failure op_check(struct call *call)
{
	uint64_t cursor = call->request.list.cursor;

	switch (cursor >> 32) {
	case STEP_STORE:
		return step_store(call);
	case STEP_ACCOUNTS:
		return step_accounts(call, (uint32_t)cursor);
	case STEP_RANGES:
		return step_ranges(call, (uint32_t)cursor);
	case STEP_FILES:
		if (call->request.list.all)
			return step_files(call);
		break;
	case STEP_INDEX:
		if (call->request.list.all)
			return step_index(call, cursor & UINT32_MAX);
		break;
	case STEP_INDEX_RANGES:
		if (call->request.list.all)
			return step_index_ranges(call, cursor & UINT32_MAX);
		break;
	default:
		break;
	}
	return call_fail(call, FAILURE_INVALID, "cursor", "not one of a check", "");
}
