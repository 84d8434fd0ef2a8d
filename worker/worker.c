/* SPDX-License-Identifier: ISC */
/*
 * The worker's life, as user subuidd, started by the broker with WIRE_FD and a log
 * on 2: seal, say so, take one connection, serve it, end. Everything that it needs
 * is loaded before it is sealed; from then on it can read and write the
 * descriptors that it has and use memory, nothing else.
 */
#include "worker/worker.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "confine/harden.h"
#include "confine/landlock.h"
#include "confine/seccomp.h"
#include "worker/password.h"

#define MEMORY_MAX (96u * 1024 * 1024) /* one buffer of a message, some JSON made of it, the hash of a password */
#define IDLE_SECONDS_MAX 3600u

/* Which step failed and why, as one line: the last thing that the worker does. */
static __attribute__((noreturn)) void fatal(const char *what, int error)
{
	const char *why = error == 0 ? "not as agreed" : strerrordesc_np(error);
	const char *const parts[] = { "worker: ", what, ": ", why != NULL ? why : "unknown error", "\n" };
	char line[256] = "";

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		strncat(line, parts[i], sizeof(line) - strlen(line) - 1);
	if (write(STDERR_FILENO, line, strlen(line)) < 0)
		_exit(2);
	_exit(1);
}

/* Neither root nor with other descriptors open: a user who starts it otherwise is told so. */
static void check_start(void)
{
	int type = 0;
	socklen_t size = sizeof(type);

	if (getuid() == 0 || geteuid() == 0)
		fatal("must not run as root: the daemon starts it as user subuidd", EPERM);
	if (getsockopt(WIRE_FD, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_SEQPACKET)
		fatal("no broker on descriptor 3: started by the daemon only", EINVAL);

	int r = descriptors_close_from(WIRE_FD + 1);

	if (r < 0)
		fatal("descriptors", -r);
}

static void seal(void)
{
	const struct landlock_rule nothing[] = { LANDLOCK_END };
	int r = process_harden();

	if (r < 0)
		fatal("hardening", -r);
	r = process_bound(RLIMIT_AS, MEMORY_MAX, WIRE_FD + 2);
	if (r < 0)
		fatal("limits", -r);
	r = landlock_confine(nothing);
	if (r < 0)
		fatal("Landlock, which a worker does not run without", -r);
	r = seccomp_confine(SECCOMP_WORKER);
	if (r < 0)
		fatal("seccomp, which a worker does not run without", -r);
}

/* The one descriptor of the message, or -EPROTO. Others that came with it stay open
 * until the process ends, which follows at once. */
static int descriptor_of(struct msghdr *message)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(message);
	int fd = -1;

	if (message->msg_flags & (MSG_TRUNC | MSG_CTRUNC) || control == NULL)
		return -EPROTO;
	if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS ||
	    control->cmsg_len != CMSG_LEN(sizeof(fd)) || CMSG_NXTHDR(message, control) != NULL)
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(control), sizeof(fd));
	return fd;
}

/* Waits, as long as it takes, to be given work. 0: the broker has none any more. */
static bool connection_receive(struct wire_connection *connection, int *fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { connection, sizeof(*connection) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t got;

	do
		got = recvmsg(WIRE_FD, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		fatal("receiving the connection", errno);
	if (got == 0)
		return false;
	if (got != sizeof(*connection) || connection->tag != WIRE_CONNECTION)
		fatal("message of the connection", 0);
	*fd = descriptor_of(&message);
	if (*fd < 0)
		fatal("descriptor of the connection", 0);
	return true;
}

static int timeout_of(const struct wire_connection *connection)
{
	uint32_t seconds = connection->idle_seconds;

	if (seconds == 0 || seconds > IDLE_SECONDS_MAX)
		fatal("idle time of the connection", 0);
	return (int)seconds * 1000;
}

int main(void)
{
	static struct varlink_stream stream; /* 64 KiB: not on the stack */
	static const char ready = WIRE_READY;
	struct wire_connection connection;
	int fd = -1;

	check_start();
	json_object_seed(0); /* reads the system's random source: not possible later */
	seal();
	if (send(WIRE_FD, &ready, 1, MSG_NOSIGNAL) != 1)
		fatal("telling the broker", errno);
	if (!connection_receive(&connection, &fd))
		return 0;
	varlink_stream_init(&stream, fd, timeout_of(&connection));
	worker_password_cost(connection.password_cost);

	int r = worker_serve(WIRE_FD, &stream);

	if (r == -EPROTO)
		fatal("answer of the broker", 0);
	/* Anything else that ended it (closed, too slow, not JSON) is the peer's own doing. */
	_exit(0);
}
