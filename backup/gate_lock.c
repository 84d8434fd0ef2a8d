/* SPDX-License-Identifier: ISC */
/*
 * Locks for runs that change a directory. Run by the gate, as the account and confined; rsync's processes inherit them.
 * A client that has taken rsync over can take or drop any of them.
 */
#include "backup/gate_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * flock(2) on each directory of the way, shared; exclusive on the last one, if it exists. A directory that does not
 * exist yet is held by its name: a read lock (fcntl(2), by open file) on a byte of the directory it will lie in;
 * which byte follows from the name. Another run that takes that way asks for such locks too, even if the directory has
 * been made in the meantime. Two simultaneous runs may both be turned away, but never both let in.
 *
 * Far behind those bytes a third lock says who holds it: it begins at the second of the start, and is as
 * long as the number of the process. No file is needed, and nothing is left over.
 */
#define NAMES INT64_C(0x100000000)   /* bytes 0..NAMES for names */
#define SIGNATURE (INT64_C(1) << 60) /* + seconds since the epoch */
#define LEVELS_MAX 16                /* deeper ones are held as one */

static int64_t name_byte(const char *name, size_t length)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619u;
	return (int64_t)hash;
}

static int record_lock(int fd, int64_t start, int64_t length)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length };

	return fcntl(fd, F_OFD_SETLK, &lock) != 0 ? -errno : 0;
}

/* The first lock of somebody else from start on, length bytes (0: to the end). */
static bool record_lock_of_others(int fd, int64_t start, int64_t length, struct flock *found)
{
	*found = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length };
	return fcntl(fd, F_OFD_GETLK, found) == 0 && found->l_type != F_UNLCK;
}

/* File systems without these locks cannot tell; the flock(2) holds anyway. */
static void sign(int fd)
{
	record_lock(fd, SIGNATURE + time(NULL), getpid());
}

static int busy(int fd, char *holder, size_t size)
{
	struct flock found;
	char since[64];
	time_t when;
	struct tm tm;

	snprintf(holder, size, "another run is writing there; one at a time");
	if (!record_lock_of_others(fd, SIGNATURE, 0, &found))
		return -EWOULDBLOCK;
	when = (time_t)(found.l_start - SIGNATURE);
	if (gmtime_r(&when, &tm) == NULL || strftime(since, sizeof(since), "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		return -EWOULDBLOCK;
	snprintf(holder, size, "another run is writing there (process %lld, since %s); one at a time",
		 (long long)found.l_len, since);
	return -EWOULDBLOCK;
}

static int hold(int fd, int how, char *holder, size_t size)
{
	if (flock(fd, how | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ? busy(fd, holder, size) : -errno;
	sign(fd);
	return 0;
}

/* Other runs that are making this name. taken: this run makes it, or writes there. */
static int hold_name(int fd, const char *name, size_t length, bool taken, char *holder, size_t size)
{
	int64_t byte = name_byte(name, length);
	struct flock found;

	if (taken)
		record_lock(fd, byte, 1);
	return record_lock_of_others(fd, byte, 1, &found) ? busy(fd, holder, size) : 0;
}

static int directory_open(int fd, const char *name, size_t length)
{
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK, .resolve = RESOLVE_BENEATH };
	char component[NAME_MAX + 1];
	long opened;

	if (length > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(component, name, length);
	component[length] = '\0';
	opened = syscall(SYS_openat2, fd, component, &how, sizeof(how));
	return opened < 0 ? -errno : (int)opened;
}

int gate_lock(const char *path, char *holder, size_t size)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY), r = fd < 0 ? -errno : 0;

	for (int level = 0; r == 0; level++) {
		size_t length = strcspn(path, "/");
		const char *next = path + length + strspn(path + length, "/");
		int below;

		if (length == 0 || (length == 1 && path[0] == '.') || level == LEVELS_MAX)
			return hold(fd, LOCK_EX, holder, size);
		r = hold(fd, LOCK_SH, holder, size);
		if (r < 0)
			return r;
		below = directory_open(fd, path, length);
		r = hold_name(fd, path, length, below < 0 || *next == '\0', holder, size);
		if (r < 0 || below < 0) /* it does not exist yet, is a file, or cannot be read: held by its name */
			return r;
		fd = below;
		path = next;
	}
	return r;
}
