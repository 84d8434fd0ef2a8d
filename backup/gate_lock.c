/* SPDX-License-Identifier: ISC */
#include "backup/gate_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "confine/cleanup.h"

int gate_lock_prepare(void)
{
	return open("/proc/locks", O_RDONLY | O_CLOEXEC);
}

/* The process of a line "12: FLOCK  ADVISORY  WRITE 1234 08:01:131 0 EOF" when it is about this file; else 0. */
static unsigned long holder_of(const char *line, const struct stat *st)
{
	static const char kind[] = ": FLOCK  ADVISORY  WRITE ";
	const char *at = strstr(line, kind);
	unsigned long pid, major_number, minor_number, inode;
	char *end;

	if (at == NULL)
		return 0;
	pid = strtoul(at + strlen(kind), &end, 10);
	major_number = strtoul(end, &end, 16);
	minor_number = *end == ':' ? strtoul(end + 1, &end, 16) : 0;
	inode = *end == ':' ? strtoul(end + 1, &end, 10) : 0;
	if (inode != st->st_ino || makedev(major_number, minor_number) != st->st_dev)
		return 0;
	return pid;
}

static void find_holder(int root, int locks, char *holder, size_t size)
{
	cleanup_file FILE *file = locks < 0 ? NULL : fdopen(dup(locks), "r");
	unsigned long pid;
	char line[256];
	struct stat st;

	snprintf(holder, size, "another run is writing there; one at a time");
	if (file == NULL || fstat(root, &st) != 0)
		return;
	while (fgets(line, sizeof(line), file) != NULL) {
		pid = holder_of(line, &st);
		if (pid == 0)
			continue;
		snprintf(holder, size, "another run is writing there (process %lu); one at a time", pid);
		return;
	}
}

int gate_lock(int root, int locks, char *holder, size_t size)
{
	if (flock(root, LOCK_EX | LOCK_NB) != 0) {
		int error = errno;

		if (error == EWOULDBLOCK)
			find_holder(root, locks, holder, size);
		return -error;
	}
	return fcntl(root, F_SETFD, 0) != 0 ? -errno : 0;
}
