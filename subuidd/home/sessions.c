/* SPDX-License-Identifier: ISC */
/* Ending what runs as an account. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "account/id.h"
#include "account/name.h"
#include "confine/child.h"
#include "confine/cleanup.h"
#include "confine/harden.h"
#include "confine/identity.h"
#include "subuidd/home/internal.h"

#define SYSTEM_UID_MAX 999u /* SYS_UID_MAX of login.defs(5) */
#define KILL_SECONDS 5

enum sent { SENT = 10, NOBODY = 11 };

/*
 * kill(-1) by root would end the host: the last thing before it is to see that this is not root. Nor does it
 * wholly become the account, whose processes could stop it, or kill it first, for ever.
 */
static int sessions_child(const void *argument)
{
	uid_t uid = *(const uint32_t *)argument, r, e, s;

	if (descriptors_close_from(0) < 0 || identity_become_signaller(uid) < 0)
		return 1;
	if (getresuid(&r, &e, &s) != 0 || r != IDENTITY_NOBODYS || e != uid || s != r || uid <= SYSTEM_UID_MAX)
		return 1;
	/* one call reaches all of them, also those that are being forked meanwhile */
	if (kill(-1, SIGKILL) == 0)
		return SENT;
	return errno == ESRCH || errno == EPERM ? NOBODY : 1;
}

/* 1 there were some, 0 none, or negative errno. */
static int sessions_kill(uint32_t uid)
{
	const struct child_job child = { .run = sessions_child, .argument = &uid, .seconds = KILL_SECONDS };
	struct pollfd ended = { .events = POLLIN };
	int r, status = 0, pidfd;
	pid_t pid;

	r = child_start(&child, &pid, &pidfd);
	if (r < 0)
		return r;
	ended.fd = pidfd;
	while ((r = poll(&ended, 1, KILL_SECONDS * 1000)) < 0 && errno == EINTR)
		;
	if (r != 1)
		kill(pid, SIGKILL); /* it was slowed down; an alarm(2) does not end what is stopped */
	close(pidfd);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(status))
		return -EPERM;
	return WEXITSTATUS(status) == SENT ? 1 : WEXITSTATUS(status) == NOBODY ? 0 : -EPERM;
}

/* "\nUid:\t", real, effective, saved. */
static bool uid_listed(const char *line, uint32_t uid)
{
	bool listed = false;
	char *end;

	if (line == NULL)
		return false;
	line += strlen("\nUid:");
	for (int i = 0; i < 3; i++, line = end) {
		unsigned long id = strtoul(line, &end, 10);

		if (end == line)
			return false;
		listed = listed || id == uid;
	}
	return listed;
}

/* The kernel's own text of a process; false when it is gone. "Name:" is first and escapes newlines, so that other lines
 * are not of its making. */
static bool status_read(int proc, const char *pid, char *text, size_t size)
{
	char path[32];
	cleanup_fd int fd = -1;
	ssize_t n;

	if (snprintf(path, sizeof(path), "%.16s/status", pid) < 0)
		return false;
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, size - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return true;
}

/* Whether it has the uid as real, effective or saved one, and still lives. */
static bool status_has_uid(const char *text, uint32_t uid)
{
	const char *line = strstr(text, "\nState:\t");
	char state = line != NULL ? line[8] : 'R';

	return state != 'Z' && state != 'X' && uid_listed(strstr(text, "\nUid:\t"), uid);
}

/* 1 and the status of the first one but `except`, 0 or negative errno. */
static int sessions_find(uint32_t uid, pid_t except, char *text, size_t size)
{
	cleanup_dir DIR *dir = opendir("/proc");
	const struct dirent *entry;

	if (dir == NULL)
		return -errno;
	while (errno = 0, (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && strtol(entry->d_name, NULL, 10) != except &&
		    status_read(dirfd(dir), entry->d_name, text, size) && status_has_uid(text, uid))
			return 1;
	return errno == 0 ? 0 : -errno;
}

int sessions_name(uint32_t uid, char *text, size_t size)
{
	char status[1024], escaped[64];
	const char *pid;
	int r = sessions_find(uid, getpid(), status, sizeof(status));

	if (r != 1)
		return r;
	pid = strstr(status, "\nPid:\t");
	snprintf(text, size, "%ld (%s)", pid == NULL ? 0 : strtol(pid + 6, NULL, 10),
		 text_escape(strtok(status + strcspn(status, "\t") + 1, "\n"), escaped, sizeof(escaped)));
	return 1;
}

int sessions_end_once(uint32_t uid)
{
	char text[1024];
	int r;

	if (id_special(uid) || uid <= SYSTEM_UID_MAX || uid == (uint32_t)-1)
		return -EINVAL;
	r = sessions_kill(uid);
	return r == 1 ? sessions_find(uid, 0, text, sizeof(text)) : r;
}
