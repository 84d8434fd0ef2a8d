/* SPDX-License-Identifier: ISC */
/* Opens a user namespace with given id maps and returns its descriptor; the caller stays where it is. */
#include "confine/user_namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine/cleanup.h"

#define CHILD_STACK 8192

int id_map_text(const struct id_map *map, size_t count, char text[ID_MAP_TEXT_MAX])
{
	size_t used = 0;

	if (count == 0)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		int n = snprintf(text + used, ID_MAP_TEXT_MAX - used, "%u %u %u\n", map[i].inside, map[i].outside,
				 map[i].count);

		if (n < 0 || (size_t)n >= ID_MAP_TEXT_MAX - used)
			return -EINVAL;
		used += (size_t)n;
	}
	return (int)used;
}

int id_map_write(pid_t pid, const char *file, const char *text, size_t length)
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

/* What parent and child share: they have one address space. */
struct namespace_job {
	int fd; /* the namespace, or negative errno */
};

/*
 * In the new namespace, with the parent's memory and descriptors (CLONE_VM, CLONE_FILES): the parent gets every
 * descriptor that it opens, and no page tables are copied. The parent stands still meanwhile (CLONE_VFORK). The
 * child opens its own namespace, because that is always allowed, while the parent would need CAP_SYS_PTRACE; it
 * does not change its user, and ends. One system call; errno is the parent's, too.
 */
static int namespace_child(void *argument)
{
	struct namespace_job *job = argument;
	int saved = errno;
	long fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/ns/user", O_RDONLY | O_CLOEXEC, 0);

	job->fd = fd < 0 ? -errno : (int)fd;
	errno = saved;
	return 0;
}

/* __WALL: the child was made without an exit signal, so that no SIGCHLD handling sees it. */
static void namespace_reap(pid_t pid)
{
	int saved = errno;

	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	errno = saved;
}

/* No signal handler may run on the child's small stack, in the parent's memory. */
static pid_t namespace_clone(struct namespace_job *job)
{
	_Alignas(16) char stack[CHILD_STACK];
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = clone(namespace_child, stack + sizeof(stack), CLONE_NEWUSER | CLONE_VM | CLONE_VFORK | CLONE_FILES, job);
	if (pid < 0)
		pid = -errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

/* The child has ended and is not reaped yet: its entries in /proc still lead to the namespace. */
int user_namespace_open(const struct id_map *uids, size_t uids_count, const struct id_map *gids, size_t gids_count)
{
	char uid_text[ID_MAP_TEXT_MAX], gid_text[ID_MAP_TEXT_MAX];
	int uid_length = id_map_text(uids, uids_count, uid_text), gid_length = id_map_text(gids, gids_count, gid_text);
	struct namespace_job job = { .fd = -ECHILD };
	cleanup_fd int fd = -1;
	pid_t pid;
	int r;

	if (uid_length < 0 || gid_length < 0)
		return -EINVAL;
	pid = namespace_clone(&job);
	if (pid < 0)
		return pid;
	fd = r = job.fd;
	if (r >= 0)
		r = id_map_write(pid, "uid_map", uid_text, (size_t)uid_length);
	if (r >= 0)
		r = id_map_write(pid, "gid_map", gid_text, (size_t)gid_length);
	namespace_reap(pid);
	return r < 0 ? r : steal_fd(&fd);
}
