/* SPDX-License-Identifier: ISC */
/*
 * Processes that run as an account, found in /proc. Run by children of the broker (root). Only `status` is read there,
 * which takes no lock that a process can hold, because it does not read the process's memory (cmdline, environ and maps
 * do).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/id.h"
#include "confine/cleanup.h"
#include "home/sessions.h"

#define CHASE_LOOKS 64
#define TASK_LINKS_OF_ONE 3 /* of /proc/PID/task: "." and "..", and one for each thread */

enum { REAL, EFFECTIVE, SAVED, FILES, UIDS };

bool session_id(const struct session_ids *ids, uint32_t id)
{
	if (id <= SYSTEM_UID_MAX || id_special(id))
		return false;
	if (id == ids->uid)
		return true;
	for (size_t i = 0; i < ids->count; i++)
		if (id >= ids->ranges[i].first && id - ids->ranges[i].first < ids->ranges[i].count)
			return true;
	return false;
}

/* "\nUid:\t", real, effective, saved, of files. */
static bool uids_read(const char *text, uint32_t uids[UIDS])
{
	const char *line = strstr(text, "\nUid:\t");
	char *end;

	if (line == NULL)
		return false;
	line += strlen("\nUid:");
	for (int i = 0; i < UIDS; i++, line = end) {
		uids[i] = (uint32_t)strtoul(line, &end, 10);
		if (end == line)
			return false;
	}
	return true;
}

static bool uids_ours(const struct session_ids *ids, const uint32_t uids[UIDS])
{
	if (uids[REAL] == 0 && uids[SAVED] == 0)
		return false;
	for (int i = 0; i < UIDS; i++)
		if (session_id(ids, uids[i]))
			return true;
	return false;
}

/* The kernel's own text of a process or a thread; false when it is gone. "Name:" is first and escapes newlines, so that
 * it cannot forge other lines. */
static bool status_ours(int dir, const char *name, const struct session_ids *ids, struct session *session)
{
	char path[32], text[512];
	cleanup_fd int fd = -1;
	const char *state;
	uint32_t uids[UIDS];
	ssize_t n;

	snprintf(path, sizeof(path), "%.16s/status", name);
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	state = strstr(text, "\nState:\t");
	if (state == NULL || state[8] == 'Z' || state[8] == 'X' || !uids_read(text, uids) || !uids_ours(ids, uids))
		return false;
	session->real = uids[REAL];
	session->state = state[8];
	snprintf(session->name, sizeof(session->name), "%.*s", (int)strcspn(text + 6, "\n"), text + 6);
	return true;
}

static bool number(const char *name)
{
	return name[0] >= '1' && name[0] <= '9';
}

/* Each thread may have uids of its own, if the program asks the kernel and not libc; and the first thread may end
 * before others. */
static bool threads_ours(int proc, const struct session_ids *ids, struct session *session)
{
	char path[32];
	cleanup_dir DIR *dir = NULL;
	const struct dirent *entry;
	int fd;

	snprintf(path, sizeof(path), "%s/task", session->pid);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL && fd >= 0)
		close(fd);
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (number(entry->d_name) && status_ours(dirfd(dir), entry->d_name, ids, session))
			return true;
	return false;
}

bool session_still(const struct session_ids *ids, int proc, struct session *session)
{
	char path[32];
	struct stat st;

	if (status_ours(proc, session->pid, ids, session))
		return true;
	snprintf(path, sizeof(path), "%s/task", session->pid);
	return fstatat(proc, path, &st, 0) == 0 && st.st_nlink > TASK_LINKS_OF_ONE && threads_ours(proc, ids, session);
}

/* 'R' also of one that is gone, since another one may be in its place. */
static char thread_state(int dir, const char *name)
{
	char path[32], text[512];
	cleanup_fd int fd = -1;
	const char *state;
	ssize_t n;

	snprintf(path, sizeof(path), "%.16s/status", name);
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	state = strstr(text, "\nState:\t");
	return state == NULL ? 'R' : state[8];
}

char session_state(int proc, const struct session *session)
{
	char path[32], state = session->state;
	cleanup_dir DIR *dir = NULL;
	const struct dirent *entry;
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/task", session->pid);
	if (fstatat(proc, path, &st, 0) == 0 && st.st_nlink <= TASK_LINKS_OF_ONE)
		return state;
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL && fd >= 0)
		close(fd);
	if (dir == NULL)
		return 'R';
	while ((entry = readdir(dir)) != NULL) {
		const char one = number(entry->d_name) ? thread_state(dirfd(dir), entry->d_name) : 'Z';

		if (strchr("TtDZX", one) == NULL)
			return 'R';
		state = one == 'D' ? 'D' : state;
	}
	return state;
}

int sessions_find(const struct session_ids *ids, pid_t except, session_visitor visit, void *data)
{
	cleanup_dir DIR *dir = opendir("/proc");
	const struct dirent *entry;
	int sum = 0;

	if (dir == NULL)
		return -errno;
	while (errno = 0, (entry = readdir(dir)) != NULL) {
		struct session session = { .real = 0 };
		int r;

		if (!number(entry->d_name) || strtol(entry->d_name, NULL, 10) == except)
			continue;
		snprintf(session.pid, sizeof(session.pid), "%.15s", entry->d_name);
		if (!session_still(ids, dirfd(dir), &session))
			continue;
		r = visit(data, dirfd(dir), &session);
		if (r < 0)
			return r;
		sum += r;
	}
	return errno == 0 ? sum : -errno;
}

/* The pid that was given out last. */
static int newest(int loadavg)
{
	char text[128];
	ssize_t n = pread(loadavg, text, sizeof(text) - 1, 0);
	const char *last;

	if (n <= 0)
		return -1;
	text[n] = '\0';
	last = strrchr(text, ' ');
	return last != NULL ? (int)strtol(last, NULL, 10) : -1;
}

int sessions_chase(const struct session_ids *ids, session_visitor visit, void *data)
{
	cleanup_fd int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_fd int loadavg = proc < 0 ? -1 : openat(proc, "loadavg", O_RDONLY | O_CLOEXEC);
	int sum = 0;

	for (int i = 0; i < CHASE_LOOKS && loadavg >= 0; i++) {
		int last = newest(loadavg);

		for (int pid = last + 1; pid >= last - 1 && pid > 1; pid--) {
			struct session session = { .real = 0 };
			int r;

			snprintf(session.pid, sizeof(session.pid), "%d", pid);
			r = session_still(ids, proc, &session) ? visit(data, proc, &session) : 0;
			if (r < 0)
				return r;
			sum += r;
		}
	}
	return sum;
}
