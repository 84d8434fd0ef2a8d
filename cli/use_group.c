/* SPDX-License-Identifier: ISC */
/* Reads the control group of an account, with the caller's own rights. */
#include "cli/use_group.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "confine/cleanup.h"

#define CGROUPS "/sys/fs/cgroup"

bool use_read(int dir, const char *path, char *text, size_t size)
{
	cleanup_fd int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n = 0;

	while (fd >= 0 && used < size - 1 && (n = read(fd, text + used, size - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	return fd >= 0 && n >= 0;
}

static int group_open(uint32_t uid)
{
	static const char *const places[] = { CGROUPS "/user.slice/user-%u.slice", CGROUPS "/subuidd/%u",
					      CGROUPS "/unified/user.slice/user-%u.slice",
					      CGROUPS "/unified/subuidd/%u" };
	char path[96];

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int fd;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(path, sizeof(path), places[i], uid);
#pragma GCC diagnostic pop
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && faccessat(fd, "cgroup.procs", F_OK, 0) == 0)
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -1;
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
