/* SPDX-License-Identifier: ISC */
/*
 * Takes questions as they come, and gives them to the workers, one each at a time, in the order of queue.c. A question
 * that is refused without a hash is answered at once. Run by the first process of the verifier, without any right; it
 * waits for nobody: neither for who has connected and says nothing, nor for a worker.
 */
#include "verify/serve.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/clock.h"
#include "verify/queue.h"

#define QUESTION_MS 1000 /* pam_subuid sends its question as it connects */
#define SILENT_MAX 32    /* connections without a question yet; more wait at the socket */
#define AGAIN_MS 200     /* before a worker that ended is started again */
#define REST_TIMES 3     /* what a hash took that came behind others, until the next such one */
#define REST_MS_MOST 200 /* pam_subuid waits for five seconds */

struct asker {
	int fd;        /* -1: nobody is there */
	int64_t until; /* ms of the clock, without a question yet: when it is left */
	struct password_try tried;
	struct password_question question;
};

struct worker {
	int fd;               /* -1: it has ended, */
	int64_t again;        /* ... and is started again then */
	struct asker answers; /* fd -1: it waits for work */
	int64_t since;        /* it began on that, which came */
	bool behind;          /* ... behind others */
	int64_t rests;        /* until then: what comes behind others waits */
};

static struct server {
	struct verifier *verifier;
	int listener;
	unsigned workers;
	struct queue queue;
	struct asker silent[SILENT_MAX];
	struct asker waiting[QUEUE_MAX]; /* by their places in the queue */
	struct worker worker[WORKERS_MOST];
} server;

/* The socket's mode lets in root alone, and so does this. */
static bool asked_by_root(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == 0;
}

static void asker_leave(struct asker *asker)
{
	if (asker->fd >= 0)
		close(asker->fd);
	explicit_bzero(&asker->question, sizeof(asker->question));
	asker->fd = -1;
}

static void asker_answer(struct asker *asker, uint32_t verdict)
{
	const struct password_answer answer = { verdict };

	send(asker->fd, &answer, sizeof(answer), MSG_DONTWAIT | MSG_NOSIGNAL);
	asker_leave(asker);
}

/* Nothing was learned by it. */
static void waiting_refuse(struct asker *asker)
{
	password_return(server.verifier, &asker->tried);
	asker_answer(asker, PASSWORD_TOO_MANY);
}

static void asker_enqueue(struct asker *asker)
{
	enum password_verdict verdict = password_admit(server.verifier, &asker->question, clock_ms(), &asker->tried);
	int lost, place;

	if (verdict != 0) {
		asker_answer(asker, verdict);
		return;
	}
	place = queue_put(&server.queue, asker->tried.turns, &lost);
	if (lost >= 0)
		waiting_refuse(&server.waiting[lost]);
	if (place < 0) {
		waiting_refuse(asker);
		return;
	}
	server.waiting[place] = *asker;
	explicit_bzero(&asker->question, sizeof(asker->question));
	asker->fd = -1;
}

/* False: it says nothing yet. */
static bool asker_read(struct asker *asker)
{
	ssize_t got = recv(asker->fd, &asker->question, sizeof(asker->question), MSG_DONTWAIT | MSG_TRUNC);

	if (got < 0 && (errno == EAGAIN || errno == EINTR) && clock_ms() < asker->until)
		return false;
	if (got >= 0 && question_sound(&asker->question, (size_t)got))
		asker_enqueue(asker);
	else
		asker_leave(asker);
	return true;
}

static struct asker *silent_free(void)
{
	for (unsigned i = 0; i < SILENT_MAX; i++)
		if (server.silent[i].fd < 0)
			return &server.silent[i];
	return NULL;
}

/* 0, or the negative errno of a socket that is of no use any more. */
static int accept_one(struct asker *asker)
{
	cleanup_fd int fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return errno == EINTR || errno == ECONNABORTED || errno == EAGAIN ? 0 : -errno;
	if (!asked_by_root(fd))
		return 0;
	asker->fd = steal_fd(&fd);
	asker->until = clock_ms() + QUESTION_MS;
	asker_read(asker);
	return 0;
}

/* ---- workers */

static void worker_ended(struct worker *worker)
{
	asker_leave(&worker->answers); /* told nothing: it is not known */
	close(worker->fd);
	worker->fd = -1;
	worker->again = clock_ms() + AGAIN_MS;
}

/* A flood by one account or address leaves most of each processor, and of its memory's speed, to others: those who log
 * in need more of both for sshd than for their hash. */
static void worker_rest(struct worker *worker)
{
	const int64_t now = clock_ms(), rest = REST_TIMES * (now - worker->since);

	if (worker->behind)
		worker->rests = now + (rest < REST_MS_MOST ? rest : REST_MS_MOST);
}

static void worker_read(struct worker *worker)
{
	struct password_answer answer;
	ssize_t got = recv(worker->fd, &answer, sizeof(answer), MSG_DONTWAIT | MSG_TRUNC);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got != (ssize_t)sizeof(answer) || worker->answers.fd < 0) {
		worker_ended(worker);
		return;
	}
	if (answer.verdict == PASSWORD_RIGHT || answer.verdict == PASSWORD_RIGHT_OLD)
		password_return(server.verifier, &worker->answers.tried);
	asker_answer(&worker->answers, answer.verdict);
	worker_rest(worker);
}

static void worker_feed(struct worker *worker, bool patient)
{
	const int64_t now = clock_ms();
	int place = queue_take(&server.queue, patient && now >= worker->rests);
	struct asker *asker = &worker->answers;

	if (place < 0)
		return;
	worker->since = now;
	worker->behind = server.queue.places[place].behind;
	*asker = server.waiting[place];
	explicit_bzero(&server.waiting[place].question, sizeof(asker->question));
	server.waiting[place].fd = -1;
	if (send(worker->fd, &asker->question, sizeof(asker->question), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		worker_ended(worker);
	explicit_bzero(&asker->question, sizeof(asker->question));
}

/* The second half of the workers is patient: only these compute what comes behind others of the same account or
 * address, and they leave the processor to everybody else. */
static void workers_feed(verify_start *start)
{
	for (unsigned i = 0; i < server.workers; i++) {
		struct worker *worker = &server.worker[i];
		const bool patient = i >= server.workers / 2;

		if (worker->fd < 0 && clock_ms() >= worker->again) {
			worker->fd = start(server.verifier, patient);
			worker->again = clock_ms() + AGAIN_MS;
		}
		if (worker->fd >= 0 && worker->answers.fd < 0)
			worker_feed(worker, patient);
	}
}

/* ---- the loop */

#define POLLED_MAX (1 + WORKERS_MOST + SILENT_MAX + QUEUE_MAX)

/* The same order as they are looked at in: a descriptor of -1 is passed over. */
static size_t polled(struct pollfd fds[POLLED_MAX])
{
	size_t count = 0;

	fds[count++] = (struct pollfd){ silent_free() != NULL ? server.listener : -1, POLLIN, 0 };
	for (unsigned i = 0; i < WORKERS_MOST; i++)
		fds[count++] = (struct pollfd){ server.worker[i].fd, POLLIN, 0 };
	for (unsigned i = 0; i < SILENT_MAX; i++)
		fds[count++] = (struct pollfd){ server.silent[i].fd, POLLIN, 0 };
	for (unsigned i = 0; i < QUEUE_MAX; i++)
		fds[count++] = (struct pollfd){ server.waiting[i].fd, 0, 0 }; /* POLLHUP alone */
	return count;
}

/* Nobody waits for the answer any more. */
static void waiting_gone(unsigned place)
{
	queue_leave(&server.queue, (int)place);
	password_return(server.verifier, &server.waiting[place].tried);
	asker_leave(&server.waiting[place]);
}

static int turn(const struct pollfd *fds)
{
	const struct pollfd *worker = fds + 1, *silent = worker + WORKERS_MOST, *waiting = silent + SILENT_MAX;

	for (unsigned i = 0; i < QUEUE_MAX; i++)
		if (waiting[i].revents != 0)
			waiting_gone(i);
	for (unsigned i = 0; i < WORKERS_MOST; i++)
		if (worker[i].revents != 0)
			worker_read(&server.worker[i]);
	for (unsigned i = 0; i < SILENT_MAX; i++)
		if (server.silent[i].fd >= 0)
			asker_read(&server.silent[i]);
	return fds[0].revents != 0 ? accept_one(silent_free()) : 0;
}

static int64_t sooner(int64_t least, int64_t ms)
{
	return least < 0 || ms < least ? ms : least;
}

/* Only what has a time needs one: ms, -1 none. */
static int patience(void)
{
	const int64_t now = clock_ms();
	int64_t least = -1;

	for (unsigned i = 0; i < server.workers; i++) {
		const struct worker *worker = &server.worker[i];

		if (worker->fd < 0)
			least = sooner(least, AGAIN_MS);
		else if (worker->answers.fd < 0 && worker->rests > now)
			least = sooner(least, worker->rests - now);
	}
	for (unsigned i = 0; i < SILENT_MAX; i++)
		if (server.silent[i].fd >= 0)
			least = sooner(least, QUESTION_MS);
	return (int)least;
}

static void server_begin(int listener, struct verifier *verifier, unsigned workers)
{
	server.verifier = verifier;
	server.listener = listener;
	server.workers = workers;
	for (unsigned i = 0; i < SILENT_MAX; i++)
		server.silent[i].fd = -1;
	for (unsigned i = 0; i < QUEUE_MAX; i++)
		server.waiting[i].fd = -1;
	for (unsigned i = 0; i < WORKERS_MOST; i++)
		server.worker[i].fd = server.worker[i].answers.fd = -1;
}

int verify_serve(int listener, struct verifier *verifier, unsigned workers, verify_start *start)
{
	struct pollfd fds[POLLED_MAX];
	int r = 0;

	server_begin(listener, verifier, workers);
	while (r == 0) {
		workers_feed(start);
		if (poll(fds, polled(fds), patience()) >= 0)
			r = turn(fds);
		else if (errno != EINTR)
			r = -errno;
	}
	return r;
}
