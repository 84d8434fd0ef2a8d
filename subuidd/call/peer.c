/* SPDX-License-Identifier: ISC */
/*
 * Compares user namespaces by their maps: /proc/PID/ns/user is for tracers, and the broker has no CAP_SYS_PTRACE; the
 * map is for everybody, and the kernel reads it without a lock that the process could hold. As this process sees it,
 * the map of another namespace is never that of its own: that would take all ids, and a user who makes a namespace maps
 * but those of newuidmap(1). (Root may make one with all ids, and is root in it.) No process gets back from a container
 * into the namespace of the host, so the answer stays true.
 */
#include "subuidd/call/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/peerpidfd.h"
#include "confine/read_full.h"

#define MAP_SIZE 12288 /* 340 lines of 33 bytes, and more */

/* The process that connected itself, whoever has its number by now. A descriptor or negative errno. */
static int peer_pidfd(int fd, pid_t pid, bool fresh)
{
	int pidfd = -1;
	socklen_t size = sizeof(pidfd);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0)
		return pidfd;
	if (errno != ENOPROTOOPT)
		return -errno;
	if (!fresh)
		return -ESTALE;
	pidfd = pidfd_open(pid, 0);
	return pidfd < 0 ? -errno : pidfd;
}

/* Its directory in /proc; pidfd says that the number still is that of this process. A descriptor or negative errno. */
static int process_open(int pidfd, pid_t pid)
{
	char path[32];
	cleanup_fd int process = -1;

	if (pid <= 0) /* in no pid namespace of ours */
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (process < 0 || pidfd_send_signal(pidfd, 0, NULL, 0) < 0)
		return -errno;
	return steal_fd(&process);
}

/* How long it is, or negative errno. */
static ssize_t map_read(int process, char map[MAP_SIZE])
{
	cleanup_fd int fd = openat(process, "uid_map", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t length = fd < 0 ? -errno : read_full(fd, map, MAP_SIZE);

	return length < MAP_SIZE ? length : -E2BIG;
}

/* 1, 0 or negative errno. */
static int namespace_same(int process)
{
	cleanup_fd int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char theirs[MAP_SIZE], ours[MAP_SIZE];
	ssize_t length, own;

	if (self < 0)
		return -errno;
	length = map_read(process, theirs);
	own = length < 0 ? length : map_read(self, ours);
	if (own <= 0)
		return own < 0 ? (int)own : -EIO;
	return length == own && memcmp(theirs, ours, (size_t)own) == 0;
}

enum contained peer_contained(int fd, pid_t pid, bool fresh)
{
	cleanup_fd int pidfd = peer_pidfd(fd, pid, fresh);
	cleanup_fd int process = pidfd < 0 ? pidfd : process_open(pidfd, pid);
	int r = process < 0 ? process : namespace_same(process);

	return r < 0 ? CONTAINED_DOUBT : r == 1 ? CONTAINED_NOT : CONTAINED_NAMESPACE;
}
