/* SPDX-License-Identifier: ISC */
/*
 * Mounts a home where its owner sees it, with mapped ids. Run by the broker and its children (root), on descriptors:
 * below a home any name can be exchanged. Doctor asks whether the kernel can do it.
 */
#include "confine/view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mount.h>

#include "confine/cleanup.h"
#include "confine/path.h"
#include "confine/user_namespace.h"

#define STACKED_MAX                                                                                                    \
	4096 /* stacked mounts that are taken off: an owner may mount as many as fuse.conf(5) allows                   \
	      */

/*
 * The gid map has a second line for the group that the account may give its files to besides its own (all accounts
 * are in it). Unmapped, such a file could neither be changed nor deleted through the view (EOVERFLOW).
 */
static int view_namespace(uid_t disk_uid, gid_t disk_gid, uid_t shown_uid, gid_t shown_gid, gid_t common_gid)
{
	struct id_map uid = { disk_uid, shown_uid, 1 };
	struct id_map gids[2] = { { disk_gid, shown_gid, 1 }, { common_gid, common_gid, 1 } };
	size_t count = common_gid == VIEW_NO_GROUP || common_gid == disk_gid || common_gid == shown_gid ? 1 : 2;

	return user_namespace_open(&uid, 1, gids, count);
}

static int mount_with(int source_fd, int target_fd, struct mount_attr *attr)
{
	cleanup_fd int tree = open_tree(source_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree < 0)
		return -errno;
	/* all attributes are on before the tree can be seen by anybody */
	if (mount_setattr(tree, "", AT_EMPTY_PATH, attr, sizeof(*attr)) != 0)
		return -errno;
	if (move_mount(tree, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
		return -errno;
	return 0;
}

int view_mount_group(int source_fd, int target_fd, uid_t disk_uid, gid_t disk_gid, uid_t shown_uid, gid_t shown_gid,
		     gid_t common_gid)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSYMFOLLOW,
		/* out of the peer group that the clone inherits: mounts below one must not appear below the other.
		   move_mount makes it shared again if the target's mount is. */
		.propagation = MS_PRIVATE,
	};
	cleanup_fd int userns = view_namespace(disk_uid, disk_gid, shown_uid, shown_gid, common_gid);

	if (userns < 0)
		return userns;
	attr.userns_fd = (uint64_t)userns;
	return mount_with(source_fd, target_fd, &attr);
}

int view_mount_plain(int source_fd, int target_fd)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW,
		.propagation = MS_PRIVATE,
	};

	return mount_with(source_fd, target_fd, &attr);
}

int view_source(int dirfd)
{
	struct mount_attr attr = {
		.propagation = MS_PRIVATE
	}; /* otherwise mounts below the source would appear below this one */
	cleanup_fd int tree = open_tree(dirfd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	cleanup_fd int clone = -1;

	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) != 0)
		return -errno;
	clone = open_tree(tree, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return clone < 0 ? -errno : steal_fd(&tree);
}

int view_mount(int source_fd, int target_fd, uid_t disk_uid, gid_t disk_gid, uid_t shown_uid, gid_t shown_gid)
{
	return view_mount_group(source_fd, target_fd, disk_uid, disk_gid, shown_uid, shown_gid, VIEW_NO_GROUP);
}

/* The mounted file system itself is not asked: it may belong to a file server that does not answer. */
bool view_mounted(int dirfd, const char *name)
{
	cleanup_fd int fd = path_open_same_mount(dirfd, name, O_PATH | O_NOFOLLOW);

	return fd == -EXDEV;
}

int view_unmount(int dirfd, const char *name)
{
	char path[64 + NAME_MAX];
	int n = snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	for (int i = 0; i < STACKED_MAX; i++) {
		if (!view_mounted(dirfd, name))
			return 0;
		/* umount2(2) takes no descriptor; /proc/self/fd leads to the very directory, and the last
		 * component is not followed */
		if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
			return -errno;
	}
	return -EBUSY;
}
