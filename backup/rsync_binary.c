/* SPDX-License-Identifier: ISC */
/* Where rsync is, and what the installed version can do. */
#include "backup/rsync_binary.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "confine/cleanup.h"

const char *rsync_binary_path(void)
{
#ifdef GATE_TEST /* a build for rsync's own tests, never installed */
	const char *path = getenv("SUBUID_RRSYNC_TEST_RSYNC");

	if (path != NULL)
		return path;
#endif
	return RSYNC_PATH;
}

int rsync_binary_look(struct gate_policy *policy)
{
	/* with the NUL at the end, to find the names and not sentences that mention them */
	static const char drop[] = "drop-D", confine[] = "confine-root";
	cleanup_fd int fd = open(rsync_binary_path(), O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map;

	if (fd < 0 || fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return -ENOEXEC;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
#ifdef GATE_TEST /* a script in its place has no names to look for */
	policy->drop_devices = policy->confine_root = true;
	munmap(map, (size_t)st.st_size);
	return 0;
#endif
	policy->drop_devices = memmem(map, (size_t)st.st_size, drop, sizeof(drop)) != NULL;
	policy->confine_root = memmem(map, (size_t)st.st_size, confine, sizeof(confine)) != NULL;
	munmap(map, (size_t)st.st_size);
	return 0;
}
