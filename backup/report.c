/* SPDX-License-Identifier: ISC */
/* Both ends of the socket between a gate and the login shell that watches it, with the uid of the sub-account. */
#include "backup/report.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

union control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int report_send(int socket, const struct report *report)
{
	union control control = { 0 };
	char kind = (char)report->kind;
	const size_t length = strnlen(report->text, REPORT_TEXT_MAX);
	/* not written to, and not const for historical reasons */
	struct iovec data[] = { { &kind, 1 }, { (char *)(uintptr_t)report->text, length } };
	struct msghdr message = { .msg_iov = data, .msg_iovlen = 2 };
	struct cmsghdr *head;

	if (report->fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(head), &report->fd, sizeof(int));
	}
	return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)length + 1 ? 0 : -errno;
}

int report_receive(int socket, struct report *report)
{
	union control control = { 0 };
	unsigned char kind = 0;
	struct report found = { .fd = -1 };
	struct iovec data[] = { { &kind, 1 }, { found.text, REPORT_TEXT_MAX } };
	struct msghdr message = {
		.msg_iov = data, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	const struct cmsghdr *head;
	ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (n <= 0)
		return n < 0 ? -errno : -EPIPE;
	head = CMSG_FIRSTHDR(&message);
	if (head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
	    head->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&found.fd, CMSG_DATA(head), sizeof(int));
	found.kind = (enum report_kind)kind;
	*report = found;
	return 0;
}

bool report_answer(int socket)
{
	return send(socket, "", 1, MSG_NOSIGNAL) == 1;
}

bool report_answered(int socket)
{
	const struct timeval patience = { .tv_sec = 1 };
	char byte;

	return setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
	       recv(socket, &byte, 1, 0) == 1;
}
