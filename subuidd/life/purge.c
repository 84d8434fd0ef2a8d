/* SPDX-License-Identifier: ISC */
/*
 * Deletes data that was set aside: data that is due, one row after the other, and data that a call waits for. Run
 * by the broker; the work is done by children (home/purge.c), each with a deadline.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "account/name.h"
#include "confine/cleanup.h"
#include "subuidd/call/caller.h"
#include "subuidd/base/child.h"
#include "subuidd/call/known_time.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/call/maintain.h"
#include "subuidd/base/log.h"
#include "subuidd/publish/publish.h"

#define BATCH 64
#define PAUSE_USEC 10000u     /* between rows others have their turn */
#define CHILD_SECONDS 3600u
#define AGAIN_SECONDS 3600u   /* until what is due is tried once more */
#define CALL_SECONDS 10u      /* that a call waits */

/* r: 0 it is gone and recorded, or negative errno; why: the obstacle. */
typedef void (*purge_done)(void *data, int r, const char *why);

/* One row under way. */
struct purge {
	struct purge *next; /* of broker->purges */
	struct broker *broker;
	struct removed row;
	/* Files that are left when the account's own are gone are tried with its owner's ids as well, and as many
	 * of its ranges at a time as can be mapped. */
	bool with_owner;
	uint32_t after_range;
	int why_fd; /* of the child: a sentence */
	purge_done done;
	void *data;
};

/* Everything that is due. */
struct sweep {
	struct broker *broker;
	sd_event_source *timer;
	struct due due;
	int next, count;
	struct removed rows[BATCH];
};

/* A call and the row that it waits for; either may come to its end first. */
struct wait {
	struct call *call;
	struct removed row;
	sd_event_source *timer;
	struct purge *purge;
};

/* ---- one row ---- */

bool purge_under_way(const struct broker *broker, uint32_t uid)
{
	for (const struct purge *purge = broker->purges; purge != NULL; purge = purge->next)
		if (purge->row.uid == uid)
			return true;
	return false;
}

static void purge_unlink(struct purge *purge)
{
	for (struct purge **at = &purge->broker->purges; *at != NULL; at = &(*at)->next)
		if (*at == purge) {
			*at = purge->next;
			return;
		}
}

static int record_gone(struct call *call, uint32_t uid)
{
	struct store *store = call->broker->store;
	int r = store_begin(store);

	if (r < 0)
		return r;
	r = store_removed_delete(store, uid);
	if (r == 0)
		r = audit_write(call, "account.purge", NULL);
	if (r == 0)
		return store_commit(store);
	store_rollback(store);
	return r;
}

static int purge_forget(struct purge *purge)
{
	struct broker *broker = purge->broker;
	struct call call = { .broker = broker, .account.uid = purge->row.uid, .caller.name = "subuidd" };
	int r;

	if (name_join(purge->row.owner, broker->settings.separator, purge->row.label, call.target) < 0)
		call.target[0] = '\0';
	r = record_gone(&call, purge->row.uid);
	if (r == 0)
		audit_log(&call, "account.purge", NULL);
	else
		log_error("%s: purged, which cannot be recorded: %s", call.target, store_error(broker->store));
	publication_commit(broker->publication);
	return r;
}

/* For `check`, if it differs from the last report. */
static void remember_why(struct purge *purge, const char *why)
{
	struct store *store = purge->broker->store;
	int r;

	log_error("%s/.removed/%u: cannot be deleted yet: %s", purge->broker->settings.homes, purge->row.uid, why);
	if (strcmp(purge->row.why, why) == 0 || store_begin(store) < 0)
		return;
	r = store_removed_why(store, purge->row.uid, why);
	if (r == 0)
		r = store_commit(store);
	else
		store_rollback(store);
	if (r < 0)
		log_error("why it cannot be deleted yet cannot be recorded: %s", strerror(-r));
}

static const char *why_text(const struct purge *purge, int r, char text[REMOVED_WHY_MAX + 1])
{
	char said[REMOVED_WHY_MAX / 2] = "";

	if (r == -ETIMEDOUT)
		return "it takes too long; a process may hold it up";
	if (purge->why_fd >= 0 && pread(purge->why_fd, said, sizeof(said) - 1, 0) > 0)
		return text_escape(said, text, REMOVED_WHY_MAX);
	return strerror(r < 0 ? -r : ENOTEMPTY);
}

static void purge_end(struct purge *purge, int r)
{
	char text[REMOVED_WHY_MAX + 1] = "";
	const char *why = "";

	if (r == 0)
		r = home_purge_finish(&purge->broker->homes, purge->row.uid);
	if (r == 0)
		r = purge_forget(purge);
	if (r != 0) {
		why = why_text(purge, r, text);
		remember_why(purge, why);
	}
	purge_unlink(purge);
	if (purge->done != NULL)
		purge->done(purge->data, r, why);
	if (purge->why_fd >= 0)
		close(purge->why_fd);
	free(purge);
}

static int purge_pass(struct purge *purge);

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
	int r = status > 0 ? -ENOTEMPTY : status;

	if (status == 1 && !purge->broker->stopping && purge_goes_on(purge)) {
		r = purge_pass(purge);
		if (r > 0)
			return;
	}
	purge_end(purge, r);
}

/* The owner that had the account; one who has left passwd(5) is a number. */
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

/* The account's own files, and what containers left in its home under ids of the ranges that it had. 1: a child is
 * at work; 0: nothing exists; or negative errno. */
static int purge_pass(struct purge *purge)
{
	struct broker *broker = purge->broker;
	struct id_range ranges[PURGE_RANGES_MAX];
	struct link_owner owner;
	int count = store_tombstone_list_account(broker->store, purge->row.uid, purge->after_range, ranges,
						 PURGE_RANGES_MAX);
	int r = count < 0 ? count : purge->with_owner ? former_owner(broker, purge->row.uid, &owner) : 0;
	int pidfd = -1;

	if (r < 0)
		return r;
	purge->after_range = count == PURGE_RANGES_MAX ? ranges[count - 1].first : 0;
	r = home_purge_start_ranges(&broker->homes, purge->row.uid, purge->with_owner ? &owner : NULL, ranges,
				    (size_t)count, purge->why_fd, &pidfd);
	if (r < 0 || pidfd < 0)
		return r;
	r = child_watch(broker->event, pidfd, CHILD_SECONDS, purged, purge);
	return r < 0 ? r : 1;
}

/* Leftovers of these harm nobody: the uid is not given out again. The data goes all the same. */
static void purge_traced(void *data, int status)
{
	struct purge *purge = data;
	int r = purge_pass(purge);

	if (status != 0)
		log_warn("uid %u: what logind, cron or at keep of it cannot all be removed", purge->row.uid);
	if (r <= 0)
		purge_end(purge, r);
}

/* Nothing runs any more that could fill what is emptied; or something does, which the pass then says. */
static void purge_ended(void *data, int status)
{
	struct purge *purge = data;
	int r = removal_traces_begin(purge->broker, &purge->row, purge_traced, purge);

	(void)status;
	if (r < 0)
		purge_traced(purge, r);
}

/* done() is called, perhaps before this returns, and *started (may be NULL) is set where it was not. False: no memory, it is not called. */
static bool purge_begin(struct broker *broker, const struct removed *row, purge_done done, void *data,
			struct purge **started)
{
	struct purge *purge = calloc(1, sizeof(*purge));
	int r;

	if (purge == NULL)
		return false;
	*purge = (struct purge){ .next = broker->purges, .broker = broker, .row = *row, .done = done, .data = data };
	broker->purges = purge;
	purge->why_fd = memfd_create("purge", MFD_CLOEXEC); /* without it the reason is not said, no more */
	r = removal_ending_begin(broker, row->uid, purge_ended, purge); /* its processes would refill it */
	if (r < 0)
		r = purge_pass(purge);
	if (r <= 0)
		purge_end(purge, r);
	else if (started != NULL)
		*started = purge;
	return true;
}

/* ---- for a call ---- */

static void wait_end(struct wait *wait, enum removal_files files, const char *why)
{
	struct call *call = wait->call;

	sd_event_source_disable_unref(wait->timer);
	if (wait->purge != NULL)
		wait->purge->done = NULL; /* goes on by itself */
	free(wait);
	call->answer.removal.files = files;
	if (why[0] != '\0')
		snprintf(call->answer.removal.why, sizeof(call->answer.removal.why), "%s", why);
	call_finish(call, FAILURE_NONE);
}

static void wait_purged(void *data, int r, const char *why)
{
	struct wait *wait = data;

	wait->purge = NULL;
	if (r < 0)
		maintain_in(wait->call->broker, AGAIN_SECONDS);
	wait_end(wait, r == 0 ? FILES_DELETED : FILES_PENDING, why);
}

static int wait_over(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	wait_end(userdata, FILES_PENDING, "it takes longer");
	return 0;
}

static int wait_first(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct wait *wait = userdata;
	struct broker *broker = wait->call->broker;
	struct purge *purge = NULL;

	(void)source;
	(void)usec;
	wait->timer = sd_event_source_disable_unref(wait->timer);
	if (sd_event_add_time_relative(broker->event, &wait->timer, CLOCK_MONOTONIC, CALL_SECONDS * UINT64_C(1000000), 10000,
				       wait_over, wait) < 0) {
		maintain_in(broker, 0);
		wait_end(wait, FILES_PENDING, "it is begun later");
		return 0;
	}
	/* without memory: until the timer says that it is pending */
	if (purge_begin(broker, &wait->row, wait_purged, wait, &purge) && purge != NULL)
		wait->purge = purge; /* else it has ended, and `wait` with it */
	return 0;
}

/* From the event loop: a deletion that ends at once would end the call before its caller knows that it waits. */
enum failure purge_for_call(struct call *call, struct removed row)
{
	struct broker *broker = call->broker;
	struct wait *wait = calloc(1, sizeof(*wait));

	if (wait != NULL) {
		*wait = (struct wait){ .call = call, .row = row };
		if (sd_event_add_time_relative(broker->event, &wait->timer, CLOCK_MONOTONIC, 0, 1, wait_first, wait) >= 0)
			return CALL_PENDING;
		free(wait);
	}
	maintain_in(broker, 0);
	call->answer.removal.files = FILES_PENDING;
	return FAILURE_NONE;
}

/* ---- all that is due ---- */

/* All of it is tried, batch after batch: data that cannot be deleted (owners can bring that about) must not stand
 * in the way of the rows behind it. False at the end. */
static bool sweep_fetch(struct sweep *sweep)
{
	struct store *store = sweep->broker->store;
	struct removed last = { 0 };
	int before = sweep->count;

	if (before > 0)
		last = sweep->rows[before - 1];
	sweep->next = 0;
	sweep->count = store_removed_due(store, sweep->due.before, sweep->due.known_before, before > 0 ? &last : NULL,
					 sweep->rows, BATCH);
	if (sweep->count < 0)
		log_error("removed data: %s", store_error(store));
	return sweep->count > 0;
}

/* The account may have been brought back by an import since the rows were read. */
static bool still_due(struct broker *broker, const struct removed *row)
{
	struct removed now;

	return store_removed_get(broker->store, row->uid, &now) == 0 && now.keep == row->keep && now.when == row->when;
}

static void sweep_end(struct sweep *sweep)
{
	sweep->broker->purging = false;
	maintain_in(sweep->broker, AGAIN_SECONDS);
	sd_event_source_disable_unref(sweep->timer);
	free(sweep);
}

static int sweep_continue(sd_event_source *source, uint64_t usec, void *userdata);

static void sweep_soon(struct sweep *sweep, uint64_t usec)
{
	sweep->timer = sd_event_source_disable_unref(sweep->timer);
	if (sweep->broker->stopping ||
	    sd_event_add_time_relative(sweep->broker->event, &sweep->timer, CLOCK_MONOTONIC, usec, 1000, sweep_continue,
				       sweep) < 0)
		sweep_end(sweep);
}

static void sweep_purged(void *data, int r, const char *why)
{
	(void)r;
	(void)why;
	sweep_soon(data, 0);
}

static int sweep_continue(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct sweep *sweep = userdata;
	struct broker *broker = sweep->broker;
	const struct removed *row;

	(void)source;
	(void)usec;
	if (sweep->next == sweep->count) {
		if (sweep_fetch(sweep))
			sweep_soon(sweep, PAUSE_USEC);
		else
			sweep_end(sweep);
		return 0;
	}
	row = &sweep->rows[sweep->next++];
	if (purge_under_way(broker, row->uid) || call_busy(broker, row->uid, NULL) || !still_due(broker, row))
		sweep_soon(sweep, 0); /* a call sees to it, or brought it back */
	else if (!purge_begin(broker, row, sweep_purged, sweep, NULL))
		sweep_end(sweep);
	return 0;
}

void removal_purge(struct broker *broker)
{
	struct sweep *sweep;

	if (broker->purging)
		return;
	sweep = calloc(1, sizeof(*sweep));
	if (sweep == NULL)
		return;
	sweep->broker = broker;
	sweep->due = known_time_due((int64_t)time(NULL), known_time_now(broker), known_time_running(broker),
				    broker->settings.grace_days);
	broker->purging = true;
	sweep_soon(sweep, 0);
}
