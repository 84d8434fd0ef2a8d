/* SPDX-License-Identifier: ISC */
/* Ending what runs as an account. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "account/id.h"
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

/* Whether /proc/PID/status names the uid as real, effective or saved, of a process that still lives. */
static bool process_has_uid(int proc, const char *pid, uint32_t uid)
{
	char path[32], text[1024], state = 'R';
	cleanup_fd int fd = -1;
	const char *line;
	ssize_t n;

	if (snprintf(path, sizeof(path), "%.16s/status", pid) < 0)
		return false;
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false; /* gone */
	text[n] = '\0';
	/* "Name:" is first and escapes newlines, so that these are the kernel's own lines */
	line = strstr(text, "\nState:\t");
	if (line != NULL)
		state = line[8];
	return state != 'Z' && state != 'X' && uid_listed(strstr(text, "\nUid:\t"), uid);
}

/* 1, 0 or negative errno. */
static int sessions_running(uint32_t uid)
{
	cleanup_dir DIR *dir = opendir("/proc");
	const struct dirent *entry;
	int self;

	if (dir == NULL)
		return -errno;
	self = dirfd(dir);
	while (errno = 0, (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && process_has_uid(self, entry->d_name, uid))
			return 1;
	return errno == 0 ? 0 : -errno;
}

int sessions_end_once(uint32_t uid)
{
	int r;

	if (id_special(uid) || uid <= SYSTEM_UID_MAX || uid == (uint32_t)-1)
		return -EINVAL;
	r = sessions_kill(uid);
	return r == 1 ? sessions_running(uid) : r;
}
