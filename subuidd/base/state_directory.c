/* SPDX-License-Identifier: ISC */
/* The directory of the store and its lock, for the broker and the state program (root). */
#include "subuidd/base/state_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/path.h"
#include "subuidd/base/trouble.h"

#define LOCK_ATTEMPTS 100 /* of 10 ms */

static int directory_make(char *why, size_t size)
{
	cleanup_fd int parent = path_open_trusted("/var/lib", O_RDONLY | O_DIRECTORY), fd = -1;

	if (parent < 0)
		return trouble_say(why, size, "/var/lib", parent);
	fd = path_make_directory(parent, strrchr(STATE_DIR, '/') + 1, 0755, 0);
	if (fd >= 0 && fchmod(fd, 0755) < 0)
		return trouble_say(why, size, STATE_DIR, -errno);
	return fd < 0 ? trouble_say(why, size, STATE_DIR, fd) : steal_fd(&fd);
}

int state_directory_open(char *why, size_t size)
{
	cleanup_fd int fd = path_open_trusted(STATE_DIR, O_RDONLY | O_DIRECTORY);
	struct stat st;

	if (fd == -ENOENT) {
		fd = directory_make(why, size);
		if (fd < 0)
			return fd;
	}
	if (fd < 0)
		return trouble_say(why, size, STATE_DIR, fd);
	if (fstat(fd, &st) < 0 || st.st_uid != 0 || (st.st_mode & 022) != 0) {
		return trouble_state(why, size, -EPERM);
	}
	return steal_fd(&fd);
}

/* A file of /proc/PID holds this text. For the words alone. */
static bool holder_says(int pid, const char *file, const char *text)
{
	char path[64], content[1024];
	cleanup_fd int fd = -1;
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, content, sizeof(content) - 1);
	content[got > 0 ? got : 0] = '\0';
	return strstr(content, text) != NULL;
}

/* After `subuid setup` under systemd the service runs already, and nobody who then starts a daemon as the manual says
 * has done anything wrong. */
static void holder_describe(int pid, char *why, size_t size)
{
	if (holder_says(pid, "comm", "state\n"))
		snprintf(why, size, "`subuid state` is at work (pid %d); try again when it has ended", pid);
	else if (holder_says(pid, "cgroup", "/subuidd.service"))
		snprintf(why, size,
			 "systemd runs it already, as subuidd.service (pid %d); there is nothing to start: `systemctl "
			 "status subuidd` shows it, `systemctl restart subuidd` starts it anew",
			 pid);
	else
		snprintf(why, size,
			 "another subuidd is running (pid %d); stop it first, by `kill %d`, if you want a new one", pid,
			 pid);
}

/* A POSIX lock: the children that have not become something else yet do not inherit it, and the kernel tells who
 * holds it. A lock without a holder is from a daemon that was just killed: the child that shares its descriptors
 * for a moment (confine/user_namespace.c) releases it when it ends. */
int state_directory_lock(int state_fd, char *why, size_t size)
{
	cleanup_fd int fd = path_open_beneath(state_fd, "lock", O_RDWR | O_CREAT, 0600);
	struct flock lock = { .l_pid = 0 };

	if (fd < 0)
		return trouble_say(why, size, STATE_DIR "/lock", fd);
	for (int i = 0; i < LOCK_ATTEMPTS && lock.l_pid == 0; i++) {
		if (i > 0)
			nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
		lock = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
		if (fcntl(fd, F_SETLK, &lock) == 0)
			return steal_fd(&fd);
		if (errno != EACCES && errno != EAGAIN)
			return trouble_say(why, size, STATE_DIR "/lock", -errno);
		if (fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
			lock.l_pid = 0;
	}
	holder_describe((int)lock.l_pid, why, size);
	return -EBUSY;
}
