/* SPDX-License-Identifier: ISC */
/* Makes the place of the accounts' control groups. Run by the broker (root). */
#include "subuidd/life/groups.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "subuidd/base/log.h"

static int hierarchy_open(void)
{
	static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		cleanup_fd int fd = open(places[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		struct statfs fs;

		if (fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
			return steal_fd(&fd);
	}
	return -ENOENT;
}

/* One by one: a host lacks some, and of others it may be said that processes of its own are in the way. */
static void controllers_give(int group)
{
	static const char *const controllers[] = { "+cpu", "+io", "+memory", "+pids" };
	cleanup_fd int fd = openat(group, "cgroup.subtree_control", O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < sizeof(controllers) / sizeof(controllers[0]); i++)
		(void)!write(fd, controllers[i], strlen(controllers[i]));
}

static int groups_open(void)
{
	cleanup_fd int hierarchy = -1, place = -1;

	if (sd_booted() > 0)
		return -ENOENT;
	hierarchy = hierarchy_open();
	if (hierarchy < 0)
		return hierarchy;
	if (mkdirat(hierarchy, "subuidd", 0755) != 0 && errno != EEXIST)
		return -errno;
	if (fchmodat(hierarchy, "subuidd", 0755, 0) != 0) /* whatever the umask: people see what they use */
		return -errno;
	place = openat(hierarchy, "subuidd", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (place < 0)
		return -errno;
	controllers_give(hierarchy);
	controllers_give(place);
	return 0;
}

void groups_start(void)
{
	const int r = groups_open();

	if (r < 0 && r != -ENOENT)
		log_warn("accounts have no control groups: %s", strerror(-r));
}
