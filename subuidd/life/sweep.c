/* SPDX-License-Identifier: ISC */
/*
 * Deletes all removed data whose time has come, one row after the other, with a pause in which others have their turn.
 * Run by the broker (root).
 */
#include <stdlib.h>
#include <time.h>

#include "subuidd/base/log.h"
#include "subuidd/call/caller.h"
#include "subuidd/call/known_time.h"
#include "subuidd/call/maintain.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/life/purge.h"

#define BATCH 64
#define PAUSE_USEC 10000u /* between rows others have their turn */

/* Everything that is due. */
struct sweep {
	struct broker *broker;
	sd_event_source *timer;
	struct due due;
	int next, count;
	struct removed rows[BATCH];
};

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
	maintain_in(sweep->broker, PURGE_AGAIN_SECONDS);
	sd_event_source_disable_unref(sweep->timer);
	free(sweep);
}

static int sweep_continue(sd_event_source *source, uint64_t usec, void *userdata);

static void sweep_soon(struct sweep *sweep, uint64_t usec)
{
	sweep->timer = sd_event_source_disable_unref(sweep->timer);
	if (sweep->broker->stopping || sd_event_add_time_relative(sweep->broker->event, &sweep->timer, CLOCK_MONOTONIC,
								  usec, 1000, sweep_continue, sweep) < 0)
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
