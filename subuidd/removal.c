/* SPDX-License-Identifier: ISC */
/* The end of accounts: sessions, view, link, home. What is set aside is deleted by purge.c. Run by the broker. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "subuidd/child.h"
#include "subuidd/known_time.h"
#include "subuidd/lifecycle.h"
#include "subuidd/log.h"
#include "subuidd/publish.h"

#define SESSIONS_AGAIN_SECONDS 2u
#define ENDING_ROUNDS 40 /* with waits of 1, 2, 4 … 32 ms between them: about a second */
#define ENDING_WAIT_MAX_USEC 32000u
#define UNFINISHED_SECONDS 30u

struct sessions_again {
	struct broker *broker;
	sd_event_source *timer;
	uint32_t uid;
};

/* Sessions that did not end at once. Waited for in the event loop: their number, and how fast new ones are made, is
 * the account's or its owner's to choose, and must not hold up others. */
struct ending {
	struct broker *broker;
	sd_event_source *timer;
	uint32_t uid;
	unsigned round;
	uint64_t wait;
	child_done done;
	void *data;
};

static int ending_round(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct ending *ending = userdata;
	int r = sessions_end_once(ending->uid);

	(void)usec;
	if (r == 1 && ++ending->round == ENDING_ROUNDS)
		r = -EBUSY;
	if (r == 1) {
		ending->wait = ending->wait < ENDING_WAIT_MAX_USEC ? ending->wait * 2 : ending->wait;
		r = sd_event_source_set_time_relative(source, ending->wait);
		if (r >= 0)
			r = sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
		if (r >= 0)
			return 0;
	}
	if (r < 0)
		log_error("uid %u: its processes cannot be ended: %s", ending->uid, strerror(-r));
	if (ending->done != NULL)
		ending->done(ending->data, r);
	sd_event_source_disable_unref(ending->timer);
	free(ending);
	return 0;
}

static int ending_begin(struct broker *broker, uint32_t uid, child_done done, void *data)
{
	struct ending *ending;
	int r = sessions_end_once(uid);

	if (r <= 0)
		return r;
	ending = calloc(1, sizeof(*ending));
	if (ending == NULL)
		return -ENOMEM;
	*ending = (struct ending){ .broker = broker, .uid = uid, .wait = 1000, .done = done, .data = data };
	r = sd_event_add_time_relative(broker->event, &ending->timer, CLOCK_MONOTONIC, ending->wait, 1000, ending_round,
				       ending);
	if (r < 0)
		free(ending);
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
	if (sessions_unwanted(again->broker, again->uid))
		r = ending_begin(again->broker, again->uid, NULL, NULL);
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
	return ending_begin(broker, uid, done, data);
}

static struct removed removed_row(const struct call *call)
{
	struct removed removed = { .uid = call->account.uid, .known = known_time_now(call->broker) };

	removed.keep = (call->account.flags & ACCOUNT_KEEP_HOME) != 0;
	/* What is to be purged is due at once. */
	removed.when = (call->account.flags & ACCOUNT_PURGE) != 0 ? 0 : (int64_t)time(NULL);
	memcpy(removed.owner, call->account.owner, sizeof(removed.owner));
	memcpy(removed.label, call->account.label, sizeof(removed.label));
	return removed;
}

/* Its home was lost before: there is nothing that anybody could miss later. */
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
	broker_maintain_in(call->broker, UNFINISHED_SECONDS);
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
	int r = ending_begin(call->broker, call->account.uid, finish_ended, call);

	return r == 1 ? CALL_PENDING : removal_set_aside(call, r);
}

static enum failure removal_unlink(struct call *call, int ended);

/* A link that stays is no reason to keep the account: it leads nowhere. The trail says so. */
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
	if (result != LINK_OK)
		snprintf(call->detail, sizeof(call->detail), "the link stays: %s", link_result_why(result));
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
