/* SPDX-License-Identifier: ISC */
/* Files that are written whole or not at all, for the state program (root): see target.h. */
#include "subuidd/state/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/cleanup.h"

#define MAGIC "subuidd saved state "

/* 0: it may be replaced. */
static int present_check(int dirfd, const char *name, bool force)
{
	cleanup_fd int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char begin[sizeof(MAGIC) - 1];
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : errno == ELOOP ? -EEXIST : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EEXIST;
	if (force)
		return 0;
	return pread(fd, begin, sizeof(begin), 0) == (ssize_t)sizeof(begin) &&
			       memcmp(begin, MAGIC, sizeof(begin)) == 0 ?
		       0 :
		       -EEXIST;
}

static int beside_open(struct target *target)
{
	uint64_t number;

	for (int i = 0; i < 16; i++) {
		if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
			return -EIO;
		if (snprintf(target->beside, sizeof(target->beside), ".%.200s.%016llx", target->name,
			     (unsigned long long)number) >= (int)sizeof(target->beside))
			return -ENAMETOOLONG;
		target->fd =
			openat(target->dirfd, target->beside, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (target->fd >= 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	target->beside[0] = '\0';
	return -errno;
}

int target_open_at(int dirfd, const char *name, bool force, struct target *target)
{
	struct target opened = { .dirfd = -1, .fd = -1 };
	int r;

	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EISDIR;
	if (snprintf(opened.name, sizeof(opened.name), "%s", name) >= (int)sizeof(opened.name))
		return -ENAMETOOLONG;
	r = present_check(dirfd, name, force);
	if (r < 0)
		return r;
	opened.dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	if (opened.dirfd < 0)
		return -errno;
	r = beside_open(&opened);
	if (r < 0)
		target_close(&opened);
	else
		*target = opened;
	return r;
}

int target_open(const char *path, bool force, struct target *target)
{
	const char *slash = strrchr(path, '/');
	cleanup_fd int dirfd = -1;
	char directory[PATH_MAX];

	if (strcmp(path, "-") == 0) {
		if (isatty(STDOUT_FILENO))
			return -ENOTTY;
		*target = (struct target){ .dirfd = -1, .fd = STDOUT_FILENO };
		return 0;
	}
	if (snprintf(directory, sizeof(directory), "%.*s", slash == NULL ? 1 : (int)(slash - path) + 1,
		     slash == NULL ? "." : path) >= (int)sizeof(directory))
		return -ENAMETOOLONG;
	dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return -errno;
	return target_open_at(dirfd, slash == NULL ? path : slash + 1, force, target);
}

int target_commit(struct target *target)
{
	if (target->dirfd < 0)
		return 0;
	if (fsync(target->fd) < 0 || renameat(target->dirfd, target->beside, target->dirfd, target->name) < 0)
		return -errno;
	target->beside[0] = '\0';
	return fsync(target->dirfd) < 0 ? -errno : 0;
}

void target_close(struct target *target)
{
	if (target->dirfd < 0)
		return;
	if (target->beside[0] != '\0')
		unlinkat(target->dirfd, target->beside, 0);
	if (target->fd >= 0)
		close(target->fd);
	close(target->dirfd);
	target->dirfd = target->fd = -1;
}
