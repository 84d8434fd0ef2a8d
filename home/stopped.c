/* SPDX-License-Identifier: ISC */
/* Keeps which processes stood already. A file that is damaged is none: only processes of its account are looked up. */
#include "home/stopped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/proc_stat.h"
#include "confine/read_full.h"

#define DIRECTORY "stopped"

/* 0: it is gone. */
static uint64_t start_of(int proc, const struct session *session)
{
	char path[32], text[1024];
	cleanup_fd int fd = -1;
	uint64_t start = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/stat", session->pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	proc_stat_number(text, PROC_STAT_START, &start);
	return start;
}

void stopped_add(struct stopped *stopped, int proc, const struct session *session)
{
	if (stopped->count < STOPPED_MAX)
		stopped->ones[stopped->count++] =
			(struct stopped_one){ strtol(session->pid, NULL, 10), start_of(proc, session) };
}

bool stopped_has(const struct stopped *stopped, int proc, const struct session *session)
{
	const int64_t pid = strtol(session->pid, NULL, 10);

	for (size_t i = 0; i < stopped->count; i++)
		if (stopped->ones[i].pid == pid)
			return stopped->ones[i].start == start_of(proc, session);
	return false;
}

/* -ENOENT, unless it is to be made: nothing was ever kept. */
static int directory_open(bool make)
{
	cleanup_fd int run = open(RUN_DIR, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int fd;

	if (run < 0 || (make && mkdirat(run, DIRECTORY, 0700) != 0 && errno != EEXIST))
		return -errno;
	fd = openat(run, DIRECTORY, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int stopped_keep(uint32_t uid, const struct stopped *stopped)
{
	cleanup_fd int directory = directory_open(true), fd = -1;
	char name[16];

	if (directory < 0)
		return directory;
	snprintf(name, sizeof(name), "%u", uid);
	fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : write_full(fd, stopped->ones, stopped->count * sizeof(stopped->ones[0]));
}

void stopped_forget(uint32_t uid)
{
	cleanup_fd int directory = directory_open(false);
	char name[16];

	snprintf(name, sizeof(name), "%u", uid);
	if (directory >= 0)
		(void)!unlinkat(directory, name, 0);
}

void stopped_load(uint32_t uid, struct stopped *stopped)
{
	cleanup_fd int directory = directory_open(false), fd = -1;
	char name[16];
	ssize_t n;

	snprintf(name, sizeof(name), "%u", uid);
	fd = directory < 0 ? -1 : openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	n = fd < 0 ? -1 : read_full(fd, stopped->ones, sizeof(stopped->ones));
	stopped->count = n < 0 ? 0 : (size_t)n / sizeof(stopped->ones[0]);
}
