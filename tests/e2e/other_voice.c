/* SPDX-License-Identifier: ISC */
/*
 * In the place of the real worker: it answers every peer with {"parameters":{"voice":"…"}}. With -DCHILD another
 * process of the same uid does, which has the worker's end of the channel.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "subuidd/wire/wire.h"

static int serve(void)
{
	static const char ready = WIRE_READY, reply[] = "{\"parameters\":{\"voice\":\"worker\"}}"; /* with its NUL */
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct wire_connection connection;
	struct iovec iov = { &connection, sizeof(connection) };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	char asked[4096];
	int fd;

	if (send(WIRE_FD, &ready, 1, MSG_NOSIGNAL) != 1 || recvmsg(WIRE_FD, &message, 0) <= 0 ||
	    CMSG_FIRSTHDR(&message) == NULL)
		return 1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return read(fd, asked, sizeof(asked)) > 0 && write(fd, reply, sizeof(reply)) == (ssize_t)sizeof(reply) ? 0 : 1;
}

int main(void)
{
#ifdef CHILD
	pid_t pid = fork();

	if (pid != 0)
		return waitpid(pid, NULL, 0) < 0;
#endif
	return serve();
}
