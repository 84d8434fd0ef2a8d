/* SPDX-License-Identifier: ISC */
/*
 * From the intent to make an account to an active one, and back: home, link, activation, and undo after a failure.
 * Run by the broker.
 */
#include "subuidd/call/account_view.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/call/maintain.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "subuidd/base/child.h"
#include "subuidd/call/known_time.h"
#include "subuidd/base/log.h"
#include "subuidd/life/meter.h"
#include "subuidd/publish/publish.h"

#define UNFINISHED_SECONDS 30u

static enum failure body_active(struct call *call)
{
	struct account active = lifecycle_active(&call->account);
	int r = store_account_update(call->broker->store, &active);

	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

struct account lifecycle_active(const struct account *account)
{
	struct account active = *account;

	active.state = ACCOUNT_ACTIVE;
	active.flags &= ~(uint32_t)(ACCOUNT_THERE | ACCOUNT_KEEP_HOME | ACCOUNT_PURGE);
	return active;
}

/* The data was set aside before, and is again: for the grace period from now on, or without end. */
static int aside_again(struct call *call, int64_t now)
{
	const struct account *account = &call->account;
	struct removed removed = { .uid = account->uid, .when = now, .known = known_time_now(call->broker) };

	removed.keep = (account->flags & ACCOUNT_KEEP_HOME) != 0;
	if (!removed.keep && (account->flags & ACCOUNT_ASIDE_DUE) == 0)
		return 0;
	memcpy(removed.owner, account->owner, sizeof(removed.owner));
	memcpy(removed.label, account->label, sizeof(removed.label));
	return store_removed_insert(call->broker->store, &removed);
}

static enum failure body_delete(struct call *call)
{
	time_t now = time(NULL);
	int r = store_account_delete(call->broker->store, call->account.uid, now);

	if (r == 0 && (call->account.flags & ACCOUNT_ASIDE_THERE) != 0)
		r = aside_again(call, now);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

/* Left as it is: recovery looks at it again. */
static enum failure leave(struct call *call, enum failure failure)
{
	call->broker->unfinished = true;
	maintain_in(call->broker, UNFINISHED_SECONDS);
	return failure;
}

static enum failure body_removing(struct call *call)
{
	struct account removing = call->account;
	int r;

	removing.state = ACCOUNT_REMOVING;
	removing.flags |= ACCOUNT_KEEP_HOME;
	r = store_account_update(call->broker->store, &removing);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

/* Somebody wrote into the new home: the owner, who saw the view. It is not ours to delete, and would be in the way
 * for good: recovery removes the account like any other, and its data is set aside without end. */
static enum failure keep_data(struct call *call, enum failure failure)
{
	struct failure_text why = call->answer.failure;

	snprintf(call->detail, sizeof(call->detail), "it is not empty any more; data kept");
	call_transaction(call, "account.removing", body_removing);
	call->answer.failure = why;
	return leave(call, failure);
}

/* View and home, except parts that existed before. */
static int unmake(struct call *call)
{
	const struct homes *homes = &call->broker->homes;
	int r = call->account.flags & ACCOUNT_VIEW_THERE ? 0 : home_view_close(homes, &call->account);

	return r >= 0 || r == -ENOENT ? home_unmake(homes, &call->account) : r;
}

static const char *data_stays(uint32_t flags)
{
	return flags & ACCOUNT_HOME_THERE  ? "; its home stays as it was" :
	       flags & ACCOUNT_ASIDE_THERE ? "; its data stays set aside" :
					     "";
}

enum failure lifecycle_undo(struct call *call, enum failure failure)
{
	struct failure_text why = call->answer.failure;
	enum failure undone;
	int r = unmake(call);

	if (r == -ENOTEMPTY)
		return keep_data(call, failure);
	if (r < 0 && r != -ENOENT) {
		log_error("%s: what was made of it cannot be taken back: %s", call->target, strerror(-r));
		return leave(call, failure);
	}
	snprintf(call->detail, sizeof(call->detail), "uid %u is not given out again%s", call->account.uid,
		 data_stays(call->account.flags));
	undone = call_transaction(call, "account.undo", body_delete);
	call->answer.failure = why;
	return undone == FAILURE_NONE ? failure : leave(call, failure);
}

/* An account that is active but not seen is not acknowledged; the next change repairs the index or fails, too. */
static enum failure activate(struct call *call)
{
	enum failure failure;
	int r;

	snprintf(call->detail, sizeof(call->detail), "uid %u", call->account.uid);
	failure = call_transaction(call, call->operation->action, body_active);
	if (failure != FAILURE_NONE)
		return leave(call, failure);
	call->account = lifecycle_active(&call->account);
	r = publish_account_whole(call->broker->publication, &call->account);
	if (r < 0)
		return call_fail_system(call, "it is made, but the index cannot be written", r);
	call->answer.account.created = 1;
	r = account_view_fill(call, &call->account, &call->answer.account);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static void unlinked(void *data, int status)
{
	struct call *call = data;

	(void)status;
	call_finish(call, lifecycle_undo(call, (enum failure)call->answer.failure.failure));
}

enum failure lifecycle_take_back(struct call *call, enum failure failure)
{
	int pidfd = -1, r;
	pid_t pid = -1;

	if (call->account.flags & ACCOUNT_LINK_THERE)
		return lifecycle_undo(call, failure);
	if (call->owner_doubt != 0) /* that child may have made the link */
		return leave(call, call_fail_doubt(call, call->owner_doubt));
	r = link_start(&call->broker->homes, &call->owner, &call->account, false, &pid, &pidfd);
	if (r >= 0)
		r = child_watch(call->broker->event, pidfd, LINK_SECONDS, unlinked, call);
	return r < 0 ? lifecycle_undo(call, failure) : CALL_PENDING;
}

enum failure lifecycle_link_refused(struct call *call, enum link_result result)
{
	return call_fail(call, result == LINK_OCCUPIED ? FAILURE_CONFLICT : FAILURE_FAILED, NULL, link_result_why(result),
			 link_result_todo(result));
}

static enum failure link_failed(struct call *call, enum link_result result)
{
	enum failure failure = lifecycle_link_refused(call, result);

	/* nobody can say whether that child made it */
	return result == LINK_TIMEOUT || result == LINK_FAILED ? lifecycle_take_back(call, failure)
							       : lifecycle_undo(call, failure);
}

/* A child's result, or how it ended. */
static enum link_result link_result_from(int status)
{
	if (status == -ETIMEDOUT)
		return LINK_TIMEOUT;
	return status >= LINK_OK && status <= LINK_TIMEOUT ? (enum link_result)status : LINK_FAILED;
}

static void linked(void *data, int status)
{
	struct call *call = data;
	const struct account *account = &call->account;
	enum link_result result = link_result_from(status);
	enum failure failure;
	int r;

	r = result == LINK_OK && call->view == FAILURE_NONE ? home_sync(&call->broker->homes, &account, 1) : 0;
	if (result != LINK_OK)
		failure = link_failed(call, result);
	else if (call->view != FAILURE_NONE)
		failure = lifecycle_take_back(call, call->view); /* its text is set already */
	else if (r < 0)
		failure = lifecycle_take_back(call, call_fail_system(call, "its home cannot be written", r));
	else
		failure = activate(call);
	if (failure != CALL_PENDING)
		call_finish(call, failure);
}

static enum failure make(struct call *call)
{
	const struct homes *homes = &call->broker->homes;
	struct home_kept kept;
	int r = home_make(homes, &call->account);

	if (r == -EEXIST) /* it came in between: nothing that an undo may touch */
		call->account.flags |= ACCOUNT_HOME_THERE;
	if (r < 0)
		return call_fail_system(call, "its home cannot be made", r);
	r = call->account.facts.quota != 0 || call->account.facts.files > 0 ? home_quota_set(homes, &call->account, &kept) : 0;
	if (r < 0)
		return call_fail_system(call, "its quota cannot be set", r);
	meter_want(call->broker, call->account.uid); /* a home that existed before may have too much in it */
	return FAILURE_NONE;
}

static enum failure make_view(struct call *call)
{
	int r = home_view_open(&call->broker->homes, &call->account, call->owner.gid);

	return r < 0 ? call_fail_system(call, "the owner's view cannot be made", r) : FAILURE_NONE;
}

void lifecycle_close(struct broker *broker)
{
	cleanup_fd int forker = broker->forker; /* ends with it */

	(void)forker;
	broker->forker = -1;
}

int lifecycle_open(struct broker *broker)
{
	int pidfd = -1, r = link_forker_start(&broker->forker, &pidfd);

	if (r >= 0)
		r = child_watch(broker->event, pidfd, 0, NULL, NULL); /* reaped; that it has ended is seen where it is needed */
	if (r < 0)
		lifecycle_close(broker);
	return r;
}

/* Once more with another, where the first one has ended. */
static int prepare(struct call *call)
{
	struct broker *broker = call->broker;
	int r = -EPIPE;

	for (int i = 0; i < 2 && r == -EPIPE; i++) {
		r = broker->forker < 0 ? lifecycle_open(broker) : 0;
		if (r >= 0)
			r = link_prepare(broker->forker, &broker->homes, &call->owner, &call->account, &call->link);
		if (r == -EPIPE) {
			log_warn("the process that forks for the links has ended and is started again");
			lifecycle_close(broker);
		}
	}
	return r;
}

enum failure lifecycle_prepare(struct call *call)
{
	enum failure failure = call_owner_same(call);
	int r;

	if (failure != FAILURE_NONE)
		return failure;
	r = prepare(call);
	return r < 0 ? call_fail_system(call, "the link cannot be made", r) : FAILURE_NONE;
}

static void looked(void *data, int status);

/* Takes call->link. */
static int watch_link(struct call *call)
{
	cleanup_fd int channel = steal_fd(&call->link);
	int pidfd = -1, r;
	pid_t pid = -1;

	r = link_prepared(call->broker->forker, &pid, &pidfd);
	if (r < 0) {
		lifecycle_close(call->broker); /* its late words would be taken for the next answer */
		return r;
	}
	return child_watch_answer(call->broker->event, pidfd, steal_fd(&channel), LINK_SECONDS, looked, call, &call->linker);
}

void lifecycle_abandon(struct call *call)
{
	if (call->link >= 0 && watch_link(call) >= 0)
		child_forget(call->linker);
}

static enum failure body_there(struct call *call)
{
	int r = store_account_update(call->broker->store, &call->account);

	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

/* Of what was there in the owner's home a crash has to know, too. It is there once in a thousand times. */
static enum failure remember_there(struct call *call, uint32_t there)
{
	call->account.flags |= there;
	return there == 0 ? FAILURE_NONE : call_transaction(call, NULL, body_there);
}

/* The owner's home has been looked at by the child, which waits: nothing was made there yet. */
static enum failure home_first(struct call *call, int status)
{
	enum link_result result = link_result_from(status < 0 ? status : status & LINK_LOOK_RESULT);
	enum failure failure = result == LINK_OK ? remember_there(call, link_look_flags((unsigned char)status)) :
						   lifecycle_link_refused(call, result);

	return failure == FAILURE_NONE ? make(call) : failure;
}

static void looked(void *data, int status)
{
	struct call *call = data;
	enum failure failure = home_first(call, status);

	if (failure != FAILURE_NONE) {
		child_forget(call->linker);
		call_finish(call, lifecycle_undo(call, failure));
		return;
	}
	child_await(call->linker, LINK_SECONDS, linked);
	child_go(call->linker);
	call->view = make_view(call);
}

/*
 * The home first, then the link, by the child that has become the owner meanwhile: where both are on one file system, the
 * flush that the child waits for takes the home along, and ours after it is none. The view, which is no matter of the
 * disk, is mounted during that flush; nobody has been told of the account yet.
 */
enum failure lifecycle_complete(struct call *call)
{
	int r = watch_link(call);

	return r < 0 ? lifecycle_undo(call, call_fail_system(call, "the link cannot be made", r)) : CALL_PENDING;
}
