/* SPDX-License-Identifier: ISC */
#include "backup/gate_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "confine/cleanup.h"

int gate_lock_prepare(void)
{
	return open("/proc/locks", O_RDONLY | O_CLOEXEC);
}

/* "12: FLOCK  ADVISORY  WRITE 1234 08:01:131 0 EOF" */
static void find_holder(int root, int locks, char *holder, size_t size)
{
	cleanup_file FILE *file = locks < 0 ? NULL : fdopen(dup(locks), "r");
	unsigned major_number, minor_number, pid;
	unsigned long inode;
	char line[256];
	struct stat st;

	snprintf(holder, size, "another run is writing there; one at a time");
	if (file == NULL || fstat(root, &st) != 0)
		return;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "%*d: FLOCK ADVISORY WRITE %u %x:%x:%lu", &pid, &major_number, &minor_number,
			   &inode) != 4)
			continue;
		if (inode == st.st_ino && makedev(major_number, minor_number) == st.st_dev) {
			snprintf(holder, size, "another run is writing there (process %u); one at a time", pid);
			return;
		}
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
