/* SPDX-License-Identifier: ISC */
/*
 * Locks that a power cut leaves behind, and why they may be removed.
 *
 * A lock is the directory entry FILE.lock with a pid in it. After a power cut the entry can be there without the
 * pid, if nobody synced it; shadow (4.13 to 4.20: lib/commonio.c, do_lock_file) stops at such a lock for good
 * ("existing lock file without a PID"), and so do useradd and usermod. Or it has the pid of a process of the boot
 * before, which by now belongs to another process. So here the pid is synced before the link, and the directory
 * after link and unlink. And, while lckpwdf(3) is ours, a lock is taken away
 *
 *   - whose process is gone, or was started after the lock was made (the pid was given out again);
 *   - that was made before this boot, or at a time that has not come yet (the clock ran ahead, and was set right
 * since);
 *   - that has no pid in it and has not changed for ODD_SECONDS.
 *
 * Why this takes no lock from a process that is alive: all of shadow's tools, and we, take lckpwdf before FILE.lock
 * and let go of it after (commonio_lock, commonio_unlock; a record lock, which the kernel drops when its holder
 * dies), so that no process that made the lock of the real /etc can be at work while lckpwdf is ours. The exception is
 * `--prefix`, without lckpwdf: its lock has a pid, written and synced before the link, of a process that is alive,
 * which is checked. None of these programs ever makes a lock without a pid, since the pid is written before the link:
 * either a power cut left it, or an administrator made it by hand; the minute is for such locks.
 *
 * Run by root: a child of the broker, and `subuid adopt`.
 */
#include "subid/lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <shadow.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/proc_stat.h"

#define ATTEMPTS 100 /* of 50 ms: for a program that takes the files' locks without lckpwdf */
#define ODD_SECONDS 60
#define START_SLACK_SECONDS                                                                                            \
	2 /* for the start of a process: counted in ticks since the boot, whose own time is rounded */

static const char *const names[SUBID_LOCK_FILES] = { "subuid", "subgid" };

/* ---- who made it */

static int pid_read(int fd, pid_t *pid)
{
	char text[24], *end;
	ssize_t length = read(fd, text, sizeof(text) - 1);
	long number;

	if (length < 0)
		return -errno;
	text[length] = '\0';
	number = strtol(text, &end, 10);
	if (length == 0 || *end != '\0' || number <= 0 || number > INT32_MAX)
		return -ENODATA;
	*pid = (pid_t)number;
	return 0;
}

/* Seconds since the epoch. */
static time_t boot_time(void)
{
	struct timespec now, since;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &since);
	return now.tv_sec - since.tv_sec;
}

/* When the process was started. 0 or negative errno. */
static int start_time(pid_t pid, time_t *when)
{
	cleanup_fd int fd = -1;
	char path[32], text[1024];
	uint64_t ticks;
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (length < 0)
		return -errno;
	text[length] = '\0';
	if (!proc_stat_number(text, PROC_STAT_START, &ticks))
		return -EBADMSG;
	*when = boot_time() + (time_t)(ticks / (uint64_t)sysconf(_SC_CLK_TCK));
	return 0;
}

static bool maker_gone(pid_t pid, const struct stat *st)
{
	time_t started;

	if (kill(pid, 0) < 0 && errno == ESRCH)
		return true;
	return start_time(pid, &started) == 0 && started > st->st_ctim.tv_sec + START_SLACK_SECONDS;
}

/* The clock may have been wrong on either side of the power cut. */
static bool old(const struct stat *st)
{
	time_t now = time(NULL), changed = st->st_ctim.tv_sec;

	return changed + START_SLACK_SECONDS < boot_time() || labs((long)(now - changed)) >= ODD_SECONDS;
}

static enum subid_lock_state look(int dirfd, const char *name, pid_t *pid, struct stat *st)
{
	cleanup_fd int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0 || fstat(fd, st) < 0)
		return errno == ENOENT ? LOCK_NONE : LOCK_ODD;
	if (!S_ISREG(st->st_mode) || pid_read(fd, pid) < 0)
		return LOCK_ODD;
	if (st->st_ctim.tv_sec + START_SLACK_SECONDS < boot_time() || st->st_ctim.tv_sec >= time(NULL) + ODD_SECONDS)
		return LOCK_DEAD;
	return maker_gone(*pid, st) ? LOCK_DEAD : LOCK_HELD;
}

enum subid_lock_state subid_lock_look(int dirfd, const char *name, pid_t *pid)
{
	struct stat st = { 0 };

	return look(dirfd, name, pid, &st);
}

bool subid_lock_left(int dirfd)
{
	char lock[32];
	struct stat st;

	for (int i = 0; i < SUBID_LOCK_FILES; i++) {
		snprintf(lock, sizeof(lock), "%s.lock", names[i]);
		if (fstatat(dirfd, lock, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	}
	return false;
}

/* lckpwdf is ours. True: the lock is gone, or may be. */
static bool lock_clear(int dirfd, const char *lock)
{
	struct stat st = { 0 };
	pid_t pid;

	switch (look(dirfd, lock, &pid, &st)) {
	case LOCK_NONE:
		return true;
	case LOCK_HELD:
		return false;
	case LOCK_ODD:
		if (!S_ISREG(st.st_mode) || !old(&st))
			return false;
		break;
	case LOCK_DEAD:
		break;
	}
	return unlinkat(dirfd, lock, 0) == 0 || errno == ENOENT;
}

/* ---- leftovers of taking a lock: "subuid.4711" */

static bool leftover_named(const char *name)
{
	for (int i = 0; i < SUBID_LOCK_FILES; i++) {
		size_t length = strlen(names[i]);

		if (strncmp(name, names[i], length) == 0 && name[length] == '.' && name[length + 1] != '\0' &&
		    strspn(name + length + 1, "0123456789") == strlen(name + length + 1))
			return true;
	}
	return false;
}

/* They block nobody, but would stay for ever. */
static void leftovers_clear(int dirfd)
{
	cleanup_fd int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL)
		return;
	steal_fd(&fd); /* it is the directory's now */
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
		if (leftover_named(entry->d_name))
			lock_clear(dirfd, entry->d_name);
}

/* ---- taking it */

/* Durable before anybody can see it as a lock. */
static int pid_file_make(int dirfd, const char *name)
{
	char text[24];
	int length = snprintf(text, sizeof(text), "%lu", (unsigned long)getpid()) + 1; /* with its NUL, as shadow */
	cleanup_fd int fd = -1;

	unlinkat(dirfd, name, 0);
	fd = openat(dirfd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	errno = EIO;
	if (write(fd, text, (size_t)length) != length)
		return -errno;
	return fdatasync(fd) < 0 ? -errno : 0;
}

static int lock_one(int dirfd, const char *pid_name, const char *lock)
{
	struct stat st;

	for (int i = 0; i < ATTEMPTS; i++) {
		if (linkat(dirfd, pid_name, dirfd, lock, 0) == 0)
			return fstatat(dirfd, pid_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink == 2 ? 0 : -EBUSY;
		if (errno != EEXIST)
			return -errno;
		if (!lock_clear(dirfd, lock))
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
	fsync(dirfd); /* otherwise a power cut may bring them back, with a pid that another process has by then */
}

static int lock_files(int dirfd)
{
	for (int i = 0; i < SUBID_LOCK_FILES; i++) {
		int r = lock_file(dirfd, names[i]);

		if (r < 0) {
			unlock_files(dirfd, i);
			return r;
		}
	}
	return 0;
}

int subid_lock(int dirfd)
{
	int r;

	if (lckpwdf() < 0)
		return -EBUSY;
	leftovers_clear(dirfd);
	r = lock_files(dirfd);
	if (r == 0 && fsync(dirfd) < 0) {
		r = -errno;
		unlock_files(dirfd, SUBID_LOCK_FILES);
	}
	if (r < 0)
		ulckpwdf();
	return r;
}

void subid_unlock(int dirfd)
{
	unlock_files(dirfd, SUBID_LOCK_FILES);
	ulckpwdf();
}
