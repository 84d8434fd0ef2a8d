/* SPDX-License-Identifier: ISC */
/* Limits of an account on its file system: between the quota*.c files of home/. Run by the broker (root), on
 * descriptors. */
#ifndef SUBUIDD_QUOTA_H
#define SUBUIDD_QUOTA_H

#include <stdint.h>

#include "home/home.h"

struct limits {
	uint64_t bytes, files; /* 0: none */
};

/*
 * ext4, xfs and whatever else has quotas by quotactl(2). Both are set: the quota of the uid counts every file of the
 * uid wherever it is, that of the project (whose number is the uid) everything below the account directory, whoever
 * owns it. An owner of a file may take it out of a project in some kernels; nobody can give a file another uid.
 */
void quota_disk_tag(int dir, uint32_t uid); /* for a directory of root that is still empty; best effort */
int quota_disk_set(int home, uint32_t uid, const struct limits *limits);
enum account_keeper quota_disk_keeper(int home, uint32_t uid);
/* What counts against the limits that this keeper enforces. -EOPNOTSUPP: nothing is counted. */
int quota_disk_used(int home, uint32_t uid, enum account_keeper keeper, struct limits *used);
void quota_disk_clear(int homes_fd, uint32_t uid);

/* btrfs: one group, 1/<uid>, above all subvolumes of the account. It has no limit of files. */
int quota_btrfs_set(int home, uint32_t uid, const struct limits *limits);
enum account_keeper quota_btrfs_keeper(int home, uint32_t uid);
int quota_btrfs_used(int home, uint32_t uid, uint64_t *bytes);
void quota_btrfs_lift(int homes_fd, uint32_t uid); /* deleting needs room, too */
void quota_btrfs_clear(int homes_fd, uint32_t uid);
/* Adds one more subvolume of the account. 0 or negative errno; -EOPNOTSUPP: quotas are off, or there is no such group.
 */
int quota_btrfs_join(int fd, uint32_t uid, uint64_t subvolume);

#endif
