/* SPDX-License-Identifier: ISC */
/* Freeze, thaw, kill: what runs as an account. Run by the broker (root); children do it, and nobody waits for them. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "subuidd/base/child.h"
#include "subuidd/call/account_view.h"
#include "subuidd/door/operation.h"
#include "subuidd/life/freeze.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/publish/publish.h"

static enum failure answer_account(struct call *call)
{
	int r = account_view_fill(call, &call->account, &call->answer.account);

	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure body_account(struct call *call)
{
	enum failure failure = call_body_account(call);

	return failure == FAILURE_NONE ? answer_account(call) : failure;
}

/* The account chooses how long that takes: nobody's lock waits for it. */
static enum failure pending(struct call *call)
{
	call->overtaken = true;
	return CALL_PENDING;
}

static enum failure stood(struct call *call, int r)
{
	if (r >= 0 || call->answer.failure.failure != FAILURE_NONE)
		return call->answer.failure.failure;
	return call_fail_system(call, "no login is let in any more, but some of its processes run on", r);
}

static void freeze_ended(void *data, int status)
{
	call_finish(data, stood(data, status));
}

/* Published first: a login that starts later sees it. */
static enum failure freeze(struct call *call, enum failure failure, enum sessions_freeze how)
{
	int r;

	if (failure != FAILURE_NONE)
		return failure;
	r = publish_account_locked(call->broker->publication, &call->account);
	call->answer.failure.failure = call_published(call, "it is frozen", r);
	r = freeze_sessions(call->broker, call->account.uid, how, freeze_ended, call);
	return r == 1 ? pending(call) : stood(call, r);
}

static enum failure freeze_done(struct call *call, enum failure failure)
{
	return freeze(call, failure, FREEZE);
}

static enum failure freeze_done_again(struct call *call, enum failure failure)
{
	return freeze(call, failure, FREEZE_AGAIN);
}

enum failure op_account_freeze(struct call *call)
{
	enum failure failure = call_account(call, TO_CHANGE);
	bool again;

	if (failure != FAILURE_NONE)
		return failure;
	/* once more is no change, and stops what runs */
	again = (call->account.flags & ACCOUNT_FROZEN) != 0;
	call->account.flags |= ACCOUNT_FROZEN;
	return call_act(call, again ? NULL : call->operation->action, again ? answer_account : body_account,
			again ? freeze_done_again : freeze_done);
}

static enum failure went_on(struct call *call, int r)
{
	return r < 0 ? call_fail_system(call, "it may log in, but its processes still stand", r) : FAILURE_NONE;
}

static void thaw_ended(void *data, int status)
{
	call_finish(data, went_on(data, status));
}

static enum failure thaw_done(struct call *call, enum failure failure)
{
	int r;

	if (failure == FAILURE_NONE)
		failure =
			call_published(call, "it is saved", publish_account(call->broker->publication, &call->account));
	if (failure != FAILURE_NONE)
		return failure;
	r = freeze_begin(call->broker, call->account.uid, THAW, thaw_ended, call);
	return r == 1 ? pending(call) : went_on(call, r);
}

enum failure op_account_thaw(struct call *call)
{
	enum failure failure = call_account(call, TO_CHANGE);
	bool again;

	if (failure == FAILURE_NONE)
		failure = call_owner_same(call);
	if (failure != FAILURE_NONE)
		return failure;
	again = (call->account.flags & ACCOUNT_FROZEN) == 0;
	call->account.flags &= ~(uint32_t)ACCOUNT_FROZEN;
	return call_act(call, again ? NULL : call->operation->action, again ? answer_account : body_account, thaw_done);
}

/* ---- kill */

static enum failure killed(struct call *call, int r)
{
	if (r >= 0 || call->answer.failure.failure != FAILURE_NONE)
		return call->answer.failure.failure;
	return call_fail_system(call, "its processes cannot be ended", r);
}

static void kill_ended(void *data, int status)
{
	struct call *call = data;
	uint32_t *count = call->shared;

	call->shared = NULL;
	call->answer.ended.processes = *count;
	munmap(count, sizeof(*count));
	call_finish(call, killed(call, status));
}

/* Whether or not the trail could be written. */
static enum failure kill_done(struct call *call, enum failure failure)
{
	const unsigned grace = call->request.kill.now ? 0 : call->broker->settings.session_grace;
	uint32_t *count = child_memory(sizeof(*count));
	int r;

	call->answer.failure.failure = failure;
	if (count == NULL)
		return killed(call, -ENOMEM);
	call->shared = count;
	r = removal_kill_begin(call->broker, call->account.uid, grace, count, kill_ended, call);
	if (r == 1)
		return pending(call);
	munmap(count, sizeof(*count));
	return killed(call, r);
}

enum failure op_account_kill(struct call *call)
{
	enum failure failure = call_account(call, TO_CHANGE);

	return failure != FAILURE_NONE ? failure :
					 call_act(call, call->operation->action, call_body_nothing, kill_done);
}
