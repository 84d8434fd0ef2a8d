/* SPDX-License-Identifier: ISC */
/* Opening without being led astray: openat2(2), descriptors only. */
#ifndef CONFINE_PATH_H
#define CONFINE_PATH_H

#include <stdint.h>
#include <sys/types.h>

/* Opens path below dirfd: never leaves it, follows no symlink and no magic link.
 * flags get O_CLOEXEC. A descriptor or negative errno (-ENOSYS: refuse). */
int path_open_beneath(int dirfd, const char *path, int flags, mode_t mode);

/* The same, but enters no mount: -EXDEV where one begins, without asking the mounted file system. */
int path_open_same_mount(int dirfd, const char *path, int flags);

/* Opens path as a process whose root directory is `root` would, its symlinks too. */
int path_open_in_root(int root, const char *path, int flags);

/* Opens an absolute directory step by step from "/": symlinks are followed only while every directory so far belongs to
 * root and is not writable by others. */
int path_open_trusted(const char *path, int flags);

/* mkdirat one component (exists as a directory: fine), then opens it O_DIRECTORY, no symlink; checks owner. */
int path_make_directory(int dirfd, const char *name, mode_t mode, uid_t owner);

#endif
