/* SPDX-License-Identifier: ISC */
/* One worker: starts it, gives it a connection, listens to it, and kills it if it says something that a sound worker
 * does not. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/clock.h"
#include "subuidd/base/child.h"
#include "subuidd/base/log.h"
#include "subuidd/change/rehearsal.h"
#include "subuidd/door/operation.h"
#include "subuidd/base/settings.h"
#include "subuidd/door/workers_internal.h"

static void worker_reaped(void *data, int status)
{
	(void)status;
	free(data);
}

void worker_end(struct worker *worker)
{
	struct workers *workers = worker->broker->workers;

	if (worker->state == WORKER_GONE)
		return;
	if (worker->share != NULL) {
		worker->share->served--;
		share_drop(&workers->shares, worker->share);
		worker->share = NULL;
	}
	worker->state = WORKER_GONE;
	for (struct worker **at = &workers->list; *at != NULL; at = &(*at)->next)
		if (*at == worker) {
			*at = worker->next;
			break;
		}
	if (worker->call != NULL)
		call_leave(worker->call);
	worker->call = NULL;
	rehearsal_leave(worker->broker, worker);
	worker->io = sd_event_source_disable_unref(worker->io);
	worker->timer = sd_event_source_disable_unref(worker->timer);
	close(worker->fd);
	syscall(SYS_pidfd_send_signal, worker->pidfd, SIGKILL, NULL, 0);
	if (worker->broker->stopping) /* the loop has ended; init reaps */
		close(worker->pidfd);
	else if (child_watch(worker->broker->event, worker->pidfd, 0, worker_reaped, worker) < 0)
		log_error("a worker that has ended cannot be waited for");
}

static void worker_violated(struct worker *worker, const char *what)
{
	log_error("a worker was killed: %s (it served uid %u, pid %d)", what,
		  worker->state == WORKER_SERVING ? (unsigned)worker->caller.uid : 0u,
		  worker->state == WORKER_SERVING ? (int)worker->caller.pid : 0);
	worker_end(worker);
}

void worker_failed(struct worker *worker, const char *what)
{
	struct workers *workers = worker->broker->workers;

	if (workers->failures++ % 16 == 0)
		log_error("a worker could not be started: %s", what);
	worker_end(worker);
}

/* Non-blocking: answers that the worker has not read yet fit into the socket's buffer (one batch), or the worker is not
 * sound. */
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

static void worker_row(void *asker, uint32_t op, struct answer *row)
{
	worker_send(asker, op, row);
}

static void worker_rows(void *asker, uint32_t op, char *rows, unsigned count)
{
	struct worker *worker = asker;
	size_t size = wire_answer_size(op);
	struct mmsghdr messages[WIRE_BATCH];
	struct iovec parts[WIRE_BATCH];
	int sent = 0;

	if (worker->state != WORKER_SERVING)
		return;
	for (unsigned i = 0; i < count && i < WIRE_BATCH; i++) {
		struct answer *row = (struct answer *)(rows + i * size);

		row->op = op;
		row->size = (uint32_t)size;
		wire_answer_clean(row, op);
		parts[i] = (struct iovec){ row, size };
		messages[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &parts[i], .msg_iovlen = 1 } };
	}
	if (count > 0)
		sent = sendmmsg(worker->fd, messages, count, MSG_DONTWAIT | MSG_NOSIGNAL);
	for (unsigned i = sent < 0 ? 0 : (unsigned)sent; i < count; i++) /* which says why not */
		worker_send(worker, op, (struct answer *)(rows + i * size));
}

static void worker_answer(void *asker, uint32_t op, struct answer *answer)
{
	struct worker *worker = asker;

	worker->call = NULL;
	worker_send(worker, op, answer);
}

/* Its share stays: the user who connected answers for it. */
static void worker_become(void *asker, const struct caller *caller)
{
	struct worker *worker = asker;

	worker->caller = *caller;
}

static const struct call_sink worker_sink = { worker_row, worker_rows, worker_answer, worker_become };

static int worker_idle(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct worker *worker = userdata;

	(void)source;
	(void)usec;
	if (worker->state == WORKER_STARTING)
		worker_failed(worker, "it was not ready in time");
	else if (worker->call == NULL || call_collects(worker->call))
		worker_violated(worker, "it kept an idle connection");
	else
		sd_event_source_set_enabled(worker->timer, SD_EVENT_OFF);
	workers_turn(worker->broker);
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

int worker_give(struct worker *worker, int connection, const struct caller *caller, struct share *share)
{
	struct wire_connection first = { .tag = WIRE_CONNECTION,
					 .idle_seconds = worker->broker->settings.idle_seconds,
					 .password_cost = passwords_cost(&worker->broker->settings) };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &first, sizeof(first) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
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
	worker->share = share;
	share->served++;
	worker->heard = clock_usec();
	worker->state = WORKER_SERVING;
	return worker_deadline(worker, IDLE_FACTOR * worker->broker->settings.idle_seconds);
}

/* Room for one byte more than any request: a longer packet is seen to be longer. */
union worker_message {
	struct request request;
	char bytes[sizeof(struct request) + 1];
};

/* As recv(2). The worker's end of the channel is worth nothing in another process, whatever its uid: -1 and EPERM. */
static ssize_t message_receive(const struct worker *worker, union worker_message *message)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred))];
	struct iovec iov = { message, sizeof(*message) };
	struct msghdr header = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t got = recvmsg(worker->fd, &header, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *sender = got > 0 ? CMSG_FIRSTHDR(&header) : NULL;
	struct ucred who = { 0 };

	if (got <= 0)
		return got;
	/* descriptors that came along do not fit behind it: MSG_CTRUNC, and the kernel closes them */
	if (sender != NULL && sender->cmsg_level == SOL_SOCKET && sender->cmsg_type == SCM_CREDENTIALS &&
	    sender->cmsg_len == CMSG_LEN(sizeof(who)))
		memcpy(&who, CMSG_DATA(sender), sizeof(who));
	if (who.pid == worker->pid && (header.msg_flags & MSG_CTRUNC) == 0)
		return got;
	errno = EPERM;
	return -1;
}

static void worker_receive(struct worker *worker)
{
	static union worker_message message;
	ssize_t got = message_receive(worker, &message);
	bool busy = worker->call != NULL && !call_collects(worker->call);
	int r;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got < 0 && errno == EPERM && worker->state == WORKER_SERVING)
		worker_violated(worker, "another process spoke in its place");
	else if (got < 0 && errno == EPERM)
		worker_failed(worker, "another process spoke in its place");
	else if (got <= 0 && worker->state == WORKER_SERVING)
		worker_end(worker);
	else if (got <= 0)
		worker_failed(worker, "it ended by itself");
	else if (worker->state == WORKER_STARTING && got == 1 && message.bytes[0] == WIRE_READY) {
		worker->state = WORKER_READY;
		worker->broker->workers->failures = 0;
		sd_event_source_set_enabled(worker->timer, SD_EVENT_OFF);
	} else if (worker->state != WORKER_SERVING) {
		worker_failed(worker, "it spoke out of turn");
	} else if (busy || (size_t)got > sizeof(message)) {
		worker_violated(worker, "it spoke out of turn");
	} else {
		worker->heard = clock_usec();
		worker_deadline(worker, IDLE_FACTOR * worker->broker->settings.idle_seconds);
		r = operation_receive(worker->broker, &worker->caller, &worker_sink, worker, &message, (size_t)got,
				      &worker->call);
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
	workers_turn(broker);
	return 0;
}

int worker_start(struct broker *broker)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	int r;

	if (worker == NULL)
		return -ENOMEM;
	worker->broker = broker;
	r = worker_spawn(&broker->workers->image, &worker->fd, &worker->pid, &worker->pidfd);
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
