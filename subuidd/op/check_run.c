/* SPDX-License-Identifier: ISC */
/*
 * One step of a check, once it is known what is looked at: a child does it (check_child.h), and what it has found is
 * judged by what has changed meanwhile, and told. Run by the broker.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "subuidd/base/child.h"
#include "subuidd/op/check_step.h"

void check_send(struct call *call, const struct check_result *result)
{
	struct answer row;

	for (uint32_t i = 0; i < result->count && i < WIRE_BATCH; i++) {
		memset(&row, 0, sizeof(row));
		row.finding = result->findings[i];
		call_row(call, &row);
	}
}

/* A row that has changed while the child looked is not judged by what it saw. */
static bool row_changed(const struct check *check, const struct account *row)
{
	struct account now = { 0 };

	return store_account_by_uid(check->call->store, row->uid, &now) < 0 || now.state != row->state ||
	       now.flags != row->flags || call_busy(check->call->broker, row->uid, check->call);
}

static bool finding_stale(const struct check *check, const struct finding *finding)
{
	struct account now;

	/* a link that a child took for nobody's may belong to an account that is just being made */
	if (finding->place == PLACE_LINK && finding->repair == REPAIR_LEFTOVER)
		return store_account_get(check->call->store, finding->owner, finding->label, &now) != -ENOENT;
	for (int i = 0; i < check->job.accounts_count; i++)
		if (finding->uid == check->job.accounts[i].uid)
			return row_changed(check, &check->job.accounts[i]);
	return false;
}

/* At the same rows, in small steps: no answer holds all that was found, or it took too long. */
static void look_again(struct check *check, uint64_t how)
{
	check->call->answer.cursor = check->again | how;
	check->call->answer.checked = 0;
}

static void results_send(struct check *check, struct check_result *found)
{
	struct check_result *current = &check->early;

	if (check->again != 0 && found->count + current->count >= WIRE_BATCH - 1) {
		look_again(check, CURSOR_FEW);
		return;
	}
	for (uint32_t i = 0; i < found->count && i < WIRE_BATCH; i++)
		if (current->count < WIRE_BATCH && !finding_stale(check, &found->findings[i]))
			current->findings[current->count++] = found->findings[i];
	if (check->again == 0 && current->count > WIRE_BATCH / 4 && check->call->answer.more)
		check->call->answer.cursor |= CURSOR_FEW;
	check_send(check->call, current);
}

static void check_done(void *data, int status)
{
	struct check *check = data;
	struct call *call = check->call;
	struct broker *broker = call->broker;
	bool proof = check->job.store;
	cleanup_free struct check_result *result = calloc(1, sizeof(*result));
	cleanup_fd int memory = check->memory;
	enum failure failure = FAILURE_NONE;

	if (result == NULL)
		failure = call_fail_system(call, "the check", -ENOMEM);
	else if (status == -ETIMEDOUT && check->again != 0)
		look_again(check, CURSOR_SLOW);
	else if (status != 0 || pread(memory, result, sizeof(*result), 0) != (ssize_t)sizeof(*result))
		failure = call_fail(call, FAILURE_FAILED, "check",
				    status == -ETIMEDOUT ? "a disk or the user database does not answer" :
							   "the checking process failed",
				    "look at the log of subuidd");
	else
		results_send(check, result);
	if (result != NULL && result->total > 0)
		call->answer.total = result->total;
	free(check);
	call_finish(call, failure);
	if (proof)
		frozen_end(broker);
}

enum failure check_begin(struct call *call, struct check *check)
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
