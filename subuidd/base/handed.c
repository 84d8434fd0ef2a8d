/* SPDX-License-Identifier: ISC */
/* Handing the host's mounts over to a service that has mounts of its own, and taking them. Both run as root. */
#include "subuidd/base/handed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "confine/cgroup.h"
#include "confine/cleanup.h"
#include "confine/path.h"
#include "home/home.h"
#include "home/mounts.h"
#include "subuidd/base/log.h"

#define HANDED_PATH RUN_DIR "/handed" /* of subuidd-handed.socket: root alone may send */
#define CLONE_TREE (AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)

/* One message, in this order; the last one may be missing. */
enum { HANDED_HOMES, HANDED_ETC, HANDED_CGROUPS, HANDED_MAX };

struct trees {
	int fd[HANDED_MAX];
};

static void trees_close(struct trees *trees)
{
	for (size_t i = 0; i < HANDED_MAX; i++)
		if (trees->fd[i] >= 0)
			close(trees->fd[i]);
}

#define trees_cleanup __attribute__((cleanup(trees_close)))

static int failed(char *why, size_t size, const char *what, int error)
{
	snprintf(why, size, "%s: %s", what, strerror(-error));
	return error;
}

/* ---- handing over */

/*
 * Where the mount that the homes are in is not shared (a container whose manager made it so), nothing mounted in a
 * clone would be seen: the homes become a mount of their own, which is.
 */
static int homes_share(const char *homes)
{
	struct mount_attr shared = { .propagation = MS_SHARED };
	cleanup_fd int fd = homes_directory_open(homes);
	cleanup_fd int tree = -1, own = -1;
	int r;

	if (fd < 0)
		return fd;
	r = mount_shared(fd);
	if (r != 0)
		return r < 0 ? r : steal_fd(&fd);
	tree = open_tree(fd, "", CLONE_TREE);
	if (tree < 0 || move_mount(tree, "", fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
		return -errno;
	own = path_open_trusted(homes, O_RDONLY);
	if (own < 0)
		return own;
	/* with the mounts below it: a file server over a view that is taken off in the clone has to go here as
	 * well */
	if (mount_setattr(own, "", AT_EMPTY_PATH | AT_RECURSIVE, &shared, sizeof(shared)) != 0)
		return -errno;
	return steal_fd(&own);
}

static int trees_clone(const char *homes, struct trees *trees, char *why, size_t size)
{
	cleanup_fd int fd = homes_share(homes);

	if (fd < 0)
		return failed(why, size, homes, fd);
	trees->fd[HANDED_HOMES] = open_tree(fd, "", CLONE_TREE);
	if (trees->fd[HANDED_HOMES] < 0)
		return failed(why, size, homes, -errno);
	trees->fd[HANDED_ETC] = open_tree(AT_FDCWD, SYSCONFDIR, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (trees->fd[HANDED_ETC] < 0)
		return failed(why, size, SYSCONFDIR, -errno);
	/* without it the sessions are ended by their processes alone */
	trees->fd[HANDED_CGROUPS] = open_tree(AT_FDCWD, CGROUPS, AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return 0;
}

static int trees_send(int socket, const struct trees *trees)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(trees->fd))];
	} control = { 0 };
	size_t length = sizeof(int) * (trees->fd[HANDED_CGROUPS] < 0 ? HANDED_MAX - 1 : HANDED_MAX);
	struct iovec text = { .iov_base = (char[]){ 'h' }, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &text,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = CMSG_SPACE(length),
	};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(length);
	memcpy(CMSG_DATA(&control.header), trees->fd, length);
	return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ? 0 : -errno;
}

int handed_give(const char *homes, char *why, size_t size)
{
	trees_cleanup struct trees trees = { { -1, -1, -1 } };
	const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = HANDED_PATH };
	cleanup_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), lock = -1;
	int r = trees_clone(homes, &trees, why, size);

	if (r < 0)
		return r;
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return failed(why, size, HANDED_PATH, -errno);
	/* shadow's lock is the one file of /etc that is opened by its path (lckpwdf(3)): it has to be there to be
	 * left writable. The lock is not taken: a user who stops a program that holds it would hold up the
	 * start. */
	lock = open(SYSCONFDIR "/.pwd.lock", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (lock < 0)
		return failed(why, size, SYSCONFDIR "/.pwd.lock", -errno);
	r = trees_send(fd, &trees);
	return r < 0 ? failed(why, size, HANDED_PATH, r) : 0;
}

/* ---- taking */

static int handed_socket(void)
{
	int count = sd_listen_fds(0);

	for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + count; fd++)
		if (sd_is_socket_unix(fd, SOCK_DGRAM, 0, NULL, 0) > 0)
			return fd;
	return -1;
}

static int message_receive(int socket, struct trees *trees)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(trees->fd))];
	} control = { 0 };
	char byte;
	struct iovec text = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &text,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	const struct cmsghdr *header;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) < 0)
		return -errno;
	header = CMSG_FIRSTHDR(&message);
	if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len < CMSG_LEN(0))
		return -EBADMSG;
	memcpy(trees->fd, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
	return trees->fd[HANDED_ETC] < 0 ? -EBADMSG : 0;
}

/* The last one: those before it are of starts that came to nothing. */
static int trees_receive(int socket, struct trees *trees)
{
	int r = -ENODATA;

	for (;;) {
		struct trees next = { { -1, -1, -1 } };
		int received = message_receive(socket, &next);

		if (received == -EAGAIN)
			return r;
		trees_close(trees);
		*trees = next;
		r = received;
		if (r < 0)
			return r;
	}
}

static int homes_lay(int tree, const char *homes)
{
	cleanup_fd int place = path_open_trusted(homes, O_RDONLY);
	struct stat given, here;

	if (place < 0)
		return place;
	if (fstat(tree, &given) != 0 || fstat(place, &here) != 0)
		return -errno;
	if (given.st_dev != here.st_dev || given.st_ino != here.st_ino)
		return -ESTALE;
	if (move_mount(tree, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
		return -errno;
	return 0;
}

/* By whatever way it was started: a unit of the administrator's own may have mounts of its own and hand over nothing.
 */
static void homes_look(const char *homes)
{
	cleanup_fd int fd = path_open_trusted(homes, O_RDONLY);

	if (fd >= 0 && mount_slave(fd) == 1)
		log_warn("%s: what is mounted here does not reach the host, so that no owner sees a view; start the "
			 "daemon by its "
			 "own unit, or without mounts of its own",
			 homes);
}

int handed_take(const char *homes, struct handed *handed, char *why, size_t size)
{
	trees_cleanup struct trees trees = { { -1, -1, -1 } };
	int socket = handed_socket();
	int r = socket < 0 ? 0 : trees_receive(socket, &trees);

	if (r < 0)
		return failed(why, size, "what `subuidd --hand-over` left", r);
	if (socket >= 0)
		r = homes_lay(trees.fd[HANDED_HOMES], homes);
	if (r < 0)
		return failed(why, size, homes, r);
	homes_look(homes);
	handed->etc = steal_fd(&trees.fd[HANDED_ETC]);
	handed->cgroups = steal_fd(&trees.fd[HANDED_CGROUPS]);
	return 0;
}

int handed_etc_open(const struct handed *handed)
{
	int fd = handed->etc >= 0 ? openat(handed->etc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) :
				    open(SYSCONFDIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}
