/* SPDX-License-Identifier: ISC */
#include "confine/user_namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine/cleanup.h"

#define ANSWER_MS 5000
#define MAP_TEXT_MAX 4096 /* the kernel takes one write of less than a page */

static int map_text(const struct id_map *map, size_t count, char text[MAP_TEXT_MAX])
{
	size_t used = 0;

	if (count == 0)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		int n = snprintf(text + used, MAP_TEXT_MAX - used, "%u %u %u\n", map[i].inside, map[i].outside,
				 map[i].count);

		if (n < 0 || (size_t)n >= MAP_TEXT_MAX - used)
			return -EINVAL;
		used += (size_t)n;
	}
	return (int)used;
}

static int map_write(pid_t pid, const char *file, const char *text, size_t length)
{
	cleanup_fd int fd = -1;
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, text, length);
	if (n < 0)
		return -errno;
	return (size_t)n == length ? 0 : -EIO;
}

/*
 * In the new namespace, with the parent's descriptor table (CLONE_FILES): what it opens, the parent has.
 * It opens its own namespace, because that is always allowed, while the parent
 * would need CAP_SYS_PTRACE. Raw system calls only; waits to be mapped until the parent kills it.
 */
static _Noreturn void namespace_child(int answer)
{
	int fd = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fd = -errno;
	if (write(answer, &fd, sizeof(fd)) != (ssize_t)sizeof(fd))
		_exit(1);
	for (;;)
		pause();
}

/* The child's descriptor. The pidfd is watched too: both hold the pipe's write end, so no end of file tells of
 * its death. */
static int namespace_receive(int answer, int pidfd)
{
	struct pollfd polls[] = { { .fd = answer, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };
	int fd;

	while (poll(polls, 2, ANSWER_MS) < 0)
		if (errno != EINTR)
			return -errno;
	if ((polls[0].revents & POLLIN) == 0)
		return polls[1].revents != 0 ? -ECHILD : -ETIMEDOUT;
	return read(answer, &fd, sizeof(fd)) == (ssize_t)sizeof(fd) ? fd : -EIO;
}

static void namespace_end(pid_t pid)
{
	int saved = errno;

	kill(pid, SIGKILL);
	/* __WALL: it was made without an exit signal, so that nobody's SIGCHLD handling sees it */
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	errno = saved;
}

static pid_t namespace_clone(int *pidfd)
{
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_FILES | CLONE_PIDFD,
		.pidfd = (uintptr_t)pidfd,
	};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	return pid < 0 ? -errno : (pid_t)pid;
}

int user_namespace_open(const struct id_map *uids, size_t uids_count, const struct id_map *gids, size_t gids_count)
{
	char uid_text[MAP_TEXT_MAX], gid_text[MAP_TEXT_MAX];
	int uid_length = map_text(uids, uids_count, uid_text), gid_length = map_text(gids, gids_count, gid_text);
	cleanup_fd int fd = -1, pidfd = -1, in = -1, out = -1;
	int ends[2], r;
	pid_t pid;

	if (uid_length < 0 || gid_length < 0)
		return -EINVAL;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	in = ends[0];
	out = ends[1];
	pid = namespace_clone(&pidfd);
	if (pid < 0)
		return pid;
	if (pid == 0)
		namespace_child(out);
	r = namespace_receive(in, pidfd);
	if (r >= 0) {
		fd = r;
		r = map_write(pid, "uid_map", uid_text, (size_t)uid_length);
	}
	if (r >= 0)
		r = map_write(pid, "gid_map", gid_text, (size_t)gid_length);
	namespace_end(pid);
	return r < 0 ? r : steal_fd(&fd);
}
