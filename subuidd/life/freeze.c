/* SPDX-License-Identifier: ISC */
/* The children that stop an account's processes, one after the other. Run by the broker. */
#include "subuidd/life/freeze.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "confine/cleanup.h"
#include "home/sessions.h"
#include "subuidd/base/log.h"
#include "subuidd/broker.h"
#include "subuidd/life/again.h"
#include "subuidd/life/lifecycle.h"

#define AGAIN_SECONDS 2u
#define FREEZE_SECONDS 20u /* the child ends by itself before */

/* The first one of an account is at work, the others wait for it. */
struct freezing {
	struct freezing *next;
	const struct freezing
		*with; /* it asks for what that one does, which began later: its child is enough for both */
	struct broker *broker;
	uint32_t uid;
	enum sessions_freeze how;
	child_done done;
	void *data;
};

static struct freezing *all;

static struct freezing *first_of(uint32_t uid)
{
	struct freezing *freezing = all;

	while (freezing != NULL && freezing->uid != uid)
		freezing = freezing->next;
	return freezing;
}

bool freeze_under_way(uint32_t uid)
{
	return first_of(uid) != NULL;
}

static void leave(struct freezing *gone)
{
	struct freezing **at = &all;

	while (*at != gone)
		at = &(*at)->next;
	*at = gone->next;
}

/* All that wait for the same, up to the first that asks for something else. */
static void take_along(const struct freezing *freezing)
{
	for (struct freezing *other = freezing->next; other != NULL; other = other->next) {
		if (other->uid != freezing->uid)
			continue;
		if (other->how != freezing->how)
			return;
		other->with = freezing;
	}
}

static struct freezing *taken_along(const struct freezing *freezing)
{
	struct freezing *other = all;

	while (other != NULL && other->with != freezing)
		other = other->next;
	return other;
}

static void ended(void *data, int status);

static int start(struct freezing *freezing)
{
	cleanup_free struct id_range *ranges = NULL;
	struct session_ids ids = { .uid = freezing->uid };
	struct broker *broker = freezing->broker;
	int pidfd = -1, r;
	pid_t pid;

	take_along(freezing);
	if (removal_ranges(broker->store, freezing->uid, &ranges, &ids.count) < 0)
		log_error("uid %u: its ranges cannot be read: its containers are left out", freezing->uid);
	ids.ranges = ranges;
	r = sessions_freeze_start(&ids, freezing->how, broker->handed.cgroups, &pid, &pidfd);
	return r < 0 ? r : child_watch(broker->event, pidfd, FREEZE_SECONDS, ended, freezing);
}

static void tell(struct freezing *freezing, int r)
{
	leave(freezing);
	if (freezing->done != NULL)
		freezing->done(freezing->data, r);
}

/* Told, and the next one of the account begins. */
static void end(struct freezing *freezing, int r)
{
	struct freezing *next;

	if (r < 0)
		log_error("uid %u: its processes cannot be %s: %s", freezing->uid,
			  freezing->how != THAW ? "stopped" : "let go on", strerror(-r));
	tell(freezing, r);
	while ((next = taken_along(freezing)) != NULL) {
		tell(next, r);
		free(next);
	}
	next = first_of(freezing->uid);
	free(freezing);
	if (next == NULL)
		return;
	r = start(next);
	if (r < 0)
		end(next, r);
}

static void ended(void *data, int status)
{
	end(data, sessions_ended(status));
}

int freeze_begin(struct broker *broker, uint32_t uid, enum sessions_freeze how, child_done done, void *data)
{
	struct freezing *freezing = calloc(1, sizeof(*freezing)), **last = &all;
	const bool waits = freeze_under_way(uid);
	int r = 0;

	if (freezing == NULL)
		return -ENOMEM;
	*freezing = (struct freezing){ .broker = broker, .uid = uid, .how = how, .done = done, .data = data };
	while (*last != NULL)
		last = &(*last)->next;
	*last = freezing;
	if (!waits)
		r = start(freezing);
	if (r < 0) {
		leave(freezing);
		free(freezing);
	}
	return r < 0 ? r : 1;
}

/* One that was thawed in between goes on. */
static bool frozen_still(struct broker *broker, uint32_t uid)
{
	struct account account;

	return store_account_by_uid(broker->store, uid, &account) == 0 && account.state == ACCOUNT_ACTIVE &&
	       (account.flags & ACCOUNT_FROZEN) != 0;
}

static void stop_again(struct broker *broker, uint32_t uid)
{
	if (frozen_still(broker, uid) && freeze_begin(broker, uid, FREEZE_AGAIN, NULL, NULL) < 0)
		log_error("uid %u: a login that was under way may go on", uid);
}

int freeze_sessions(struct broker *broker, uint32_t uid, enum sessions_freeze how, child_done done, void *data)
{
	const int r = again_in(broker, uid, AGAIN_SECONDS, stop_again);

	if (r < 0) /* the next look at what runs (admission.c) finds it, too */
		log_error("uid %u: its processes are stopped only once: %s", uid, strerror(-r));
	return freeze_begin(broker, uid, how, done, data);
}
