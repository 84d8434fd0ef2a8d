/* SPDX-License-Identifier: ISC */
/* Taking away what is mounted below a directory of the homes. */
#ifndef SUBUIDD_HOME_MOUNTS_H
#define SUBUIDD_HOME_MOUNTS_H

#include <stddef.h>

/* Detaches every mount below the directory (MNT_DETACH), and asks none of them anything. Needs CAP_SYS_ADMIN. 0; -EBUSY:
 * one is left, which `why` names; or another negative errno. */
int mounts_detach(int dir, char *why, size_t size);

/* Calls each with every mount point below the path (no slash at its end), as it is named below it. 0 or negative errno. */
typedef void (*mounts_each_fn)(void *data, const char *name);
int mounts_each(const char *path, mounts_each_fn each, void *data);

#endif
