/* SPDX-License-Identifier: ISC */
/* The end of accounts: sessions, view, link, home. purge.c deletes the data that is set aside. Run by the
 * broker. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "confine/cleanup.h"
#include "subuidd/base/child.h"
#include "subuidd/home/sessions.h"
#include "subuidd/home/traces.h"
#include "subuidd/call/known_time.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/call/maintain.h"
#include "subuidd/base/log.h"
#include "subuidd/publish/publish.h"

#define SESSIONS_AGAIN_SECONDS 2u
#define ENDING_SECONDS 20u /* the child ends by itself before */
#define RANGES_AT_ONCE 64
#define UNFINISHED_SECONDS 30u

struct sessions_again {
	struct broker *broker;
	sd_event_source *timer;
	uint32_t uid;
};

/* A child that ends sessions. How many there are, and how fast new ones are made, is the account's or its owner's to choose:
 * it is waited for in the event loop. */
struct ending {
	uint32_t uid;
	child_done done;
	void *data;
};

static void ended(void *userdata, int status)
{
	struct ending *ending = userdata;
	int r = sessions_ended(status);

	if (r < 0)
		log_error("uid %u: its processes cannot be ended: %s", ending->uid, strerror(-r));
	if (ending->done != NULL)
		ending->done(ending->data, r);
	free(ending);
}

/* Ranges that it has, and that it had: containers of those may run on. */
static int ranges_of(struct store *store, uint32_t uid, struct id_range **ranges, size_t *count)
{
	int (*const lists[])(struct store *, uint32_t, uint32_t, struct id_range *, int) = { store_range_list_account,
											     store_tombstone_list_account };
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

int removal_ending_begin(struct broker *broker, uint32_t uid, child_done done, void *data)
{
	cleanup_free struct id_range *ranges = NULL;
	struct session_ids ids = { .uid = uid };
	struct ending *ending = calloc(1, sizeof(*ending));
	int pidfd = -1, r = ending == NULL ? -ENOMEM : 0;
	pid_t pid;

	if (r == 0 && ranges_of(broker->store, uid, &ranges, &ids.count) < 0)
		log_error("uid %u: its ranges cannot be read: what runs in its containers is not ended", uid);
	ids.ranges = ranges;
	if (r == 0)
		r = sessions_end_start(&ids, broker->handed.cgroups, &pid, &pidfd);
	if (r == 0) {
		*ending = (struct ending){ .uid = uid, .done = done, .data = data };
		r = child_watch(broker->event, pidfd, ENDING_SECONDS, ended, ending);
	}
	if (r < 0)
		free(ending);
	return r < 0 ? r : 1;
}

int removal_traces_begin(struct broker *broker, const struct removed *row, child_done done, void *data)
{
	cleanup_free struct id_range *ranges = NULL;
	struct traces traces = { .ids.uid = row->uid, .owner = row->owner, .label = row->label,
				 .separator = broker->settings.separator };
	struct account named;
	int pidfd = -1, r = ranges_of(broker->store, row->uid, &ranges, &traces.ids.count);
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

static int sessions_end_again(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct sessions_again *again = userdata;
	int r = 0;

	(void)source;
	(void)usec;
	/* while it is purged what has its uid is the child that deletes; nothing of it was left when that began */
	if (sessions_unwanted(again->broker, again->uid) && !purge_under_way(again->broker, again->uid))
		r = removal_ending_begin(again->broker, again->uid, NULL, NULL);
	if (r < 0)
		log_error("uid %u: its processes cannot be ended: %s", again->uid, strerror(-r));
	sd_event_source_disable_unref(again->timer);
	free(again);
	return 0;
}

int removal_sessions_end(struct broker *broker, uint32_t uid, child_done done, void *data)
{
	struct sessions_again *again = calloc(1, sizeof(*again));
	int r = -ENOMEM;

	if (again != NULL) {
		*again = (struct sessions_again){ .broker = broker, .uid = uid };
		r = sd_event_add_time_relative(broker->event, &again->timer, CLOCK_MONOTONIC,
					       SESSIONS_AGAIN_SECONDS * 1000000ull, 10000, sessions_end_again, again);
		if (r < 0)
			free(again);
	}
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
	int r = store_account_delete(call->broker->store, call->account.uid, time(NULL));

	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure body_gone(struct call *call)
{
	struct store *store = call->broker->store;
	const struct removed removed = removed_row(call);
	int r = store_account_delete(store, call->account.uid, time(NULL));

	if (r == 0)
		r = store_removed_insert(store, &removed);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure again_later(struct call *call, enum failure failure)
{
	call->broker->unfinished = true;
	maintain_in(call->broker, UNFINISHED_SECONDS);
	return failure;
}

/* Sessions are at their end, or cannot be ended. */
static enum failure removal_set_aside(struct call *call, int ended)
{
	enum failure failure;
	bool nothing;
	int r;

	if (ended < 0)
		return again_later(call, call_fail_system(call, "its processes cannot be ended", ended));
	r = home_set_aside(&call->broker->homes, &call->account);
	if (r < 0 && r != -ENOENT)
		return again_later(call, call_fail_system(call, "its home cannot be set aside", r));
	nothing = r == -ENOENT && (call->account.flags & ACCOUNT_PURGE) == 0;
	failure = call_transaction(call, call->operation->action, nothing ? body_gone_without_data : body_gone);
	if (failure != FAILURE_NONE)
		return again_later(call, failure);
	call->answer.removal.files = FILES_KEPT;
	return (call->account.flags & ACCOUNT_PURGE) != 0 ? purge_for_call(call, removed_row(call)) : FAILURE_NONE;
}

static void finish_ended(void *data, int status)
{
	struct call *call = data;

	enum failure failure = removal_set_aside(call, status);

	if (failure != CALL_PENDING)
		call_finish(call, failure);
}

static enum failure removal_finish(struct call *call)
{
	int r = removal_ending_begin(call->broker, call->account.uid, finish_ended, call);

	return r == 1 ? CALL_PENDING : removal_set_aside(call, r);
}

static enum failure removal_unlink(struct call *call, int ended);

/* A link that stays is no reason to keep the account: it leads nowhere. The answer and the trail say so, and `check` until it
 * is away. It is not tried again: by then the owner may have an account of the same label. */
static void unlinked(void *data, int status)
{
	struct call *call = data;
	enum link_result result = LINK_FAILED;
	enum failure failure;

	if (status == -EINTR && !call->link_again) { /* it was killed, and could not say how far it got */
		call->link_again = true;
		failure = removal_unlink(call, 0);
		if (failure != CALL_PENDING)
			call_finish(call, failure);
		return;
	}
	if (status == -ETIMEDOUT)
		result = LINK_TIMEOUT;
	else if (status >= LINK_OK && status <= LINK_TIMEOUT)
		result = (enum link_result)status;
	if (result != LINK_OK) {
		snprintf(call->detail, sizeof(call->detail), "the link stays: %s", link_result_why(result));
		memcpy(call->answer.removal.why, call->detail, strnlen(call->detail, FAILURE_TEXT_MAX) + 1);
	}
	failure = removal_finish(call);
	if (failure != CALL_PENDING)
		call_finish(call, failure);
}

static enum failure removal_unlink(struct call *call, int ended)
{
	struct broker *broker = call->broker;
	int pidfd = -1, r;
	pid_t pid = -1;

	if (ended < 0)
		return again_later(call, call_fail_system(call, "its processes cannot be ended", ended));
	r = home_view_close(&broker->homes, &call->account);
	if (r < 0 && r != -ENOENT)
		return again_later(call, call_fail_system(call, "the owner's view cannot be taken away", r));
	if (call->owner_doubt != 0) /* the link may be there: taken to be gone only when it is known that nobody has it */
		return again_later(call, call_fail_doubt(call, call->owner_doubt));
	if (!call->owner_exists || call->owner.uid != call->account.owner_uid)
		return removal_finish(call);
	r = link_start(&broker->homes, &call->owner, &call->account, false, &pid, &pidfd);
	if (r >= 0)
		r = child_watch(broker->event, pidfd, LINK_SECONDS, unlinked, call);
	return r < 0 ? again_later(call, call_fail_system(call, "the link cannot be removed", r)) : CALL_PENDING;
}

static void complete_ended(void *data, int status)
{
	struct call *call = data;
	enum failure failure = removal_unlink(call, status);

	if (failure != CALL_PENDING)
		call_finish(call, failure);
}

enum failure removal_complete(struct call *call)
{
	int r = removal_sessions_end(call->broker, call->account.uid, complete_ended, call);

	return r == 1 ? CALL_PENDING : removal_unlink(call, r);
}
