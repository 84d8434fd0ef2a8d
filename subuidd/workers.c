/* SPDX-License-Identifier: ISC */
#include "subuidd/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "subuidd/log.h"
#include "subuidd/workers_internal.h"

#define READY_WANTED 4u    /* workers that wait for a connection */
#define STARTING_MAX 8u    /* at the same time: a burst of connections is no burst of forks */
#define BACKOFF_MIN_MS 50u
#define BACKOFF_MAX_MS 5000u
#define FAILURES_MAX (READY_WANTED + 3u) /* in a row, some seconds: who waits is told that there is no worker. More than
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

/* One user has 65536 uids and more (subordinate ids, sub-accounts), none of which can have accounts: all that have
 * none are counted as one, or he would take every connection there is. */
static bool counted_together(const struct caller *a, const struct caller *b)
{
	return a->uid == b->uid || (!a->root && !a->ordinary && !b->root && !b->ordinary);
}

unsigned workers_connections(const struct broker *broker, const struct caller *caller)
{
	unsigned count = 0;

	for (const struct worker *worker = broker->workers->list; worker != NULL; worker = worker->next)
		count += worker->state == WORKER_SERVING && counted_together(&worker->caller, caller);
	for (const struct connection *waiting = broker->workers->waiting; waiting != NULL; waiting = waiting->next)
		count += counted_together(&waiting->caller, caller);
	return count;
}

unsigned workers_connections_all(const struct broker *broker)
{
	unsigned count = workers_count(broker->workers, WORKER_SERVING);

	for (const struct connection *waiting = broker->workers->waiting; waiting != NULL; waiting = waiting->next)
		count++;
	return count;
}

static struct worker *worker_ready(struct workers *workers)
{
	for (struct worker *worker = workers->list; worker != NULL; worker = worker->next)
		if (worker->state == WORKER_READY)
			return worker;
	return NULL;
}

/* A worker that cannot take it is ended and the next one tried. */
static bool connection_give(struct broker *broker, int fd, const struct caller *caller)
{
	struct worker *worker;

	while ((worker = worker_ready(broker->workers)) != NULL) {
		int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

		if (copy >= 0 && worker_give(worker, copy, caller) >= 0)
			return true;
		worker_failed(worker, "it does not take a connection");
	}
	return false;
}

int workers_serve(struct broker *broker, int fd, const struct caller *caller)
{
	struct workers *workers = broker->workers;
	cleanup_fd int connection = fd;
	struct connection *waiting;

	if (workers->waiting == NULL && connection_give(broker, connection, caller)) {
		workers_fill(broker);
		return 0;
	}
	waiting = calloc(1, sizeof(*waiting));
	if (waiting == NULL)
		return -ENOMEM;
	waiting->fd = steal_fd(&connection);
	waiting->caller = *caller;
	*workers->waiting_end = waiting;
	workers->waiting_end = &waiting->next;
	workers_fill(broker);
	return 0;
}

static void waiting_drop(struct workers *workers)
{
	struct connection *first = workers->waiting;

	workers->waiting = first->next;
	if (workers->waiting == NULL)
		workers->waiting_end = &workers->waiting;
	close(first->fd);
	free(first);
}

static void waiting_serve(struct broker *broker)
{
	struct workers *workers = broker->workers;

	while (workers->waiting != NULL && connection_give(broker, workers->waiting->fd, &workers->waiting->caller))
		waiting_drop(workers);
}

/* Nobody waits without end for what does not come (a kernel without Landlock, say). */
static void waiting_refuse(struct broker *broker)
{
	while (broker->workers->waiting != NULL) {
		listen_refuse_broken(broker, broker->workers->waiting->fd);
		waiting_drop(broker->workers);
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

/* As many are started as wait for one, and a few to spare. After a failure: one, when
 * its time has come (again). */
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
		waiting_drop(workers);
	sd_event_source_disable_unref(workers->respawn);
	worker_image_close(&workers->image);
	free(workers);
	broker->workers = NULL;
}
