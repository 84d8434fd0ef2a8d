/* SPDX-License-Identifier: ISC */
/* Takes questions, one at a time. Run by each worker of the verifier, without any right. */
#include "verify/serve.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/clock.h"

#define QUESTION_MS 1000 /* pam_subuid sends its question as it connects */

/* The socket's mode lets in root alone, and so does this. */
static bool asked_by_root(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == 0;
}

static void answer_one(int fd, struct verifier *verifier)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	struct password_question question;
	struct password_answer answer = { 0 };
	ssize_t got;

	if (!asked_by_root(fd) || poll(&readable, 1, QUESTION_MS) <= 0)
		return;
	got = recv(fd, &question, sizeof(question), MSG_DONTWAIT | MSG_TRUNC);
	if (got >= 0 && question_sound(&question, (size_t)got)) {
		answer.verdict = password_check(verifier, &question, time(NULL), clock_ms());
		send(fd, &answer, sizeof(answer), MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	explicit_bzero(&question, sizeof(question));
}

int verify_serve(int listener, struct verifier *verifier)
{
	for (;;) {
		cleanup_fd int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			answer_one(fd, verifier);
		else if (errno != EINTR && errno != ECONNABORTED && errno != EAGAIN)
			return -errno;
	}
}
