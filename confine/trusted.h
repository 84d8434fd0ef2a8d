/* SPDX-License-Identifier: ISC */
/*
 * Files that nobody but one user can have written. Header only, libc only: guests include it too.
 *
 * Inside a user namespace that does not map the host's root, files of root's belong to the overflow uid, as do those of
 * every other unmapped user. A reader that asks for root's takes them there: only the one who made the namespace can
 * put another file in their place, by a mount, and nobody who runs there can do more than that one (SECURITY.md).
 */
#ifndef CONFINE_TRUSTED_H
#define CONFINE_TRUSTED_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/root_unmapped.h"

static inline bool file_trusted(const struct stat *st, uid_t owner)
{
	return S_ISREG(st->st_mode) && st->st_uid == owner && (st->st_mode & 022) == 0;
}

/* For readers of what the host's root wrote: also true inside such a namespace. */
static inline bool file_trusted_inside(const struct stat *st, uid_t owner)
{
	return file_trusted(st, owner) ||
	       (owner == 0 && file_trusted(st, st->st_uid) && uid_is_unmapped_root(st->st_uid));
}

/* Opens a file that this is true of for reading: a descriptor and *st, or negative errno. -EPERM: it is not such a
 * file, a symlink say. */
static inline int file_open_that(bool (*is_trusted)(const struct stat *st, uid_t owner), int dirfd, const char *name,
				 uid_t owner, struct stat *st)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY), r = 0;

	if (fd < 0)
		return errno == ELOOP ? -EPERM : -errno;
	if (fstat(fd, st) < 0)
		r = -errno;
	else if (!is_trusted(st, owner))
		r = -EPERM;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

static inline int file_open_trusted(int dirfd, const char *name, uid_t owner, struct stat *st)
{
	return file_open_that(file_trusted, dirfd, name, owner, st);
}

static inline int file_open_trusted_inside(const char *path, uid_t owner, struct stat *st)
{
	return file_open_that(file_trusted_inside, AT_FDCWD, path, owner, st);
}

#endif
