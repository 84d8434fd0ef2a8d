/* SPDX-License-Identifier: ISC */
/*
 * Where the control groups of accounts are: in the hierarchy of version 2 (the kernel's admin-guide/cgroup-v2.rst),
 * which hosts with both versions mount beside that of version 1. Header only, libc only: any folder may include it.
 */
#ifndef CONFINE_CGROUP_H
#define CONFINE_CGROUP_H

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "confine/cleanup.h"

#define CGROUPS "/sys/fs/cgroup"
#define CGROUPS_BESIDE "unified"  /* in CGROUPS, where version 1 has that place */
#define CGROUP_USERS "user.slice" /* systemd's: user-UID.slice in it */
#define CGROUP_OURS "subuidd"     /* where systemd does not run: UID in it */

/* This group of version 2, "." its root: a descriptor (O_PATH), or -ENOENT. */
static inline int cgroup_open(const char *group)
{
	static const char *const hierarchies[] = { CGROUPS, CGROUPS "/" CGROUPS_BESIDE };

	for (size_t i = 0; i < sizeof(hierarchies) / sizeof(hierarchies[0]); i++) {
		cleanup_fd int root = open(hierarchies[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		cleanup_fd int fd = root < 0 ? -1 : openat(root, group, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		struct statfs fs;

		if (fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
			return steal_fd(&fd);
	}
	return -ENOENT;
}

#endif
