/* SPDX-License-Identifier: ISC */
/* Copies of mounts and new file systems, by descriptor. Run by the gates and, as root, by pam_subuid. */
#include "confine/mounts.h"

#include <errno.h>
#include <fcntl.h>

#include "confine/cleanup.h"

int mount_copy(int dirfd, const char *path, unsigned flags, uint64_t attributes)
{
	struct mount_attr attr = { .attr_set = attributes, .propagation = MS_PRIVATE };
	const unsigned empty = path[0] == '\0' ? AT_EMPTY_PATH : 0;
	cleanup_fd int fd = open_tree(dirfd, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags | empty);

	if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH | flags, &attr, sizeof(attr)) != 0)
		return -errno;
	return steal_fd(&fd);
}

int mount_new(const char *type, const struct mount_option *options, uint64_t attributes)
{
	cleanup_fd int fs = fsopen(type, FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0)
		return -errno;
	for (; options->name != NULL; options++)
		if (fsconfig(fs, FSCONFIG_SET_STRING, options->name, options->value, 0) != 0)
			return -errno;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0)
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attributes);
	return fd < 0 ? -errno : fd;
}

int mount_put(int mount, int target)
{
	if (move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
		return -errno;
	return 0;
}
