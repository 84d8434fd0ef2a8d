/* SPDX-License-Identifier: ISC */
/*
 * Deletes data that was set aside, of one row: ends what runs there, empties it, and records that it is gone or what is
 * in the way. Run by the broker (root), which waits for none of it: the work is done by children (home/purge.c), each
 * with a deadline.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "account/name.h"
#include "confine/cleanup.h"
#include "subuidd/call/caller.h"
#include "subuidd/base/child.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/life/purge.h"
#include "subuidd/base/log.h"
#include "subuidd/publish/publish.h"

#define CHILD_SECONDS 3600u

/* One row under way. */
struct purge {
	struct purge *next; /* of broker->purges */
	struct broker *broker;
	struct removed row;
	/* Files that remain when the account's own are gone are also tried with its owner's ids, and with as many of
	 * its ranges at a time as can be mapped. */
	bool with_owner;
	uint32_t after_range;
	int why_fd; /* of the child: a sentence */
	purge_done done;
	void *data;
};

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
	struct store *store = call->store;
	int r = store_begin(store);

	if (r < 0)
		return r;
	r = store_kept_delete(store, uid);
	if (r == 0)
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
	struct call call = {
		.broker = broker, .store = broker->store, .account.uid = purge->row.uid, .caller.name = "subuidd"
	};
	int r;

	if (name_join(purge->row.owner, broker->settings.separator, purge->row.label, call.target) < 0)
		call.target[0] = '\0';
	r = record_gone(&call, purge->row.uid);
	if (r == 0)
		audit_log(&call, "account.purge", NULL);
	else
		log_error("%s: purged, but that cannot be recorded: %s", call.target, store_error(broker->store));
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

/* Whether another pass follows one that left something. */
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
	r = home_purge_start(&broker->homes, purge->row.uid, purge->with_owner ? &owner : NULL, ranges, (size_t)count,
			     purge->why_fd, &pidfd);
	if (r < 0 || pidfd < 0)
		return r;
	r = child_watch(broker->event, pidfd, CHILD_SECONDS, purged, purge);
	return r < 0 ? r : 1;
}

/* Such leftovers harm nobody: the uid is not given out again. The data is deleted all the same. */
static void purge_traced(void *data, int status)
{
	struct purge *purge = data;
	int r = purge_pass(purge);

	if (status != 0)
		log_warn("uid %u: not everything that logind, cron or at keep for it can be removed", purge->row.uid);
	if (r <= 0)
		purge_end(purge, r);
}

/* Nothing runs any more that could refill what is emptied; or something does, and then the pass reports it. */
static void purge_ended(void *data, int status)
{
	struct purge *purge = data;
	int r = removal_traces_begin(purge->broker, &purge->row, purge_traced, purge);

	(void)status;
	if (r < 0)
		purge_traced(purge, r);
}

bool purge_begin(struct broker *broker, const struct removed *row, purge_done done, void *data, struct purge **started)
{
	struct purge *purge = calloc(1, sizeof(*purge));
	int r;

	if (purge == NULL)
		return false;
	*purge = (struct purge){ .next = broker->purges, .broker = broker, .row = *row, .done = done, .data = data };
	broker->purges = purge;
	purge->why_fd = memfd_create("purge", MFD_CLOEXEC);             /* without it only the reason is missing */
	r = removal_ending_begin(broker, row->uid, purge_ended, purge); /* its processes would refill it */
	if (r < 0)
		r = purge_pass(purge);
	if (r <= 0)
		purge_end(purge, r);
	else if (started != NULL)
		*started = purge;
	return true;
}

void purge_leave(struct purge *purge)
{
	purge->done = NULL;
}
