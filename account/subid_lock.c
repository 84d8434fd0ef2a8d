/* SPDX-License-Identifier: ISC */
#include "account/subid_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <shadow.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "confine/cleanup.h"

#define ATTEMPTS 100 /* of 50 ms: for a program that takes the files' locks without lckpwdf */

static const char *const names[SUBID_LOCK_FILES] = { "subuid", "subgid" };

static int pid_file_make(int dirfd, const char *name)
{
	char text[24];
	int length = snprintf(text, sizeof(text), "%lu", (unsigned long)getpid()) + 1; /* with its NUL, as shadow */
	cleanup_fd int fd = -1;

	unlinkat(dirfd, name, 0);
	fd = openat(dirfd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, text, (size_t)length) != length)
		return errno != 0 ? -errno : -EIO;
	return 0;
}

/* A lock whose holder lives; as shadow decides it. */
static int lock_alive(int dirfd, const char *lock)
{
	cleanup_fd int fd = openat(dirfd, lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char text[24], *end;
	ssize_t length;
	long pid;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	length = read(fd, text, sizeof(text) - 1);
	if (length <= 0)
		return -EBUSY; /* without a pid: nobody can tell */
	text[length] = '\0';
	pid = strtol(text, &end, 10);
	if (*end != '\0' || pid <= 0)
		return -EBUSY;
	return kill((pid_t)pid, 0) == 0 || errno != ESRCH ? -EBUSY : 0;
}

static int lock_one(int dirfd, const char *pid_name, const char *lock)
{
	struct stat st;
	int r;

	for (int i = 0; i < ATTEMPTS; i++) {
		if (linkat(dirfd, pid_name, dirfd, lock, 0) == 0)
			return fstatat(dirfd, pid_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink == 2 ?
				       0 :
				       -EBUSY;
		if (errno != EEXIST)
			return -errno;
		r = lock_alive(dirfd, lock);
		if (r < 0 && r != -EBUSY)
			return r;
		if (r == 0)
			unlinkat(dirfd, lock, 0);
		else
			nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	}
	return -EBUSY;
}

static int lock_file(int dirfd, const char *name)
{
	char pid_name[64], lock[32];
	int r;

	snprintf(pid_name, sizeof(pid_name), "%s.%lu", name, (unsigned long)getpid());
	snprintf(lock, sizeof(lock), "%s.lock", name);
	r = pid_file_make(dirfd, pid_name);
	if (r == 0)
		r = lock_one(dirfd, pid_name, lock);
	unlinkat(dirfd, pid_name, 0);
	return r;
}

static void unlock_files(int dirfd, int count)
{
	char lock[32];

	while (count-- > 0) {
		snprintf(lock, sizeof(lock), "%s.lock", names[count]);
		unlinkat(dirfd, lock, 0);
	}
}

int subid_lock(int dirfd)
{
	if (lckpwdf() < 0)
		return -EBUSY;
	for (int i = 0; i < SUBID_LOCK_FILES; i++) {
		int r = lock_file(dirfd, names[i]);

		if (r < 0) {
			unlock_files(dirfd, i);
			ulckpwdf();
			return r;
		}
	}
	return 0;
}

void subid_unlock(int dirfd)
{
	unlock_files(dirfd, SUBID_LOCK_FILES);
	ulckpwdf();
}
