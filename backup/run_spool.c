/* SPDX-License-Identifier: ISC */
/* The file of one run in the daemon's spool. Written by the login shell, with the uid of the sub-account. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/run_watch.h"
#include "confine/cleanup.h"

int run_spool_open(const struct run *run)
{
	char path[sizeof(STATE_DIR) + sizeof(RUN_SPOOL_NAME) + RUN_NAME_LENGTH + 2];
	unsigned char random[RUN_NAME_LENGTH / 2];
	cleanup_fd int fd = -1;
	int at;

	if (getrandom(random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		return -1;
	at = snprintf(path, sizeof(path), "%s/%s/", STATE_DIR, RUN_SPOOL_NAME);
	for (size_t i = 0; i < sizeof(random); i++)
		at += snprintf(path + at, sizeof(path) - (size_t)at, "%02x", random[i]);
	/* The mode leaves nothing to others; the owner is what the daemon goes by. */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -1;
	run_spool_write(fd, run);
	return steal_fd(&fd);
}

/* In one piece: the file has all of a record or nothing. */
void run_spool_write(int fd, const struct run *run)
{
	ssize_t wrote;

	if (fd < 0)
		return;
	/* On a full disk the record is lost, or an earlier state of it stays: the daemon takes whole ones only. */
	do
		wrote = pwrite(fd, run, sizeof(*run), 0);
	while (wrote < 0 && errno == EINTR);
}
