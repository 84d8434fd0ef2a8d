/* SPDX-License-Identifier: ISC */
/*
 * The links of one account or many of one owner are made by one child that has become the owner (link.c): it looks at
 * all of them, waits for a word, and makes those that are wanted. A dry run says no word. This file has the process
 * that forks these children, what they do, and the broker's orders to it.
 *
 * That process is started while the broker has nothing in its memory yet, for two reasons: a fork of the broker, and
 * the pages that the broker has to copy after it, would be a fifth of the time that an account takes; and no process
 * with the owner's uid contains what the broker knows of others. It is root with the broker's capabilities, takes
 * orders only from the broker, and does nothing else. Its children are the broker's: the broker waits for them, and
 * they die with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "confine/child.h"
#include "confine/cleanup.h"
#include "confine/harden.h"
#include "confine/path.h"
#include "home/internal.h"

/* The broker's deadlines are earlier. In between a child waits for the looks at other homes, and for the list of
 * life/strays.c, which may take ten minutes. */
#define WAITING_SECONDS 900
#define ANSWER_SECONDS 5 /* it only forks: longer than this means that it is broken */

/* An order for the links of accounts of one owner: so much of it as there are accounts. */
struct links_order {
	struct homes homes; /* their paths; no descriptor of it is sent */
	struct link_owner owner;
	size_t at, count;
	int channel; /* to the broker; and the memory of struct links */
	int memory;
	struct account accounts[LINKS_AT_ONCE];
};

/* ---- the child that has become the owner ---- */

/* One byte to the broker; waits for one from it. */
static bool say(int channel, unsigned char byte)
{
	return send(channel, &byte, 1, MSG_NOSIGNAL) == 1;
}

static bool hear(int channel)
{
	unsigned char word;

	return read(channel, &word, 1) == 1;
}

static void links_look(const struct links_order *order, struct links *links, struct link_job *one, int home,
		       enum link_result result)
{
	for (size_t i = 0; i < order->count; i++) {
		link_job_texts(one, &order->homes, &order->accounts[i]);
		links->looks[order->at + i] = result == LINK_OK ? link_look(one, home) : (unsigned char)result;
	}
}

/* None is reported as made before all are synced. */
static enum link_result links_make(const struct links_order *order, const struct links *links, struct link_job *one,
				   int home, unsigned char *made)
{
	bool there = faccessat(home, one->directory, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	cleanup_fd int dir = path_make_directory(home, one->directory, 0700, order->owner.uid);

	if (dir < 0)
		return LINK_DIRECTORY;
	for (size_t i = 0; i < order->count; i++) {
		if (links->results[order->at + i] != LINK_WANTED)
			continue;
		link_job_texts(one, &order->homes, &order->accounts[i]);
		made[i] = (unsigned char)link_place(one, dir);
	}
	return fsync(dir) == 0 && (there || fsync(home) == 0) ? LINK_OK : LINK_FAILED;
}

static void links_tell(const struct links_order *order, struct links *links, enum link_result result,
		       const unsigned char *made)
{
	unsigned char *results = links->results + order->at;

	for (size_t i = 0; i < order->count; i++)
		if (results[i] == LINK_WANTED)
			results[i] = result == LINK_OK ? made[i] : (unsigned char)result;
}

static int links_child(const void *argument)
{
	const struct links_order *order = argument;
	struct links *links = mmap(NULL, sizeof(*links), PROT_READ | PROT_WRITE, MAP_SHARED, order->memory, 0);
	struct link_job one = link_job_of(&order->homes, &order->owner);
	unsigned char made[LINKS_AT_ONCE] = { 0 };
	enum link_result result = LINK_FAILED;
	int home = -1;

	if (links == MAP_FAILED)
		return 1;
	if (link_owner_become(&order->owner, order->channel) == 0) {
		umask(077);
		result = link_home_open(&order->owner, &home);
	}
	links_look(order, links, &one, home, result);
	if (!say(order->channel, LINK_LOOKED) || !hear(order->channel))
		return 0;
	if (result == LINK_OK)
		result = links_make(order, links, &one, home, made);
	links_tell(order, links, result, made);
	(void)say(order->channel, LINK_LOOKED);
	return 0;
}

/* ---- the process that forks ---- */

struct forker_job {
	int fd;
};

static size_t order_size(size_t count)
{
	return offsetof(struct links_order, accounts) + count * sizeof(struct account);
}

/* An order comes whole or not at all, with the channel of the child and the memory. 1; 0 there will be none any more.
 */
static int order_receive(int fd, struct links_order *order)
{
	struct iovec part = { order, sizeof(*order) };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *header;
	ssize_t n;

	while ((n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		;
	header =
		n >= (ssize_t)order_size(0) && order->count <= LINKS_AT_ONCE && n == (ssize_t)order_size(order->count) ?
			CMSG_FIRSTHDR(&message) :
			NULL;
	if (header == NULL || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(2 * sizeof(int)))
		return 0;
	memcpy(&order->channel, CMSG_DATA(header), sizeof(int));
	memcpy(&order->memory, CMSG_DATA(header) + sizeof(int), sizeof(int));
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
	struct links_order order = { 0 };

	if (descriptors_keep(keep) < 0)
		return 1;
	prctl(PR_SET_NAME, "subuidd-links");
	modules_load();
	while (order_receive(job->fd, &order) > 0) {
		const struct child_job child = { .run = links_child, .argument = &order, .seconds = WAITING_SECONDS };
		pid_t pid = -1;
		int r = child_start_beside(&child, &pid);
		int answer = r < 0 ? r : (int)pid;

		close(order.channel);
		close(order.memory);
		memset(&order, 0, sizeof(order)); /* of no owner there is anything in the child of the next one */
		if (send(job->fd, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
			return 1;
	}
	return 0;
}

/* ---- the broker ---- */

int links_share(struct links **ret, int *fd)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	cleanup_fd int memory = memfd_create("subuidd-links", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *links;

	if (memory < 0 || ftruncate(memory, sizeof(**ret)) < 0 || fcntl(memory, F_ADD_SEALS, seals) < 0)
		return -errno;
	links = mmap(NULL, sizeof(**ret), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (links == MAP_FAILED)
		return -errno;
	*ret = links;
	*fd = steal_fd(&memory);
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

static int order_fill(const struct homes *homes, const struct link_owner *owner, const struct account *accounts,
		      size_t count, size_t at, struct links_order *order)
{
	int r = count > LINKS_AT_ONCE || at > LINKS_AT_ONCE - count ? -E2BIG : 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = link_job_valid(owner, &accounts[i]);
	if (r < 0)
		return r;
	*order = (struct links_order){ .homes = *homes, .owner = *owner, .at = at, .count = count };
	memcpy(order->accounts, accounts, count * sizeof(*accounts));
	return 0;
}

static int order_send(int forker, const struct links_order *order, int channel, int memory)
{
	const int descriptors[] = { channel, memory };
	struct iovec part = { (void *)(uintptr_t)order, order_size(order->count) };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(descriptors))] = { 0 };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(descriptors));
	memcpy(CMSG_DATA(header), descriptors, sizeof(descriptors));
	return sendmsg(forker, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int link_prepare(int forker, const struct homes *homes, const struct link_owner *owner, const struct account *accounts,
		 size_t count, int memory, size_t at, int *channel)
{
	struct links_order order;
	cleanup_fd int ours = -1, theirs = -1;
	int r = order_fill(homes, owner, accounts, count, at, &order), pair[2];

	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	r = order_send(forker, &order, theirs, memory);
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
	fd = pidfd_open((pid_t)answer,
			0); /* it is the caller's child and nobody has waited for it, so the number is still its own */
	if (fd < 0)
		return -errno;
	*pid = (pid_t)answer;
	*pidfd = fd;
	return 0;
}
