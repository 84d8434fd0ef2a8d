/* SPDX-License-Identifier: ISC */
/* Makes the place of the accounts' control groups. Run by the broker (root). */
#include "subuidd/life/groups.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "confine/cgroup.h"
#include "subuidd/base/log.h"

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
	hierarchy = cgroup_open(".");
	if (hierarchy < 0)
		return hierarchy;
	if (mkdirat(hierarchy, CGROUP_OURS, 0755) != 0 && errno != EEXIST)
		return -errno;
	if (fchmodat(hierarchy, CGROUP_OURS, 0755, 0) != 0) /* whatever the umask: people see what they use */
		return -errno;
	place = openat(hierarchy, CGROUP_OURS, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
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
