/* SPDX-License-Identifier: ISC */
#include "backup/file_count.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* Up to the first ']' of a line, then this and nothing else. */
static const char mark[] = "] " FILE_COUNT_FORMAT;

#define OTHER sizeof(mark) /* a line about something else */

void file_count_take(struct file_count *count, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] == '\n') {
			count->files += count->at == sizeof(mark) - 1;
			count->at = 0;
		} else if (count->at < sizeof(mark) - 1 && bytes[i] == mark[count->at]) {
			count->at++;
		} else if (count->at > 0) {
			count->at = OTHER;
		}
	}
	count->any |= size > 0;
}

union control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int file_count_send(int socket, int fd)
{
	union control control = { 0 };
	char byte = 0;
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(int));
	return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ? 0 : -errno;
}

int file_count_receive(int socket)
{
	union control control = { 0 };
	char byte;
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	const struct cmsghdr *head;
	ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	int fd;

	if (n <= 0)
		return n < 0 ? -errno : -ENOENT;
	head = CMSG_FIRSTHDR(&message);
	if (head == NULL || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS ||
	    head->cmsg_len != CMSG_LEN(sizeof(int)))
		return -ENOENT;
	memcpy(&fd, CMSG_DATA(head), sizeof(int));
	return fd;
}

bool file_count_taken(int socket)
{
	const struct timeval patience = { .tv_sec = 1 };
	char byte;

	return setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
	       recv(socket, &byte, 1, 0) == 1;
}
