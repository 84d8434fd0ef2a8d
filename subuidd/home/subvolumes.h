/* SPDX-License-Identifier: ISC */
/* btrfs: deleting what only root can delete. */
#ifndef SUBUIDD_HOME_SUBVOLUMES_H
#define SUBUIDD_HOME_SUBVOLUMES_H

/* Deletes every subvolume below `home`, read-only and nested ones, too; and `home` in `dir` itself, whole, when it is one.
 * Needs CAP_SYS_ADMIN, CAP_CHOWN and CAP_FOWNER. 1: `home` is gone; 0: it is there, and no subvolume in it; or negative errno. */
int subvolumes_delete(int dir, int home);

#endif
