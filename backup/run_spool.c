/* SPDX-License-Identifier: ISC */
/*
 * The file of one run in the daemon's spool. Written by the login shell, with the uid of the sub-account. A file
 * that stays empty, since the disk or the account's quota is full, tells the daemon at least that there was a run.
 */
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

static int spool_file(void)
{
	char path[sizeof(STATE_DIR) + sizeof(RUN_SPOOL_NAME) + RUN_NAME_LENGTH + 2];
	unsigned char random[RUN_NAME_LENGTH / 2];
	cleanup_fd int fd = -1;
	int at;

	if (getrandom(random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		return -EAGAIN;
	at = snprintf(path, sizeof(path), "%s/%s/", STATE_DIR, RUN_SPOOL_NAME);
	for (size_t i = 0; i < sizeof(random); i++)
		at += snprintf(path + at, sizeof(path) - (size_t)at, "%02x", random[i]);
	/* The mode gives others nothing; the daemon goes by the owner. */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* In one piece: the file has all of a record or nothing. On a full disk an earlier state of it may stay. */
int run_spool_write(int *fd, const struct run *run)
{
	ssize_t wrote;
	int made;

	if (*fd < 0) {
		made = spool_file();
		if (made < 0)
			return made;
		*fd = made;
	}
	do
		wrote = pwrite(*fd, run, sizeof(*run), 0);
	while (wrote < 0 && errno == EINTR);
	return wrote == (ssize_t)sizeof(*run) ? 0 : wrote < 0 ? -errno : -ENOSPC;
}
