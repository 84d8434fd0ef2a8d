/* SPDX-License-Identifier: ISC */
/* Mounts below the homes: taking them away without asking them. */
#ifndef SUBUIDD_HOME_MOUNTS_H
#define SUBUIDD_HOME_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

/* Detaches every mount below the directory (MNT_DETACH), and asks none of them anything. Needs CAP_SYS_ADMIN. 0; -EBUSY:
 * one is left, which `why` names; or another negative errno. */
int mounts_detach(int dir, char *why, size_t size);

/* True when what fd (O_PATH will do) is in is answered for by the kernel itself: a file system of a disk or of memory, or the
 * one that `known` is in. False for anybody's file server (FUSE, network), dead or alive, and in doubt. Asks neither. */
bool mount_answers(int fd, int known);

/* Whether what is mounted in the mount that fd is in appears elsewhere too (shared), or what is mounted elsewhere appears in it
 * and nothing of its own leaves (slave). 1, 0 or negative errno. */
int mount_shared(int fd);
int mount_slave(int fd);

/* Calls each with every mount point below the path (no slash at its end), as it is named below it. 0 or negative errno. */
typedef void (*mounts_each_fn)(void *data, const char *name);
int mounts_each(const char *path, mounts_each_fn each, void *data);

#endif
