/* SPDX-License-Identifier: ISC */
#include "subuidd/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "subuidd/child.h"
#include "subuidd/log.h"
#include "subuidd/operation.h"

#define READY_WANTED 4u    /* workers that wait for a connection */
#define STARTING_MAX 8u    /* at the same time: a burst of connections is no burst of forks */
#define START_SECONDS 10u  /* to seal itself */
#define BACKOFF_MIN_MS 50u
#define BACKOFF_MAX_MS 5000u
#define IDLE_FACTOR 10u    /* the worker keeps the deadline; this is for one that does not */

enum worker_state { WORKER_STARTING, WORKER_READY, WORKER_SERVING, WORKER_GONE };

struct worker {
	struct worker *next;
	struct broker *broker;
	enum worker_state state;
	int fd, pidfd;
	sd_event_source *io, *timer;
	struct caller caller; /* while serving */
	struct call *call;    /* the one request that is under way */
};

struct connection { /* that waits for a worker */
	struct connection *next;
	int fd;
	struct caller caller;
};

struct workers {
	struct worker_image image;
	struct worker *list;
	struct connection *waiting, **waiting_end;
	sd_event_source *respawn;
	unsigned failures; /* in a row */
};

static void workers_fill(struct broker *broker);
static void workers_start(struct broker *broker, bool again);

static unsigned workers_count(const struct workers *workers, enum worker_state state)
{
	unsigned count = 0;

	for (const struct worker *worker = workers->list; worker != NULL; worker = worker->next)
		count += worker->state == state;
	return count;
}

unsigned workers_connections(const struct broker *broker, uid_t uid)
{
	unsigned count = 0;

	for (const struct worker *worker = broker->workers->list; worker != NULL; worker = worker->next)
		count += worker->state == WORKER_SERVING && worker->caller.uid == uid;
	for (const struct connection *waiting = broker->workers->waiting; waiting != NULL; waiting = waiting->next)
		count += waiting->caller.uid == uid;
	return count;
}

unsigned workers_connections_all(const struct broker *broker)
{
	unsigned count = workers_count(broker->workers, WORKER_SERVING);

	for (const struct connection *waiting = broker->workers->waiting; waiting != NULL; waiting = waiting->next)
		count++;
	return count;
}

static void worker_reaped(void *data, int status)
{
	(void)status;
	free(data);
}

/* The struct lives until the process is reaped: whoever is in the middle of it may still look. */
static void worker_end(struct worker *worker)
{
	struct workers *workers = worker->broker->workers;

	if (worker->state == WORKER_GONE)
		return;
	worker->state = WORKER_GONE;
	for (struct worker **at = &workers->list; *at != NULL; at = &(*at)->next)
		if (*at == worker) {
			*at = worker->next;
			break;
		}
	if (worker->call != NULL) /* goes on, and answers nobody */
		worker->call->worker = NULL;
	worker->call = NULL;
	worker->io = sd_event_source_disable_unref(worker->io);
	worker->timer = sd_event_source_disable_unref(worker->timer);
	close(worker->fd);
	syscall(SYS_pidfd_send_signal, worker->pidfd, SIGKILL, NULL, 0);
	if (child_watch(worker->broker->event, worker->pidfd, 0, worker_reaped, worker) < 0)
		log_error("a worker that has ended cannot be waited for");
}

static void worker_violated(struct worker *worker, const char *what)
{
	log_error("a worker was killed: %s (it served uid %u, pid %d)", what,
		  worker->state == WORKER_SERVING ? (unsigned)worker->caller.uid : 0u,
		  worker->state == WORKER_SERVING ? (int)worker->caller.pid : 0);
	worker_end(worker);
}

/* It ended before it was of use: the next attempts come slower. */
static void worker_failed(struct worker *worker, const char *what)
{
	struct workers *workers = worker->broker->workers;

	if (workers->failures++ % 16 == 0)
		log_error("a worker could not be started: %s", what);
	worker_end(worker);
}

/* Non-blocking: what the worker has not taken by now fits the socket's buffer (one batch
 * of answers), or it is not sound. */
static void worker_send(struct worker *worker, uint32_t op, struct answer *answer)
{
	ssize_t sent;

	if (worker->state != WORKER_SERVING)
		return;
	answer->op = op;
	answer->size = (uint32_t)wire_answer_size(op);
	wire_answer_clean(answer, op);
	sent = send(worker->fd, answer, answer->size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
		worker_end(worker);
	else if (sent < 0)
		worker_violated(worker, "it does not take its answers");
}

void worker_row(struct worker *worker, uint32_t op, struct answer *row)
{
	worker_send(worker, op, row);
}

void worker_answer(struct worker *worker, uint32_t op, struct answer *answer)
{
	worker->call = NULL;
	worker_send(worker, op, answer);
}

static int worker_idle(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct worker *worker = userdata;

	(void)source;
	(void)usec;
	if (worker->state == WORKER_STARTING)
		worker_failed(worker, "it did not get ready in time");
	else if (worker->call == NULL)
		worker_violated(worker, "it kept an idle connection");
	else
		sd_event_source_set_enabled(worker->timer, SD_EVENT_OFF);
	workers_fill(worker->broker);
	return 0;
}

static int worker_deadline(struct worker *worker, unsigned seconds)
{
	if (worker->timer == NULL)
		return sd_event_add_time_relative(worker->broker->event, &worker->timer, CLOCK_MONOTONIC,
						  seconds * 1000000ull, 1000000, worker_idle, worker);
	if (sd_event_source_set_time_relative(worker->timer, seconds * 1000000ull) < 0)
		return -EIO;
	return sd_event_source_set_enabled(worker->timer, SD_EVENT_ONESHOT);
}

/* Hands the connection over; closes our copy in every case. */
static int worker_give(struct worker *worker, int connection, const struct caller *caller)
{
	struct wire_connection first = { .tag = WIRE_CONNECTION, .idle_seconds = worker->broker->settings.idle_seconds };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &first, sizeof(first) };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
	cleanup_fd int fd = connection;

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	if (sendmsg(worker->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)sizeof(first))
		return -errno;
	worker->caller = *caller;
	worker->state = WORKER_SERVING;
	return worker_deadline(worker, IDLE_FACTOR * worker->broker->settings.idle_seconds);
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

/* Room for one byte more than any request: a longer packet is seen to be longer. */
static void worker_receive(struct worker *worker)
{
	static union {
		struct request request;
		char bytes[sizeof(struct request) + 1];
	} message;
	ssize_t got = recv(worker->fd, &message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);
	int r;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0 && worker->state == WORKER_SERVING)
		worker_end(worker);
	else if (got <= 0)
		worker_failed(worker, "it ended by itself");
	else if (worker->state == WORKER_STARTING && got == 1 && message.bytes[0] == WIRE_READY) {
		worker->state = WORKER_READY;
		worker->broker->workers->failures = 0;
		sd_event_source_set_enabled(worker->timer, SD_EVENT_OFF);
	} else if (worker->state != WORKER_SERVING || worker->call != NULL || (size_t)got > sizeof(message)) {
		worker_violated(worker, "it spoke out of turn");
	} else {
		worker_deadline(worker, IDLE_FACTOR * worker->broker->settings.idle_seconds);
		r = operation_receive(worker->broker, worker, &worker->caller, &message, (size_t)got, &worker->call);
		if (r < 0)
			worker_violated(worker, r == -EPROTO ? "its request is ill-formed" : strerror(-r));
	}
}

static int worker_event(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct worker *worker = userdata;
	struct broker *broker = worker->broker;

	(void)source;
	(void)fd;
	(void)events;
	worker_receive(worker);
	waiting_serve(broker);
	workers_fill(broker);
	return 0;
}

static int worker_start(struct broker *broker)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	int r;

	if (worker == NULL)
		return -ENOMEM;
	worker->broker = broker;
	r = worker_spawn(&broker->workers->image, &worker->fd, &worker->pidfd);
	if (r < 0) {
		free(worker);
		return r;
	}
	worker->next = broker->workers->list;
	broker->workers->list = worker;
	r = sd_event_add_io(broker->event, &worker->io, worker->fd, EPOLLIN, worker_event, worker);
	if (r >= 0)
		r = worker_deadline(worker, START_SECONDS);
	if (r < 0)
		worker_end(worker);
	return r;
}

static int respawn_due(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct broker *broker = userdata;

	(void)usec;
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
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
	while (workers->list != NULL)
		worker_end(workers->list);
	while (workers->waiting != NULL)
		waiting_drop(workers);
	sd_event_source_disable_unref(workers->respawn);
	worker_image_close(&workers->image);
	free(workers);
	broker->workers = NULL;
}
