/* SPDX-License-Identifier: ISC */
/* The end of accounts: sessions, view, link, home; and of what was set aside, when its time has come. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "subuidd/child.h"
#include "subuidd/lifecycle.h"
#include "subuidd/log.h"
#include "subuidd/publish.h"

#define SESSIONS_AGAIN_SECONDS 2u
#define ENDING_ROUNDS 40 /* with waits of 1, 2, 4 … 32 ms between them: about a second */
#define ENDING_WAIT_MAX_USEC 32000u
#define PURGE_BATCH 64
#define PURGE_PAUSE_USEC 10000u
#define PURGE_SECONDS 3600u
#define PURGE_AGAIN_SECONDS 3600u
#define UNFINISHED_SECONDS 30u
#define DAY 86400

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

static enum failure body_gone(struct call *call)
{
	struct store *store = call->broker->store;
	struct removed removed = { .uid = call->account.uid };
	time_t now = time(NULL);
	int r;

	removed.keep = (call->account.flags & ACCOUNT_KEEP_HOME) != 0;
	/* What is to be purged is due at once. */
	removed.when = (call->account.flags & ACCOUNT_PURGE) != 0 ? 0 : now;
	memcpy(removed.owner, call->account.owner, sizeof(removed.owner));
	memcpy(removed.label, call->account.label, sizeof(removed.label));
	r = store_account_delete(store, call->account.uid, now);
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
	int r;

	if (ended < 0)
		return again_later(call, call_fail_system(call, "its processes cannot be ended", ended));
	r = home_set_aside(&call->broker->homes, &call->account);
	if (r < 0 && r != -ENOENT)
		return again_later(call, call_fail_system(call, "its home cannot be set aside", r));
	failure = call_transaction(call, call->operation->action, body_gone);
	if (failure != FAILURE_NONE)
		return again_later(call, failure);
	if ((call->account.flags & ACCOUNT_PURGE) != 0)
		broker_maintain_in(call->broker, 0);
	return FAILURE_NONE;
}

static void finish_ended(void *data, int status)
{
	struct call *call = data;

	call_finish(call, removal_set_aside(call, status));
}

static enum failure removal_finish(struct call *call)
{
	int r = ending_begin(call->broker, call->account.uid, finish_ended, call);

	return r == 1 ? CALL_PENDING : removal_set_aside(call, r);
}

/* A link that stays is no reason to keep the account: it leads nowhere. The trail says so. */
static void unlinked(void *data, int status)
{
	struct call *call = data;
	enum link_result result = LINK_FAILED;
	enum failure failure;

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

struct purge {
	struct broker *broker;
	sd_event_source *timer; /* between batches others have their turn */
	int64_t before;
	int next, count; /* the row under way is next - 1 */
	/* Of that row: what is left when the account's own files are gone is tried with its owner's ids as well,
	 * and as many of its ranges at a time as can be mapped. */
	bool with_owner;
	uint32_t after_range;
	struct removed rows[PURGE_BATCH];
};

static void purge_next(struct purge *purge);

static void purge_forget(struct purge *purge)
{
	struct broker *broker = purge->broker;
	const struct removed *row = &purge->rows[purge->next - 1];
	struct call call = { .broker = broker, .account.uid = row->uid, .caller.name = "subuidd" };
	int r = store_begin(broker->store);

	if (name_join(row->owner, broker->settings.separator, row->label, call.target) < 0)
		call.target[0] = '\0';
	if (r == 0) {
		r = store_removed_delete(broker->store, row->uid);
		if (r == 0)
			r = audit_write(&call, "account.purge", NULL);
		if (r == 0)
			r = store_commit(broker->store);
		else
			store_rollback(broker->store);
	}
	if (r == 0)
		audit_log(&call, "account.purge", NULL);
	else
		log_error("%s: purged, which cannot be recorded: %s", call.target, store_error(broker->store));
	publication_commit(broker->publication);
}

static int purge_pass(struct purge *purge, int *pidfd);

/* Whether a pass that left something is followed by another one. */
static bool purge_goes_on(struct purge *purge)
{
	if (purge->after_range == 0 && purge->with_owner)
		return false;
	purge->with_owner |= purge->after_range == 0;
	return true;
}

static void purged(void *data, int status)
{
	struct purge *purge = data;
	struct broker *broker = purge->broker;
	uint32_t uid = purge->rows[purge->next - 1].uid;
	int pidfd = -1, r = status;

	if (status == 1 && !broker->stopping && purge_goes_on(purge)) {
		r = purge_pass(purge, &pidfd);
		if (r >= 0 && pidfd >= 0)
			r = child_watch(broker->event, pidfd, PURGE_SECONDS, purged, purge);
		if (r >= 0 && pidfd >= 0)
			return;
	}
	if (r == 0)
		r = home_purge_finish(&broker->homes, uid);
	if (r == 0)
		purge_forget(purge);
	else
		log_error("%s/.removed/%u: cannot be deleted yet%s", broker->settings.homes, uid,
			  status == -ETIMEDOUT ? ": it takes too long" : "");
	broker->purging_uid = 0;
	purge_next(purge);
}

/* Who had the account; one who has left passwd(5) is a number. */
static int former_owner(struct broker *broker, uint32_t uid, struct link_owner *owner)
{
	struct id_range holder;
	enum id_kind kind;
	int r = store_id_holder(broker->store, uid, uid, &holder, &kind);

	if (r < 0)
		return r;
	r = passwd_by_uid(holder.owner_uid, owner);
	if (r == -ENOENT || r == -ENAMETOOLONG)
		*owner = (struct link_owner){ .uid = holder.owner_uid, .gid = holder.owner_uid };
	return r == -ENAMETOOLONG || r == -ENOENT ? 0 : r;
}

/* The account's own files, and what containers left in its home under ids of the ranges that it had. */
static int purge_pass(struct purge *purge, int *pidfd)
{
	struct broker *broker = purge->broker;
	struct id_range ranges[PURGE_RANGES_MAX];
	const struct removed *row = &purge->rows[purge->next - 1];
	struct link_owner owner;
	int count = store_tombstone_list_account(broker->store, row->uid, purge->after_range, ranges, PURGE_RANGES_MAX);
	int r = count < 0 ? count : purge->with_owner ? former_owner(broker, row->uid, &owner) : 0;

	if (r < 0)
		return r;
	purge->after_range = count == PURGE_RANGES_MAX ? ranges[count - 1].first : 0;
	return home_purge_start_ranges(&broker->homes, row->uid, purge->with_owner ? &owner : NULL, ranges,
				       (size_t)count, pidfd);
}

/* The account may have been brought back by an import since the rows were read. */
static bool still_due(const struct purge *purge, const struct removed *row)
{
	struct removed now;

	int r = store_removed_get(purge->broker->store, row->uid, &now);

	return r == 0 && now.keep == row->keep && now.when == row->when;
}

/* -EALREADY: there is nothing to delete any more. */
static int purge_start(struct purge *purge, int *pidfd)
{
	const struct removed *row = &purge->rows[purge->next++];

	if (!still_due(purge, row))
		return -EALREADY;
	purge->broker->purging_uid = row->uid;
	purge->with_owner = false;
	purge->after_range = 0;
	return purge_pass(purge, pidfd);
}

/* All that is due is tried, batch after batch: what cannot be deleted (its owner can see to that) must not stand in
 * the way of what is behind it. False at the end. */
static bool purge_fetch(struct purge *purge)
{
	struct store *store = purge->broker->store;
	struct removed last = { 0 };
	int before = purge->count;

	if (before > 0)
		last = purge->rows[before - 1];
	purge->next = 0;
	purge->count = store_removed_due(store, purge->before, before > 0 ? &last : NULL, purge->rows, PURGE_BATCH);
	if (purge->count < 0)
		log_error("removed data: %s", store_error(store));
	return purge->count > 0;
}

static void purge_end(struct purge *purge)
{
	purge->broker->purging = false;
	purge->broker->purging_uid = 0;
	broker_maintain_in(purge->broker, PURGE_AGAIN_SECONDS);
	sd_event_source_disable_unref(purge->timer);
	free(purge);
}

static int purge_continue(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct purge *purge = userdata;

	(void)usec;
	purge->timer = sd_event_source_disable_unref(source);
	purge_next(purge);
	return 0;
}

static void purge_next(struct purge *purge)
{
	struct broker *broker = purge->broker;

	while (purge->next < purge->count && !broker->stopping) {
		int pidfd = -1;
		int r = purge_start(purge, &pidfd);

		if (r >= 0 && pidfd >= 0) {
			r = child_watch(broker->event, pidfd, PURGE_SECONDS, purged, purge);
			if (r >= 0)
				return;
		} else if (r >= 0) {
			purge_forget(purge);
		}
		broker->purging_uid = 0;
		if (r < 0 && r != -EALREADY)
			log_error("%s/.removed/%u: %s", broker->settings.homes, purge->rows[purge->next - 1].uid,
				  strerror(-r));
	}
	if (broker->stopping || !purge_fetch(purge) ||
	    sd_event_add_time_relative(broker->event, &purge->timer, CLOCK_MONOTONIC, PURGE_PAUSE_USEC, 1000,
				       purge_continue, purge) < 0)
		purge_end(purge);
}

void removal_purge(struct broker *broker)
{
	struct purge *purge;

	if (broker->purging)
		return;
	purge = calloc(1, sizeof(*purge));
	if (purge == NULL)
		return;
	purge->broker = broker;
	purge->before = (int64_t)time(NULL) - (int64_t)broker->settings.grace_days * DAY;
	broker->purging = true;
	purge_next(purge);
}
