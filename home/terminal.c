/* SPDX-License-Identifier: ISC */
/*
 * Tells somebody who sits at the terminal of a session something. Run by a child of the broker (root), about processes
 * that others chose: it takes the rights of the session's user to open the terminal, and does not wait for it.
 */
#include "home/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/proc_stat.h"

/* Of pseudo terminals: Documentation/admin-guide/devices.txt of the kernel. */
#define PTS_MAJOR_FIRST 136u
#define PTS_MAJOR_LAST 143u
#define PTS_OF_MAJOR 256u

/* The device's number, 0: it leads no session, or has no terminal. */
static unsigned terminal_of(int proc, const char *pid)
{
	char path[32], text[512];
	cleanup_fd int fd = -1;
	uint64_t leader, device;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/stat", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	if (!proc_stat_number(text, PROC_STAT_SESSION, &leader) || !proc_stat_number(text, PROC_STAT_TERMINAL, &device))
		return 0;
	return leader == strtoul(pid, NULL, 10) ? (unsigned)device : 0;
}

int terminal_tell(int proc, const struct session *session, const char *text)
{
	const unsigned device = terminal_of(proc, session->pid);
	const unsigned at = (device >> 8) & 0xfff, minor_of = (device & 0xff) | ((device >> 12) & 0xfff00);
	cleanup_fd int fd = -1;
	struct stat st;
	char path[32];
	int error;

	if (at < PTS_MAJOR_FIRST || at > PTS_MAJOR_LAST)
		return 0;
	snprintf(path, sizeof(path), "/dev/pts/%u", (at - PTS_MAJOR_FIRST) * PTS_OF_MAJOR + minor_of);
	/* with the rights of whoever has the terminal: the daemon has none over others' files */
	setfsuid(session->real);
	fd = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	error = errno;
	setfsuid(0);
	if (fd < 0)
		return -error;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(at, minor_of) || st.st_uid != session->real)
		return 0;
	return write(fd, text, strlen(text)) < 0 ? -errno : 1;
}
