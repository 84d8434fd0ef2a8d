/* SPDX-License-Identifier: ISC */
/* Bind mounts of homes, id-mapped (mount_setattr(2), MOUNT_ATTR_IDMAP) or as they are. Needs CAP_SYS_ADMIN. */
#ifndef CONFINE_VIEW_H
#define CONFINE_VIEW_H

#include <stdbool.h>
#include <sys/types.h>

/* Mounts the directory source_fd on target_fd so that disk_uid:disk_gid appear as
 * shown_uid:shown_gid (and what shown_uid creates is disk_uid's), with nosuid,nodev,nosymfollow.
 * 0 or negative errno: -EINVAL, -EOPNOTSUPP, -ENOSYS: kernel or file system cannot. */
int view_mount(int source_fd, int target_fd, uid_t disk_uid, gid_t disk_gid, uid_t shown_uid, gid_t shown_gid);

/* The same, and files of the group common_gid show it as it is and can be changed; the group
 * gains nothing. VIEW_NO_GROUP: none. Every other id is shown as nobody and cannot be changed. */
#define VIEW_NO_GROUP ((gid_t)-1)
int view_mount_group(int source_fd, int target_fd, uid_t disk_uid, gid_t disk_gid, uid_t shown_uid, gid_t shown_gid,
		     gid_t common_gid);

/* Mounts the directory source_fd on target_fd as it is, with nosuid,nodev,noexec,nosymfollow. 0 or negative errno. */
int view_mount_plain(int source_fd, int target_fd);

/* Unmounts everything mounted on name below dirfd (lazily); 0 also if nothing is. */
int view_unmount(int dirfd, const char *name);

/*
 * A mount of the directory that nobody sees and that has no mounts below it, whatever is below the directory, as a
 * source of views: open_tree(2) looks at each mount below the one that it clones from, and so would take longer with
 * every view. A descriptor; negative errno if the kernel cannot clone from such a mount (before 6.15).
 */
int view_source(int dirfd);

/* True when name below dirfd is a mount point. */
bool view_mounted(int dirfd, const char *name);

#endif
