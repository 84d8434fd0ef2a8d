/* SPDX-License-Identifier: ISC */
/* btrfs: deletes what only root can delete. */
#ifndef SUBUIDD_HOME_SUBVOLUMES_H
#define SUBUIDD_HOME_SUBVOLUMES_H

#include <stdint.h>

/* Deletes every subvolume below `home`, read-only and nested ones, too; and `home` in `dir` itself, whole, when it
 * is one. Needs CAP_SYS_ADMIN, CAP_CHOWN and CAP_FOWNER. 1: `home` is gone; 0: it exists, without a subvolume in
 * it; or negative errno. */
int subvolumes_delete(int dir, int home);

/* Each subvolume in the home, by its id. How many, or negative errno; -EOPNOTSUPP: not on btrfs. */
typedef int (*subvolume_act)(const void *data, int home, uint64_t subvolume);
int subvolumes_each(int home, subvolume_act act, const void *data);

#endif
