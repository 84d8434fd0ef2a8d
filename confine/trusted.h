/* SPDX-License-Identifier: ISC */
/*
 * Files that nobody but one user can have written. Header only, libc only: guests include it too.
 */
#ifndef CONFINE_TRUSTED_H
#define CONFINE_TRUSTED_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

static inline bool file_trusted(const struct stat *st, uid_t owner)
{
	return S_ISREG(st->st_mode) && st->st_uid == owner && (st->st_mode & 022) == 0;
}

/* Opens one for reading: a descriptor and *st, or negative errno. -EPERM: it is not such a file, a symlink say. */
static inline int file_open_trusted(int dirfd, const char *name, uid_t owner, struct stat *st)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY), r = 0;

	if (fd < 0)
		return errno == ELOOP ? -EPERM : -errno;
	if (fstat(fd, st) < 0)
		r = -errno;
	else if (!file_trusted(st, owner))
		r = -EPERM;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

#endif
