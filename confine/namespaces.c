/* SPDX-License-Identifier: ISC */
/* Enters a user namespace without any other id than the caller's own, and gives up what may be done in it. Run by the
 * gates, as the account. */
#include "confine/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/cleanup.h"

static int write_text(const char *path, const char *text)
{
	cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -errno;
}

/* uid and gid are what they were, so that files that are made belong to the same account. */
static int map_self(uid_t uid, gid_t gid)
{
	char text[64];
	int r = write_text("/proc/self/setgroups", "deny");

	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%u %u 1", (unsigned)uid, (unsigned)uid);
	r = write_text("/proc/self/uid_map", text);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%u %u 1", (unsigned)gid, (unsigned)gid);
	return write_text("/proc/self/gid_map", text);
}

/* Gives up again what a process may do in its own user namespace, so that an exec as uid 0 does not bring it
 * back. */
int namespaces_drop(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	if (prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
					     SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED) != 0)
		return -errno;
	return syscall(SYS_capset, &header, none) != 0 ? -errno : 0;
}

int namespaces_enter(int others, const char **step)
{
	const uid_t uid = geteuid();
	const gid_t gid = getegid();

	*step = "user namespace";
	return unshare(CLONE_NEWUSER | others) != 0 ? -errno : map_self(uid, gid);
}
