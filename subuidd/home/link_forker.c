/* SPDX-License-Identifier: ISC */
/*
 * The process that forks the children which become an owner. It is made while the broker has nothing in its memory yet,
 * for two reasons: a fork of the broker, and the pages that it writes after one, would be a fifth of the time that an account
 * takes; and what the broker knows of others is in no process that has the owner's uid. It is root with the broker's
 * capabilities, hears the broker alone, and does nothing else. Its children are the broker's: that one
 * waits for them, and they die with it.
 */
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "confine/child.h"
#include "confine/cleanup.h"
#include "confine/harden.h"
#include "subuidd/home/internal.h"

#define ANSWER_SECONDS 5 /* it only forks: longer than this means that it is broken */

struct forker_job {
	int fd;
};

/* An order comes whole or not at all, with the channel of the child. 1; 0 there will be none any more. */
static int order_receive(int fd, struct link_job *order)
{
	struct iovec part = { order, sizeof(*order) };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *header;
	ssize_t n;

	while ((n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		;
	header = n == (ssize_t)sizeof(*order) ? CMSG_FIRSTHDR(&message) : NULL;
	if (header == NULL || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int)))
		return 0;
	memcpy(&order->channel, CMSG_DATA(header), sizeof(int));
	return 1;
}

/* NSS loads its modules here once, and not in each child. */
static void modules_load(void)
{
	gid_t groups[1];
	int count = 1;

	getgrouplist("root", 0, groups, &count);
}

static int forker_run(const void *argument)
{
	const struct forker_job *job = argument;
	const int keep[] = { 0, 1, 2, job->fd, -1 };
	struct link_job order;

	if (descriptors_keep(keep) < 0)
		return 1;
	prctl(PR_SET_NAME, "subuidd-links");
	modules_load();
	while (order_receive(job->fd, &order) > 0) {
		const struct child_job child = { .run = link_child, .argument = &order, .seconds = LINK_SECONDS };
		pid_t pid = -1;
		int r = child_start_beside(&child, &pid);
		int answer = r < 0 ? r : (int)pid;

		close(order.channel);
		if (send(job->fd, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
			return 1;
	}
	return 0;
}

int link_forker_start(int *forker, int *pidfd)
{
	const struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	cleanup_fd int ours = -1, theirs = -1;
	struct forker_job job;
	const struct child_job child = { .run = forker_run, .argument = &job };
	pid_t pid;
	int r, pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	if (setsockopt(ours, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
	    setsockopt(ours, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0)
		return -errno;
	job.fd = theirs;
	r = child_start(&child, &pid, pidfd);
	if (r == 0)
		*forker = steal_fd(&ours);
	return r;
}

static int order_send(int forker, const struct link_job *order, int channel)
{
	struct iovec part = { (void *)(uintptr_t)order, sizeof(*order) };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &channel, sizeof(int));
	return sendmsg(forker, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int link_prepare(int forker, const struct homes *homes, const struct link_owner *owner, const struct account *account,
		 int *channel)
{
	struct link_job order;
	cleanup_fd int ours = -1, theirs = -1;
	int r = link_job_fill(homes, owner, account, true, &order), pair[2];

	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	r = order_send(forker, &order, theirs);
	if (r == 0)
		*channel = steal_fd(&ours);
	return r;
}

int link_prepared(int forker, pid_t *pid, int *pidfd)
{
	int answer = 0, fd;
	ssize_t n;

	while ((n = recv(forker, &answer, sizeof(answer), 0)) < 0 && errno == EINTR)
		;
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	if (n != (ssize_t)sizeof(answer) || answer <= 0)
		return n > 0 && answer < 0 ? answer : -EPIPE;
	fd = pidfd_open((pid_t)answer, 0); /* the caller's child that nobody has waited for: the number is still its own */
	if (fd < 0)
		return -errno;
	*pid = (pid_t)answer;
	*pidfd = fd;
	return 0;
}
