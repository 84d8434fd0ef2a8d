/* SPDX-License-Identifier: ISC */
/* Takes away mounts below the homes without asking their file systems. */
#ifndef SUBUIDD_HOME_MOUNTS_H
#define SUBUIDD_HOME_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

/* Detaches every mount below the directory (MNT_DETACH), without asking any of them. Needs CAP_SYS_ADMIN. 0;
 * -EBUSY: one is left, which `why` names; or another negative errno. */
int mounts_detach(int dir, char *why, size_t size);

/* Detaches the mount at this place below the directory, which is reached through no link and no other mount. 0 or
 * negative errno. */
int mount_detach(int dir, const char *path);

/* True if the kernel itself answers for the file system of fd (O_PATH will do): one on a disk or in memory, or the one
 * that `known` is in. False for any file server (FUSE, network), dead or alive, and if in doubt. Asks neither. */
bool mount_answers(int fd, int known);

/* Whether mounts made in the mount of fd propagate elsewhere (shared), or only mounts made elsewhere propagate into it
 * (slave). 1, 0 or negative errno. */
int mount_shared(int fd);
int mount_slave(int fd);

/* Calls each with every mount point below the path (no slash at its end), by its name below the path. 0 or negative
 * errno.
 */
typedef void (*mounts_each_fn)(void *data, const char *name);
int mounts_each(const char *path, mounts_each_fn each, void *data);

#endif
