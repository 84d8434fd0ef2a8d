/* SPDX-License-Identifier: ISC */
/* Groups of the host, by the one look-up of account/passwd.h. */
#ifndef SUBUIDD_IDS_GROUP_H
#define SUBUIDD_IDS_GROUP_H

#include <sys/types.h>

/* 0, -ENOENT, or another negative errno: doubt. *gid is touched on success only. */
int group_by_name(const char *name, gid_t *gid);

#endif
