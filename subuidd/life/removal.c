/* SPDX-License-Identifier: ISC */
/* Removes accounts: sessions, view, link, home. purge.c deletes the data that is set aside. Run by the
 * broker. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "account/date.h"
#include "confine/cleanup.h"
#include "subuidd/base/child.h"
#include "home/sessions.h"
#include "home/traces.h"
#include "subuidd/call/known_time.h"
#include "subuidd/life/again.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/call/maintain.h"
#include "subuidd/base/log.h"
#include "subuidd/publish/publish.h"

#define SESSIONS_AGAIN_SECONDS 2u
#define ENDING_SECONDS 20u /* the child ends by itself before */
#define RANGES_AT_ONCE 64

/* A child that ends sessions. The account or its owner chooses how many there are, and how fast new ones appear, so the
 * broker waits for the child in the event loop. */
struct ending {
	uint32_t uid;
	bool quiet; /* that they cannot be ended */
	child_done done;
	void *data;
};

static void ended(void *userdata, int status)
{
	struct ending *ending = userdata;
	int r = sessions_ended(status);

	if (r < 0 && !ending->quiet)
		log_error("uid %u: its processes cannot be ended: %s", ending->uid, strerror(-r));
	if (ending->done != NULL)
		ending->done(ending->data, r);
	free(ending);
}

/* The ranges that it has or had: containers using them may run on. */
int removal_ranges(struct store *store, uint32_t uid, struct id_range **ranges, size_t *count)
{
	int (*const lists[])(struct store *, uint32_t, uint32_t, struct id_range *,
			     int) = { store_range_list_account, store_tombstone_list_account };
	int n = 0;

	for (size_t i = 0; i < 2; i++) {
		uint32_t after = 0;

		do {
			struct id_range *more = reallocarray(*ranges, *count + RANGES_AT_ONCE, sizeof(*more));

			if (more == NULL)
				return -ENOMEM;
			*ranges = more;
			n = lists[i](store, uid, after, more + *count, RANGES_AT_ONCE);
			*count += n > 0 ? (size_t)n : 0;
			after = n > 0 ? more[*count - 1].first : 0;
		} while (n == RANGES_AT_ONCE);
	}
	return n < 0 ? n : 0;
}

/* What stands still does not hear that it is asked to end. */
static bool stands_still(struct store *store, uint32_t uid)
{
	struct account account;

	return store_account_by_uid(store, uid, &account) == 0 && (account.flags & ACCOUNT_FROZEN) != 0;
}

static int ending_begin(struct broker *broker, const struct ending *values, unsigned grace, uint32_t *count)
{
	cleanup_free struct id_range *ranges = NULL;
	struct session_ids ids = { .uid = values->uid };
	struct sessions_ending how = { .ids = &ids, .cgroups = broker->handed.cgroups, .count = count };
	struct ending *ending = malloc(sizeof(*ending));
	int pidfd = -1, r = ending == NULL ? -ENOMEM : 0;
	pid_t pid;

	if (r == 0 && removal_ranges(broker->store, ids.uid, &ranges, &ids.count) < 0)
		log_error("uid %u: its ranges cannot be read: processes in its containers are not ended", ids.uid);
	ids.ranges = ranges;
	how.grace = stands_still(broker->store, ids.uid) ? 0 : grace;
	if (r == 0)
		r = sessions_end_start(&how, &pid, &pidfd);
	if (r == 0) {
		*ending = *values;
		r = child_watch(broker->event, pidfd, how.grace + ENDING_SECONDS, ended, ending);
	}
	if (r < 0)
		free(ending);
	return r < 0 ? r : 1;
}

int removal_ending_begin(struct broker *broker, uint32_t uid, child_done done, void *data)
{
	return removal_kill_begin(broker, uid, broker->settings.session_grace, NULL, done, data);
}

int removal_kill_begin(struct broker *broker, uint32_t uid, unsigned grace, uint32_t *count, child_done done,
		       void *data)
{
	return ending_begin(broker, &(struct ending){ .uid = uid, .done = done, .data = data }, grace, count);
}

int removal_ending_again(struct broker *broker, uint32_t uid, bool quiet)
{
	return ending_begin(broker, &(struct ending){ .uid = uid, .quiet = quiet }, broker->settings.session_grace,
			    NULL);
}

int removal_traces_begin(struct broker *broker, const struct removed *row, child_done done, void *data)
{
	cleanup_free struct id_range *ranges = NULL;
	struct traces traces = {
		.ids.uid = row->uid, .owner = row->owner, .label = row->label, .separator = broker->settings.separator
	};
	struct account named;
	int pidfd = -1, r = removal_ranges(broker->store, row->uid, &ranges, &traces.ids.count);
	pid_t pid;

	if (r < 0)
		return r;
	traces.ids.ranges = ranges;
	traces.named_anew = store_account_get(broker->store, row->owner, row->label, &named) != -ENOENT;
	r = traces_start(&traces, &pid, &pidfd);
	if (r == 0)
		r = child_watch(broker->event, pidfd, 2 * TRACES_SECONDS, done, data);
	return r < 0 ? r : 1;
}

/* An account that was unlocked in between keeps its sessions. */
static bool sessions_unwanted(struct broker *broker, uint32_t uid)
{
	struct account account;

	return store_account_by_uid(broker->store, uid, &account) < 0 || account.state != ACCOUNT_ACTIVE ||
	       (account.flags & ACCOUNT_LOCKED) != 0;
}

static void sessions_end_again(struct broker *broker, uint32_t uid)
{
	int r = 0;

	/* while it is purged, only the deleting child has its uid; no process of it was left when that began */
	if (sessions_unwanted(broker, uid) && !purge_under_way(broker, uid))
		r = removal_ending_begin(broker, uid, NULL, NULL);
	if (r < 0)
		log_error("uid %u: its processes cannot be ended: %s", uid, strerror(-r));
}

int removal_sessions_end(struct broker *broker, uint32_t uid, child_done done, void *data)
{
	const int r = again_in(broker, uid, SESSIONS_AGAIN_SECONDS, sessions_end_again);

	if (r < 0)
		log_error("uid %u: its processes are ended only once: %s", uid, strerror(-r));
	return removal_ending_begin(broker, uid, done, data);
}

static struct removed removed_row(const struct call *call)
{
	struct removed removed = { .uid = call->account.uid, .known = known_time_now(call->broker) };

	removed.keep = (call->account.flags & ACCOUNT_KEEP_HOME) != 0;
	/* Data that is to be purged is due at once. */
	removed.when = (call->account.flags & ACCOUNT_PURGE) != 0 ? 0 : (int64_t)time(NULL);
	memcpy(removed.owner, call->account.owner, sizeof(removed.owner));
	memcpy(removed.label, call->account.label, sizeof(removed.label));
	return removed;
}

/* Its home was lost before: there is nothing left to miss later. */
static enum failure body_gone_without_data(struct call *call)
{
	int r = store_account_delete(call->store, call->account.uid, time(NULL));

	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

/* Its rows are set aside like its data: op/restore.c. */
static enum failure body_gone(struct call *call)
{
	struct store *store = call->store;
	const struct removed removed = removed_row(call);
	int r = removed.when != 0 ? store_kept_put(store, call->account.uid) : 0;

	if (r == 0)
		r = store_account_delete(store, call->account.uid, time(NULL));
	if (r == 0)
		r = store_removed_insert(store, &removed);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

int64_t removal_until(const struct broker *broker, const struct removed *row)
{
	return row->keep || row->when == 0 ? 0 : row->when + (int64_t)broker->settings.grace_days * SECONDS_PER_DAY;
}

int removal_owner(struct store *store, uint32_t uid, uint32_t *owner_uid)
{
	struct id_range holder;
	enum id_kind kind;
	int r = store_id_holder(store, uid, uid, &holder, &kind);

	if (r == 0 && kind == ID_TOMBSTONE)
		*owner_uid = holder.owner_uid;
	return r == 0 && kind != ID_TOMBSTONE ? -ENOENT : r;
}

/* Sessions have ended, or cannot be ended. */
static enum failure removal_set_aside(struct call *call, int ended)
{
	enum failure failure;
	bool nothing;
	int r;

	if (ended < 0)
		return call_again_later(call, call_fail_system(call, "its processes cannot be ended", ended));
	r = home_set_aside(&call->broker->homes, &call->account);
	if (r < 0 && r != -ENOENT)
		return call_again_later(call, call_fail_system(call, "its home cannot be set aside", r));
	nothing = r == -ENOENT && (call->account.flags & ACCOUNT_PURGE) == 0;
	failure = call_transaction(call, call->operation->action, nothing ? body_gone_without_data : body_gone);
	if (failure != FAILURE_NONE)
		return call_again_later(call, failure);
	call->answer.removal.files = FILES_KEPT;
	if (!nothing) {
		const struct removed row = removed_row(call);

		call->answer.removal.restorable = row.when != 0;
		call->answer.removal.until = removal_until(call->broker, &row);
	}
	return (call->account.flags & ACCOUNT_PURGE) != 0 ? purge_for_call(call, removed_row(call)) : FAILURE_NONE;
}

static void finish_ended(void *data, int status)
{
	call_finish(data, removal_set_aside(data, status));
}

static enum failure removal_finish(struct call *call)
{
	int r = removal_ending_begin(call->broker, call->account.uid, finish_ended, call);

	return r == 1 ? CALL_PENDING : removal_set_aside(call, r);
}

static enum failure removal_unlink(struct call *call, int ended);

/* A link that stays is no reason to keep the account: it leads nowhere. The answer and the trail say so, and so does
 * `check` until it is gone. The removal is not tried again: by then the owner may have an account with the same label.
 */
static void unlinked(void *data, int status)
{
	struct call *call = data;
	enum link_result result = link_result_of(status);

	if (status == -EINTR && !call->link_again) { /* it was killed, and could not report how far it got */
		call->link_again = true;
		call_finish(call, removal_unlink(call, 0));
		return;
	}
	if (result != LINK_OK) {
		snprintf(call->detail, sizeof(call->detail), "the link stays: %s", link_result_why(result));
		memcpy(call->answer.removal.why, call->detail, strnlen(call->detail, FAILURE_TEXT_MAX) + 1);
	}
	call_finish(call, removal_finish(call));
}

static enum failure removal_unlink(struct call *call, int ended)
{
	struct broker *broker = call->broker;
	int pidfd = -1, r;
	pid_t pid = -1;

	if (ended < 0)
		return call_again_later(call, call_fail_system(call, "its processes cannot be ended", ended));
	r = home_view_close(&broker->homes, &call->account);
	if (r < 0 && r != -ENOENT)
		return call_again_later(call, call_fail_system(call, "the owner's view cannot be unmounted", r));
	if (call->owner_doubt !=
	    0) /* the link may still exist: it counts as gone only if it is certain that there is no owner */
		return call_again_later(call, call_fail_doubt(call, call->owner_doubt));
	if (!call->owner_exists || call->owner.uid != call->account.owner_uid)
		return removal_finish(call);
	r = link_start_remove(&broker->homes, &call->owner, &call->account, &pid, &pidfd);
	if (r >= 0)
		r = child_watch(broker->event, pidfd, LINK_SECONDS, unlinked, call);
	return r < 0 ? call_again_later(call, call_fail_system(call, "the link cannot be removed", r)) : CALL_PENDING;
}

static void complete_ended(void *data, int status)
{
	call_finish(data, removal_unlink(data, status));
}

enum failure removal_complete(struct call *call)
{
	int r = removal_sessions_end(call->broker, call->account.uid, complete_ended, call);

	return r == 1 ? CALL_PENDING : removal_unlink(call, r);
}
