/* SPDX-License-Identifier: ISC */
/*
 * Proves the invariants, in steps: the cursor says which comes next, so that a
 * check of a million accounts holds nobody up. Its upper half is the step, the lower
 * one where in it. Run by the broker; children do the work that may hang (check_child.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/advice.h"
#include "confine/cleanup.h"
#include "subuidd/op/check_step.h"
#include "subuidd/door/operation.h"

static enum failure step_store(struct call *call, uint32_t at);
static enum failure step_host(struct call *call, uint32_t at);
static enum failure step_accounts(struct call *call, uint32_t after);
static enum failure step_ranges(struct call *call, uint32_t after);
static enum failure step_owners(struct call *call, uint32_t after);
static enum failure step_former(struct call *call, uint32_t after);
static enum failure step_files(struct call *call, uint32_t at);

/* Only a caller who may see everything may see findings that belong to nobody in particular. */
static const struct {
	bool all;
	enum failure (*run)(struct call *call, uint32_t at);
} steps[STEPS] = {
	[STEP_STORE] = { true, step_store },
	[STEP_HOST] = { true, step_host },
	[STEP_ACCOUNTS] = { false, step_accounts },
	[STEP_RANGES] = { false, step_ranges },
	[STEP_OWNERS] = { true, step_owners },
	[STEP_FORMER] = { true, step_former },
	[STEP_FILES] = { true, step_files },
	[STEP_INDEX] = { true, check_step_index },
	[STEP_INDEX_RANGES] = { true, check_step_index_ranges },
	[STEP_KEYS] = { true, check_step_keys },
	[STEP_REMOVED] = { true, check_step_removed },
	[STEP_DISK] = { true, check_step_disk },
};

void check_step_at(struct call *call, enum check_step step, uint32_t at)
{
	call->answer.more = step < STEPS;
	call->answer.cursor = (call->request.list.cursor & CURSOR_SLOW) | (uint64_t)step << 32 | at;
}

void check_step_after(struct call *call, enum check_step step)
{
	do
		step++;
	while (step < STEPS && steps[step].all && !call->request.list.all);
	if (step > STEP_FORMER) /* from here on nobody is looked up */
		local_free(&call->broker->local);
	check_step_at(call, step, 0);
}

/* ---- the store ---- */

/* A disk that takes nothing leaves the store as it is: the rest is looked at all the same. */
static enum failure unproven(struct call *call, int error)
{
	struct check_result result = { 0 };

	check_add_error(&result, "store", "it cannot be proven, the disk takes nothing", error);
	check_send(call, &result);
	return FAILURE_NONE;
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

static enum failure unfrozen(struct call *call, int error)
{
	return advice_disk(error) ? unproven(call, error) : call_fail_store(call, error);
}

static void proof_turn(struct frozen_turn *turn, int error)
{
	struct check *check = (struct check *)turn; /* its first member */
	struct call *call = check->call;
	enum failure failure;

	if (error < 0) {
		free(check);
		failure = unfrozen(call, error);
	} else {
		failure = proof_begin(check);
	}
	call_finish(call, failure);
}

/* Of an owner's check, which proves no store. */
static enum failure owner_count(struct call *call)
{
	struct store *store = call->store;
	uint32_t accounts = 0, units = 0;
	int r = store_account_count(store, call->owner.name, &accounts);

	if (r == 0)
		r = store_range_units(store, call->owner.name, &units);
	call->answer.total = (uint64_t)accounts + units;
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure step_store(struct call *call, uint32_t at)
{
	struct check *check;
	int r;

	(void)at;
	check_step_after(call, STEP_STORE);
	if (!call->request.list.all) /* where every check begins */
		return owner_count(call);
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
	return unfrozen(call, r);
}

/* ---- rows ---- */

/* A row that is not the caller's is not looked at, as it is not listed. */
static bool row_hidden(const struct call *call, uint32_t owner_uid)
{
	return !call->caller.admin && owner_uid != call->caller.uid;
}

/* Each owner's links as a whole are looked at once: with the first account. */
static bool owners_first(struct call *call, const struct check_job *job, int i)
{
	struct account first;

	for (int k = i; k-- > 0;)
		if (strcmp(job->accounts[k].owner, job->accounts[i].owner) == 0)
			return false;
	return store_account_list(call->store, job->accounts[i].owner, 0, &first, 1) == 1 &&
	       first.uid == job->accounts[i].uid;
}

static enum failure accounts_begin(struct call *call, struct check *check)
{
	struct check_job *job = &check->job;

	for (int i = 0; i < job->accounts_count; i++) {
		int r = 0;

		job->busy[i] = row_hidden(call, job->accounts[i].owner_uid) ||
			       call_busy(call->broker, job->accounts[i].uid, call);
		job->first[i] = owners_first(call, job, i);
		if (!job->busy[i])
			r = check_account_keys(call, &job->accounts[i], &check->early);
		if (r < 0) {
			free(check);
			return call_fail_store(call, r);
		}
	}
	call->answer.checked = (uint64_t)job->accounts_count;
	check_step_at(call, STEP_ACCOUNTS, job->accounts[job->accounts_count - 1].uid);
	local_refresh(&call->broker->local);
	return check_begin(call, check);
}

/* How many rows a step of this call looks at: few where more was wrong than fits, and for as long as they tell of much.
 */
static int rows_at_once(const struct call *call, struct check *check)
{
	if ((call->request.list.cursor & (CURSOR_FEW | CURSOR_SLOW)) != 0)
		return CHECK_FEW / 2;                          /* each may tell of a fault or two */
	check->again = call->request.list.cursor | CURSOR_FEW; /* more than 0 */
	return CHECK_BATCH;
}

/* After the last: owners without any account may have a link left. */
static enum failure accounts_end(struct call *call, struct check *check, bool none)
{
	check_step_after(call, STEP_ACCOUNTS);
	if (none && !call->request.list.all && call->owner_exists && !row_hidden(call, call->owner.uid)) {
		memcpy(check->job.owners[0].name, call->owner.name, sizeof(check->job.owners[0].name));
		check->job.owners[0].uid = call->owner.uid;
		check->job.owners_count = 1;
		return check_begin(call, check);
	}
	free(check);
	return FAILURE_NONE;
}

/* The owner of the account, or its former owner: it may have been removed since the last step. */
static int owner_of(struct store *store, uint32_t uid, char owner[OWNER_MAX + 1])
{
	struct id_range holder;
	struct account row;
	enum id_kind kind;
	int r = uid == 0 ? 0 : store_account_by_uid(store, uid, &row);

	if (uid != 0 && r == 0)
		memcpy(owner, row.owner, sizeof(row.owner));
	if (r != -ENOENT)
		return r;
	r = store_id_holder(store, uid, uid, &holder, &kind);
	if (r == 0)
		memcpy(owner, holder.owner, sizeof(holder.owner));
	return r;
}

/* The next rows: of all an owner's after the other's, so that each home is looked at by one child or by few. */
static int accounts_next(struct call *call, uint32_t after, struct account *rows, int max)
{
	struct store *store = call->store;
	char owner[OWNER_MAX + 1] = "";
	int r;

	if (!call->request.list.all)
		return store_account_list(store, call->owner.name, after, rows, max);
	r = owner_of(store, after, owner);
	return r < 0 ? r : store_account_list_by_owner(store, owner, after, rows, max);
}

static enum failure step_accounts(struct call *call, uint32_t after)
{
	struct check *check = calloc(1, sizeof(*check));
	int n;

	if (check == NULL)
		return call_fail_system(call, "the check", -ENOMEM);
	n = accounts_next(call, after, check->job.accounts, rows_at_once(call, check));
	if (n == -ENOENT) {
		free(check);
		return call_fail(call, FAILURE_BUSY, "check", "an id where it stood has been released", "check again");
	}
	if (n < 0) {
		free(check);
		return call_fail_store(call, n);
	}
	if (n == 0)
		return accounts_end(call, check, after == 0);
	check->job.accounts_count = n;
	return accounts_begin(call, check);
}

/* The owner's first range, where no account tells of the owner: they are looked at once, with this one. */
static bool owner_alone(struct call *call, const struct id_range *row)
{
	struct id_range first;
	uint32_t accounts = 0;

	return store_account_count(call->store, row->owner, &accounts) == 0 && accounts == 0 &&
	       store_range_list(call->store, row->owner, 0, &first, 1) == 1 && first.first == row->first;
}

static enum failure step_ranges(struct call *call, uint32_t after)
{
	const char *owner = call->request.list.all ? NULL : call->owner.name;
	struct check *check = calloc(1, sizeof(*check));
	int n, kept = 0;

	if (check == NULL)
		return call_fail_system(call, "the check", -ENOMEM);
	n = store_range_list(call->store, owner, after, check->job.ranges, rows_at_once(call, check));
	if (n <= 0) {
		free(check);
		if (n < 0)
			return call_fail_store(call, n);
		check_step_after(call, STEP_RANGES);
		return FAILURE_NONE;
	}
	check_step_at(call, STEP_RANGES, check->job.ranges[n - 1].first);
	for (int i = 0; i < n; i++)
		if (!row_hidden(call, check->job.ranges[i].owner_uid) &&
		    !(check->job.ranges[i].account_uid != 0 &&
		      call_busy(call->broker, check->job.ranges[i].account_uid, call))) {
			check->job.alone[kept] = owner_alone(call, &check->job.ranges[i]);
			check->job.ranges[kept++] = check->job.ranges[i];
		}
	check->job.ranges_count = kept;
	call->answer.checked = (uint64_t)kept;
	local_refresh(&call->broker->local);
	return check_begin(call, check);
}

static enum failure owners_begin(struct call *call, enum check_step step, uint32_t after,
				 int (*next)(struct call *call, struct check_job *job, uint32_t after, uint32_t *last))
{
	struct check *check = calloc(1, sizeof(*check));
	uint32_t last = 0;
	int n = check == NULL ? -ENOMEM : next(call, &check->job, after, &last);

	if (n < 0) {
		free(check);
		return n == -ENOMEM ? call_fail_system(call, "the check", n) : call_fail_store(call, n);
	}
	if (n == 0)
		check_step_after(call, step);
	else
		check_step_at(call, step, last);
	if (check->job.owners_count > 0)
		return check_begin(call, check);
	free(check);
	return FAILURE_NONE;
}

static enum failure step_owners(struct call *call, uint32_t after)
{
	return owners_begin(call, STEP_OWNERS, after, check_removed_owners);
}

static enum failure step_former(struct call *call, uint32_t after)
{
	return owners_begin(call, STEP_FORMER, after, check_former_owners);
}

/* ---- what is of nobody in particular ---- */

static enum failure step_simple(struct call *call, enum check_step step)
{
	struct check *check = calloc(1, sizeof(*check));

	if (check == NULL)
		return call_fail_system(call, "the check", -ENOMEM);
	check->job.files = step == STEP_FILES;
	check->job.host = step == STEP_HOST;
	call->answer.checked = 1;
	check_step_after(call, step);
	return check_begin(call, check);
}

static enum failure step_host(struct call *call, uint32_t at)
{
	(void)at;
	return step_simple(call, STEP_HOST);
}

static enum failure step_files(struct call *call, uint32_t at)
{
	(void)at;
	return step_simple(call, STEP_FILES);
}

enum failure op_check(struct call *call)
{
	uint64_t cursor = call->request.list.cursor, step = (cursor & ~(CURSOR_FEW | CURSOR_SLOW)) >> 32;

	if (step >= STEPS || (steps[step].all && step != STEP_STORE && !call->request.list.all))
		return call_fail(call, FAILURE_INVALID, "cursor", "not one of a check", "");
	return steps[step].run(call, (uint32_t)cursor);
}
