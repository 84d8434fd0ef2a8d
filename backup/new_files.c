/* SPDX-License-Identifier: ISC */
/*
 * The process beside a tool that only makes new files. Run by tool, with the uid of the account, confined as the tool
 * is and by a filter of a dozen calls; the tool may have been taken over by its client. It keeps the descriptors, so
 * that the number of a file cannot become another file's meanwhile.
 */
#include "backup/new_files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "confine/seccomp.h"

#define KEPT_MAX 256u /* the latest: clients set a date as soon as a file is whole */
#define MARK "user.subuid.made"
#define MARK_SECONDS 86400 /* the mark of a session that was killed stays, and is worth nothing after a day */

struct mark {
	int64_t made; /* seconds since the epoch */
	uint32_t key;
	uint32_t reserved; /* 0 */
};

struct keeper {
	int kept[KEPT_MAX];
	unsigned count, next;
	uint32_t key;
};

static bool is_file(int fd, struct stat *st)
{
	return fstat(fd, st) == 0 && S_ISREG(st->st_mode);
}

static void forget(int fd)
{
	fremovexattr(fd, MARK);
	close(fd);
}

/* Takes fd over. A file system without attributes keeps no marks. */
static void keep(struct keeper *keeper, int fd)
{
	const struct mark mark = { .made = time(NULL), .key = keeper->key };
	const int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (flags < 0 || (flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_RDONLY || !is_file(fd, &st)) {
		close(fd);
		return;
	}
	if (keeper->count == KEPT_MAX)
		forget(keeper->kept[keeper->next]);
	else
		keeper->count++;
	keeper->kept[keeper->next] = fd;
	keeper->next = (keeper->next + 1) % KEPT_MAX;
	fsetxattr(fd, MARK, &mark, sizeof(mark), 0);
}

/* By another session of the same key. */
static bool is_marked(const struct keeper *keeper, int fd)
{
	const int64_t now = time(NULL);
	struct mark mark;

	return fgetxattr(fd, MARK, &mark, sizeof(mark)) == (ssize_t)sizeof(mark) && mark.key == keeper->key &&
	       mark.made <= now && now - mark.made < MARK_SECONDS;
}

/* One through which the file may be changed, or -1. */
static int new_file(const struct keeper *keeper, int fd)
{
	struct stat wanted, st;

	if (!is_file(fd, &wanted))
		return -1;
	for (unsigned i = 0; i < keeper->count; i++)
		if (fstat(keeper->kept[i], &st) == 0 && st.st_ino == wanted.st_ino && st.st_dev == wanted.st_dev)
			return keeper->kept[i];
	return is_marked(keeper, fd) ? fd : -1;
}

static int change(int fd, const struct new_files_order *order)
{
	const struct timespec times[2] = {
		{ .tv_sec = order->access.seconds, .tv_nsec = order->access.nanoseconds },
		{ .tv_sec = order->change.seconds, .tv_nsec = order->change.nanoseconds },
	};

	if (fd < 0)
		return EPERM;
	if (order->kind == NEW_FILES_DATES)
		return futimens(fd, times) != 0 ? errno : 0;
	return fchmod(fd, order->mode & (S_IRWXU | S_IRGRP | S_IXGRP | S_IROTH | S_IXOTH)) != 0 ? errno : 0;
}

/* One order and its descriptor. False: the tool has gone, or has sent what is none. */
static bool order_take(int socket, struct new_files_order *order, int *fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec data = { order, sizeof(*order) };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	const struct cmsghdr *head;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(*order))
		return false;
	head = CMSG_FIRSTHDR(&message);
	if (head == NULL || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS ||
	    head->cmsg_len != CMSG_LEN(sizeof(int)))
		return false;
	memcpy(fd, CMSG_DATA(head), sizeof(int));
	return true;
}

static void serve(int socket, struct keeper *keeper)
{
	struct new_files_order order;
	int fd, answer;

	while (order_take(socket, &order, &fd)) {
		if (order.kind == NEW_FILES_MADE) {
			keep(keeper, fd);
			answer = 0;
		} else if (order.kind == NEW_FILES_DATES || order.kind == NEW_FILES_MODE) {
			answer = change(new_file(keeper, fd), &order);
			close(fd);
		} else {
			return;
		}
		if (send(socket, &answer, sizeof(answer), MSG_NOSIGNAL) != (ssize_t)sizeof(answer))
			return;
	}
}

/* Nothing of the session is held open by it. It ends after the tool, whatever ends that: marks are not to stay. */
_Noreturn static void run(int socket, uint32_t key)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGTERM };
	static struct keeper keeper;

	keeper.key = key;
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	if (dup2(socket, 0) != 0 || syscall(SYS_close_range, 1, ~0u, 0) != 0 ||
	    seccomp_confine(SECCOMP_NEW_FILES_KEEPER) < 0)
		_exit(EXIT_FAILURE);
	serve(0, &keeper);
	for (unsigned i = 0; i < keeper.count; i++)
		forget(keeper.kept[i]);
	_exit(EXIT_SUCCESS);
}

int new_files_start(uint32_t key)
{
	int ends[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		run(ends[1], key);
	r = pid < 0 || (ends[0] != NEW_FILES_SOCKET && dup2(ends[0], NEW_FILES_SOCKET) < 0) ||
			    fcntl(NEW_FILES_SOCKET, F_SETFD, 0) < 0 ?
		    -errno :
		    0;
	close(ends[1]);
	if (r < 0 || ends[0] != NEW_FILES_SOCKET)
		close(ends[0]);
	return r;
}
