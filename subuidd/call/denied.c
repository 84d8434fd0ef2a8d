/* SPDX-License-Identifier: ISC */
/* Reads what pam_subuid has counted, in files that root alone writes. Run by the broker. */
#include "subuidd/call/denied.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "confine/cleanup.h"

uint64_t denied_logins(const uint32_t *owner_uid)
{
	cleanup_fd int run = open(RUN_DIR, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), fd = -1;
	char name[32] = "denied/all";
	uint64_t count = 0;

	if (owner_uid != NULL)
		snprintf(name, sizeof(name), "denied/%u", *owner_uid);
	fd = run < 0 ? -1 : openat(run, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd >= 0 && pread(fd, &count, sizeof(count), 0) == (ssize_t)sizeof(count) ? count : 0;
}
