/* SPDX-License-Identifier: ISC */
/*
 * Decides which worker serves which connection: how many are kept ready, who waits, and who makes way when all places
 * are taken.
 */
#include "subuidd/door/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/clock.h"
#include "subuidd/base/log.h"
#include "subuidd/door/workers_internal.h"

#define READY_WANTED 4u /* workers that wait for a connection */
#define READY_KEPT 2u   /* of these, for users without a connection yet */
#define STARTING_MAX 8u /* at the same time: a burst of connections is no burst of forks */
#define BACKOFF_MIN_MS 50u
#define BACKOFF_MAX_MS 5000u
#define QUIET_USEC                                                                                                     \
	1000000u /* a peer that has asked nothing for this long makes way for a user without a connection              \
		  */
#define FAILURES_MAX                                                                                                   \
	(READY_WANTED + 3u) /* in a row, some seconds: then peers learn that there is no worker. More than             \
			       are ready, so that it is not said when all of those are killed at once. */

static void workers_fill(struct broker *broker);
static void workers_start(struct broker *broker, bool again);

static unsigned workers_count(const struct workers *workers, enum worker_state state)
{
	unsigned count = 0;

	for (const struct worker *worker = workers->list; worker != NULL; worker = worker->next)
		count += worker->state == state;
	return count;
}

const struct shares *workers_shares(const struct broker *broker)
{
	return &broker->workers->shares;
}

static struct worker *worker_ready(struct workers *workers)
{
	for (struct worker *worker = workers->list; worker != NULL; worker = worker->next)
		if (worker->state == WORKER_READY)
			return worker;
	return NULL;
}

/* A worker that cannot take it is ended and the next one tried. The worker has the share from then on. */
static bool connection_give(struct broker *broker, const struct connection *connection)
{
	struct worker *worker;

	while ((worker = worker_ready(broker->workers)) != NULL) {
		int copy = fcntl(connection->fd, F_DUPFD_CLOEXEC, 0);

		if (copy >= 0 && worker_give(worker, copy, &connection->caller, connection->share) >= 0)
			return true;
		worker_failed(worker, "it does not take a connection");
	}
	return false;
}

/* Takes it out of the queue; it still counts for its share. */
static struct connection *waiting_leave(struct workers *workers, struct connection **at)
{
	struct connection *connection = *at;

	*at = connection->next;
	if (*at == NULL)
		workers->waiting_end = at;
	return connection;
}

static void connection_free(struct connection *connection)
{
	close(connection->fd);
	free(connection);
}

static void waiting_drop(struct workers *workers, struct connection **at)
{
	struct connection *connection = waiting_leave(workers, at);

	share_drop(&workers->shares, connection->share);
	connection_free(connection);
}

/* The next to be served: among the users with the fewest served connections, the one that has waited longest. A burst
 * of one user's connections is a queue of its own. */
static struct connection **waiting_next(struct workers *workers)
{
	struct connection **next = &workers->waiting;

	for (struct connection **at = &workers->waiting; *at != NULL; at = &(*at)->next)
		if ((*at)->share->served < (*next)->share->served)
			next = at;
	return next;
}

/* The last ready workers are kept for users who are not served at all: they do not wait for one to start. */
static bool waiting_may_go(const struct workers *workers, const struct connection *connection)
{
	return connection->share->served == 0 || connection->caller.root ||
	       workers_count(workers, WORKER_READY) > READY_KEPT;
}

static void waiting_serve(struct broker *broker)
{
	struct workers *workers = broker->workers;

	while (workers->waiting != NULL) {
		struct connection **next = waiting_next(workers);

		if (!waiting_may_go(workers, *next) || !connection_give(broker, *next))
			return;
		connection_free(waiting_leave(workers, next));
	}
}

int workers_serve(struct broker *broker, int fd, const struct caller *caller)
{
	struct workers *workers = broker->workers;
	cleanup_fd int owned = fd;
	struct connection *connection = calloc(1, sizeof(*connection));

	if (connection == NULL)
		return -ENOMEM;
	connection->share = share_take(&workers->shares, caller);
	if (connection->share == NULL) {
		free(connection);
		return -ENOMEM;
	}
	connection->fd = steal_fd(&owned);
	connection->caller = *caller;
	*workers->waiting_end = connection;
	workers->waiting_end = &connection->next;
	workers_turn(broker);
	return 0;
}

/* ---- somebody makes room ---- */

/* Its peer would lose nothing but time. */
static bool worker_idle_now(const struct worker *worker, bool quiet)
{
	return worker->state == WORKER_SERVING && (worker->call == NULL || (quiet && call_collects(worker->call)));
}

/* Of the largest share, the one that has said nothing for the longest time. */
static struct worker *worker_to_yield(const struct workers *workers, unsigned mine)
{
	uint64_t now = clock_usec();
	struct worker *chosen = NULL;

	for (struct worker *worker = workers->list; worker != NULL; worker = worker->next) {
		bool quiet = worker->state == WORKER_SERVING && now - worker->heard >= QUIET_USEC;

		if (!worker_idle_now(worker, quiet) || !share_yields(worker->share, mine, quiet))
			continue;
		if (chosen == NULL || worker->share->held > chosen->share->held ||
		    (worker->share == chosen->share && worker->heard < chosen->heard))
			chosen = worker;
	}
	return chosen;
}

/* Of the largest share, the one that came last: it loses the least. */
static struct connection **waiting_to_yield(struct workers *workers, unsigned mine)
{
	struct connection **chosen = NULL;

	for (struct connection **at = &workers->waiting; *at != NULL; at = &(*at)->next)
		if (share_yields((*at)->share, mine, false) &&
		    (chosen == NULL || (*at)->share->held >= (*chosen)->share->held))
			chosen = at;
	return chosen;
}

bool workers_make_room(struct broker *broker, const struct caller *caller)
{
	struct workers *workers = broker->workers;
	unsigned mine = share_held(&workers->shares, caller);
	struct worker *worker = worker_to_yield(workers, mine);
	struct connection **waiting = worker == NULL ? waiting_to_yield(workers, mine) : NULL;

	if (worker != NULL)
		worker_end(worker);
	else if (waiting != NULL)
		waiting_drop(workers, waiting);
	return worker != NULL || waiting != NULL;
}

/* Nobody waits for ever for a worker that cannot come (on a kernel without Landlock, say). */
static void waiting_refuse(struct broker *broker)
{
	while (broker->workers->waiting != NULL) {
		listen_refuse_broken(broker, broker->workers->waiting->fd);
		waiting_drop(broker->workers, &broker->workers->waiting);
	}
}

void workers_turn(struct broker *broker)
{
	waiting_serve(broker);
	workers_fill(broker);
}

static int respawn_due(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct broker *broker = userdata;

	(void)usec;
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	if (broker->workers->failures >= FAILURES_MAX)
		waiting_refuse(broker);
	workers_start(broker, true);
	return 0;
}

static void respawn_later(struct broker *broker)
{
	struct workers *workers = broker->workers;
	unsigned shift = workers->failures < 8 ? workers->failures : 8;
	uint64_t usec = (uint64_t)(BACKOFF_MIN_MS << shift) * 1000;
	int enabled = SD_EVENT_OFF;

	if (usec > BACKOFF_MAX_MS * 1000ull)
		usec = BACKOFF_MAX_MS * 1000ull;
	if (workers->respawn == NULL) {
		if (sd_event_add_time_relative(broker->event, &workers->respawn, CLOCK_MONOTONIC, usec, 10000,
					       respawn_due, broker) < 0)
			log_error("no timer for starting workers");
		return;
	}
	sd_event_source_get_enabled(workers->respawn, &enabled);
	if (enabled != SD_EVENT_OFF)
		return;
	sd_event_source_set_time_relative(workers->respawn, usec);
	sd_event_source_set_enabled(workers->respawn, SD_EVENT_ONESHOT);
}

/* Starts as many as there are waiting connections, and a few to spare. After a failure: one, when its time has come. */
static void workers_start(struct broker *broker, bool again)
{
	struct workers *workers = broker->workers;
	unsigned starting = workers_count(workers, WORKER_STARTING);
	unsigned present = starting + workers_count(workers, WORKER_READY), wanted = READY_WANTED;

	for (const struct connection *waiting = workers->waiting; waiting != NULL; waiting = waiting->next)
		wanted++;
	while (!broker->stopping && present < wanted && starting < STARTING_MAX) {
		int r;

		if (workers->failures > 0 && !again) {
			respawn_later(broker);
			return;
		}
		r = worker_start(broker);
		if (r < 0 && workers->failures++ % 16 == 0)
			log_error("a worker could not be started: %s", strerror(-r));
		again = false;
		present++;
		starting++;
	}
}

static void workers_fill(struct broker *broker)
{
	workers_start(broker, false);
}

int workers_open(struct broker *broker, char *why, size_t size)
{
	cleanup_free struct workers *workers = calloc(1, sizeof(*workers));
	int r;

	if (workers == NULL)
		return -ENOMEM;
	workers->waiting_end = &workers->waiting;
	r = worker_image_open(&workers->image, why, size);
	if (r < 0)
		return r;
	broker->workers = steal_ptr(&workers);
	workers_fill(broker);
	return 0;
}

void workers_close(struct broker *broker)
{
	struct workers *workers = broker->workers;

	if (workers == NULL)
		return;
	while (workers->list != NULL) {
		struct worker *worker = workers->list;

		worker_end(worker); /* unlinks it */
		free(worker);
	}
	while (workers->waiting != NULL)
		waiting_drop(workers, &workers->waiting);
	sd_event_source_disable_unref(workers->respawn);
	worker_image_close(&workers->image);
	free(workers);
	broker->workers = NULL;
}
