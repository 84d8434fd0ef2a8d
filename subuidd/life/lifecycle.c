/* SPDX-License-Identifier: ISC */
/*
 * What an account is when it is complete, and the way back from an intent after a failure: home, view, link, row. Run
 * by the broker. The way there is change/make.c.
 */
#include "subuidd/life/lifecycle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "confine/cleanup.h"
#include "subuidd/base/child.h"
#include "subuidd/base/log.h"
#include "subuidd/call/known_time.h"
#include "subuidd/call/maintain.h"

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
	return store_removed_insert(call->store, &removed);
}

static enum failure body_delete(struct call *call)
{
	time_t now = time(NULL);
	int r = store_account_delete(call->store, call->account.uid, now);

	if (r == 0 && (call->account.flags & ACCOUNT_ASIDE_THERE) != 0)
		r = aside_again(call, now);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure body_removing(struct call *call)
{
	struct account removing = call->account;
	int r;

	removing.state = ACCOUNT_REMOVING;
	removing.flags |= ACCOUNT_KEEP_HOME;
	r = store_account_update(call->store, &removing);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

/* Somebody wrote into the new home: the owner, who saw the view. We may not delete it, and it would be in the way for
 * good: recovery removes the account like any other, and its data is set aside without end. */
static enum failure keep_data(struct call *call, enum failure failure)
{
	struct failure_text why = call->answer.failure;

	snprintf(call->detail, sizeof(call->detail), "it is no longer empty; data kept");
	call_transaction(call, "account.removing", body_removing);
	call->answer.failure = why;
	return call_again_later(call, failure);
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

/* The id of an account that was deleted in this transaction, and its ranges'. */
static int ids_release(struct call *call)
{
	struct id_range ranges[16];
	uint32_t uid = call->account.uid;
	int n, r = 0;

	while (r == 0 && (n = store_tombstone_list_account(call->store, uid, 0, ranges, 16)) != 0) {
		r = n < 0 ? n : 0;
		for (int i = 0; r == 0 && i < n; i++)
			r = store_tombstone_release(call->store, ranges[i].first);
	}
	return r == 0 ? store_tombstone_release(call->store, uid) : r;
}

static enum failure body_unmade(struct call *call)
{
	enum failure failure = body_delete(call);
	int r = failure == FAILURE_NONE ? ids_release(call) : 0;

	return r < 0 ? call_fail_store(call, r) : failure;
}

static enum failure undo(struct call *call, enum failure failure, bool unseen)
{
	struct failure_text why = call->answer.failure;
	enum failure undone;
	int r = unmake(call);

	if (r == -ENOTEMPTY)
		return keep_data(call, failure);
	if (r < 0 && r != -ENOENT) {
		log_error("%s: the parts that were made cannot be taken back: %s", call->target, strerror(-r));
		return call_again_later(call, failure);
	}
	snprintf(call->detail, sizeof(call->detail), "uid %u is %s%s", call->account.uid,
		 unseen ? "free again: nobody saw it" : "not given out again", data_stays(call->account.flags));
	undone = call_transaction(call, "account.undo", unseen ? body_unmade : body_delete);
	call->answer.failure = why;
	return undone == FAILURE_NONE ? failure : call_again_later(call, failure);
}

enum failure lifecycle_undo(struct call *call, enum failure failure)
{
	return undo(call, failure, false);
}

enum failure lifecycle_undo_unseen(struct call *call, enum failure failure)
{
	return undo(call, failure, (call->account.flags & ACCOUNT_THERE) == 0);
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
		return call_again_later(call, call_fail_doubt(call, call->owner_doubt));
	r = link_start_remove(&call->broker->homes, &call->owner, &call->account, &pid, &pidfd);
	if (r >= 0)
		r = child_watch(call->broker->event, pidfd, LINK_SECONDS, unlinked, call);
	return r < 0 ? lifecycle_undo(call, failure) : CALL_PENDING;
}

enum failure lifecycle_link_refused(struct call *call, enum link_result result)
{
	return call_fail(call, result == LINK_OCCUPIED ? FAILURE_CONFLICT : FAILURE_FAILED, NULL,
			 link_result_why(result), link_result_todo(result));
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
		r = child_watch(broker->event, pidfd, 0, NULL,
				NULL); /* reaped; code that needs it notices that it has ended */
	if (r < 0)
		lifecycle_close(broker);
	return r;
}
