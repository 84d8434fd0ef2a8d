/* SPDX-License-Identifier: ISC */
/*
 * Moves bytes between the descriptors of sshd and pipes, without looking at them: splice(2), as much as there is room
 * for in the bandwidth, and as each of the two ends takes. The pipes hold what has not gone on: an end that stops
 * reading stops the other. Run as a child of the login shell, of which a filter leaves a dozen system calls.
 */
#include "backup/throttle.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backup/bandwidth.h"
#include "confine/cleanup.h"
#include "confine/seccomp.h"

#define STREAMS 3 /* by the descriptor of the run: 0 comes in, 1 and 2 go out */
#define PIPE_LEAST 4096
#define MS_MAX 60000

struct stream {
	int from, to; /* -1: it has ended */
	struct bandwidth *bandwidth;
	bool to_waits; /* there is something to pass on, and no room for it */
};

static int64_t clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Its writer then learns that nobody reads any more, its reader that nothing will come. The first two descriptors of
 * sshd may be one socket. */
static void stream_end(struct stream *stream)
{
	shutdown(stream->to, SHUT_WR);
	close(stream->from);
	close(stream->to);
	stream->from = stream->to = -1;
}

/* After poll(2) said that one of the two is ready; the other may not be. */
static void stream_move(struct stream *stream, uint64_t room)
{
	const ssize_t moved = splice(stream->from, NULL, stream->to, NULL, room, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	if (moved > 0) {
		bandwidth_use(stream->bandwidth, (uint64_t)moved);
		stream->to_waits = false;
	} else if (moved < 0 && errno == EAGAIN) {
		stream->to_waits = !stream->to_waits;
	} else if (moved == 0 || errno != EINTR) {
		stream_end(stream);
	}
}

/* Milliseconds until there is room again, rounded up. */
static int wait_for(int64_t now, int64_t until)
{
	const int64_t ms = (until - now + 999999) / 1000000;

	return ms < 0 ? 0 : ms > MS_MAX ? MS_MAX : (int)ms;
}

/* One turn: false when nothing is left to pass on to the client. */
static bool turn(struct stream streams[STREAMS])
{
	struct pollfd polled[2 * STREAMS];
	uint64_t room[STREAMS] = { 0 };
	const int64_t now = clock_now();
	int timeout = -1, n;

	if (streams[1].to < 0 && streams[2].to < 0)
		return false;
	for (size_t i = 0; i < STREAMS; i++) {
		struct stream *stream = &streams[i];
		int64_t until = now;

		polled[2 * i] = (struct pollfd){ .fd = -1 };
		polled[2 * i + 1] = (struct pollfd){ .fd = stream->to };
		if (stream->to < 0)
			continue;
		room[i] = bandwidth_room(stream->bandwidth, now, &until);
		if (room[i] == 0 && (timeout < 0 || wait_for(now, until) < timeout))
			timeout = wait_for(now, until);
		if (room[i] != 0 && stream->to_waits)
			polled[2 * i + 1].events = POLLOUT;
		else if (room[i] != 0)
			polled[2 * i] = (struct pollfd){ .fd = stream->from, .events = POLLIN };
	}
	n = poll(polled, 2 * STREAMS, timeout);
	for (size_t i = 0; n > 0 && i < STREAMS; i++) {
		if (streams[i].to < 0)
			continue;
		if ((polled[2 * i + 1].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0)
			stream_end(&streams[i]); /* its reader is gone */
		else if (polled[2 * i].revents != 0 || polled[2 * i + 1].revents != 0)
			stream_move(&streams[i], room[i]);
	}
	return n >= 0 || errno == EINTR;
}

/* Signals are for the run. Nothing of it is held open: it ends after the run, however that ends. */
_Noreturn static void run(uint64_t rate, const int inner[STREAMS])
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGTERM, SIGPIPE };
	struct bandwidth in, out;
	struct stream streams[STREAMS] = {
		{ .from = STDIN_FILENO, .to = inner[0], .bandwidth = &in },
		{ .from = inner[1], .to = STDOUT_FILENO, .bandwidth = &out },
		{ .from = inner[2], .to = STDERR_FILENO, .bandwidth = &out },
	};

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	for (size_t i = 0; i < STREAMS; i++)
		if (fcntl(streams[i].to, F_SETFL, fcntl(streams[i].to, F_GETFL) | O_NONBLOCK) < 0)
			_exit(EXIT_FAILURE);
	if (syscall(SYS_close_range, 6, ~0u, 0) != 0 || seccomp_confine(SECCOMP_THROTTLE) < 0)
		_exit(EXIT_FAILURE);
	bandwidth_begin(&in, rate, clock_now());
	bandwidth_begin(&out, rate, clock_now());
	while (turn(streams))
		;
	_exit(EXIT_SUCCESS);
}

static bool is_stream(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

/* A pipe holds a quarter of a second, so that what has been sent is soon there. */
static void pipe_fit(int fd, uint64_t rate)
{
	const uint64_t quarter = rate / 4;

	if (quarter < BANDWIDTH_PIECE)
		fcntl(fd, F_SETPIPE_SZ, (int)(quarter < PIPE_LEAST ? PIPE_LEAST : quarter));
}

/* In the child: the other ends, as descriptors 3 to 5, and nothing else of the pipes. */
_Noreturn static void child(uint64_t rate, int pipes[STREAMS][2])
{
	int inner[STREAMS];

	for (int i = 0; i < STREAMS; i++) {
		inner[i] = fcntl(pipes[i][i == 0 ? 1 : 0], F_DUPFD_CLOEXEC, 16);
		if (inner[i] < 0)
			_exit(EXIT_FAILURE);
	}
	for (int i = 0; i < STREAMS; i++) {
		if (dup2(inner[i], 3 + i) < 0)
			_exit(EXIT_FAILURE);
		inner[i] = 3 + i;
	}
	run(rate, inner);
}

static void pipes_close(int pipes[STREAMS][2])
{
	for (size_t i = 0; i < STREAMS; i++)
		for (size_t k = 0; k < 2; k++)
			if (pipes[i][k] >= 0)
				close(pipes[i][k]);
}

int throttle_begin(uint64_t rate, pid_t *pid)
{
	int pipes[STREAMS][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } }, r = 0;

	*pid = 0;
	if (!is_stream(STDIN_FILENO) || !is_stream(STDOUT_FILENO) || !is_stream(STDERR_FILENO))
		return 0;
	for (size_t i = 0; r == 0 && i < STREAMS; i++) {
		if (pipe2(pipes[i], O_CLOEXEC) != 0)
			r = -errno;
		else
			pipe_fit(pipes[i][0], rate);
	}
	if (r == 0)
		*pid = fork();
	if (r == 0 && *pid == 0)
		child(rate, pipes);
	if (r == 0 && *pid < 0)
		r = -errno;
	for (int i = 0; r == 0 && i < STREAMS; i++)
		if (dup2(pipes[i][i == 0 ? 0 : 1], i) < 0)
			r = -errno;
	pipes_close(pipes);
	return r;
}

void throttle_end(pid_t pid)
{
	cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (pid == 0)
		return;
	if (null < 0 || dup2(null, STDERR_FILENO) < 0)
		close(STDERR_FILENO);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
