/* SPDX-License-Identifier: ISC */
/* Reads the control group of an account, with the caller's own rights. */
#include "cli/use_group.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "confine/cgroup.h"
#include "confine/read_full.h"

bool use_read(int dir, const char *path, char *text, size_t size)
{
	cleanup_fd int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd < 0 ? -1 : read_full(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	return n >= 0;
}

static int group_open(uint32_t uid)
{
	char slice[64], ours[32];
	int fd;

	snprintf(slice, sizeof(slice), CGROUP_USERS "/user-%u.slice", uid);
	snprintf(ours, sizeof(ours), CGROUP_OURS "/%u", uid);
	fd = cgroup_open(slice);
	return fd >= 0 ? fd : cgroup_open(ours);
}

/* "8:0 rbytes=1 wbytes=2 ...": of all devices. */
static uint64_t sum_of(const char *text, const char *name)
{
	uint64_t sum = 0;

	while ((text = strstr(text, name)) != NULL) {
		text += strlen(name);
		sum += strtoull(text, NULL, 10);
	}
	return sum;
}

bool use_group(uint32_t uid, struct use_counters *counters, uint64_t *memory)
{
	cleanup_fd int group = group_open(uid);
	char text[16384];
	const char *usage;

	if (group < 0 || !use_read(group, "cpu.stat", text, sizeof(text)) ||
	    (usage = strstr(text, "usage_usec ")) == NULL)
		return false;
	*counters =
		(struct use_counters){ strtoull(usage + strlen("usage_usec "), NULL, 10), USE_UNKNOWN, USE_UNKNOWN };
	if (use_read(group, "io.stat", text, sizeof(text))) {
		counters->read = sum_of(text, " rbytes=");
		counters->written = sum_of(text, " wbytes=");
	}
	if (use_read(group, "memory.current", text, sizeof(text)))
		*memory = strtoull(text, NULL, 10);
	return true;
}
