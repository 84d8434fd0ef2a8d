/* SPDX-License-Identifier: ISC */
/*
 * Ending what runs as an account. All of it is done by a child of the broker: how many processes there are, and how fast new
 * ones are made, is the account's or its owner's to choose.
 */
#include "subuidd/home/sessions.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "account/name.h"
#include "confine/child.h"
#include "confine/cleanup.h"
#include "confine/harden.h"
#include "confine/identity.h"
#include "subuidd/home/internal.h"

#define KILL_SECONDS 5
#define WAIT_MAX_MSEC 32
#define CLEAN_ROUNDS 2
#define OTHERS_MAX 16
#define CGROUPS_FD 0 /* the only descriptor that the child keeps */

/* The child's task. */
struct ending {
	const struct session_ids *ids;
	int cgroups; /* of their file system; -1: none, or it cannot be opened */
};

/* Of one round: those seen, and the ids of ranges among them, which the next round ends at once, too. */
struct round {
	const struct session_ids *ids;
	int cgroups;
	uint32_t others[OTHERS_MAX];
	size_t count;
};

/* ---- by uid */

/*
 * kill(-1) by root would end the host: the last thing before it is to see that this is not root. Nor does it
 * wholly become the account, whose processes could stop it, or kill it first, for ever.
 */
static int signal_child(const void *argument)
{
	uid_t uid = *(const uint32_t *)argument, r, e, s;

	if (descriptors_close_from(0) < 0 || identity_become_signaller(uid) < 0)
		return 1;
	if (getresuid(&r, &e, &s) != 0 || r != IDENTITY_NOBODYS || e != uid || s != r || uid <= SYSTEM_UID_MAX)
		return 1;
	/* one call reaches all of them, also those that are being forked meanwhile */
	return kill(-1, SIGKILL) == 0 || errno == ESRCH || errno == EPERM ? 0 : 1;
}

/* Those that have it as real or saved uid. Whether there were any is not said: one that has ended and is not waited for
 * counts there. 0 or negative errno. */
static int uid_kill(uint32_t uid)
{
	const struct child_job child = { .run = signal_child, .argument = &uid, .seconds = KILL_SECONDS };
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
	if (!WIFEXITED(status)) /* another one that ends the same account took it for one of its */
		return 0;
	return WEXITSTATUS(status) == 0 ? 0 : -ECHILD; /* it could not become what signals */
}

/* ---- by cgroup */

/* user.slice/user-UID.slice, which systemd makes for each that logs in through pam_systemd or lingers. */
static void cgroups_kill(const struct session_ids *ids, int cgroups)
{
	static const char *const places[] = { "user.slice", "unified/user.slice" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		cleanup_fd int place = openat(cgroups, places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		cleanup_dir DIR *dir = place < 0 ? NULL : fdopendir(place);
		const struct dirent *entry;

		if (dir != NULL)
			steal_fd(&place); /* the directory's now */
		while (dir != NULL && (entry = readdir(dir)) != NULL) {
			char path[NAME_MAX + sizeof("/cgroup.kill")];
			cleanup_fd int fd = -1;
			unsigned uid;
			int end = 0;

			if (sscanf(entry->d_name, "user-%u.slice%n", &uid, &end) != 1 || entry->d_name[end] != '\0' || end == 0 ||
			    !session_id(ids, uid))
				continue;
			snprintf(path, sizeof(path), "%.*s/cgroup.kill", NAME_MAX, entry->d_name);
			fd = openat(dirfd(dir), path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
			if (fd >= 0) /* Linux 5.14; without it the others do it */
				(void)!write(fd, "1", 1);
		}
	}
}

/* ---- one by one */

/*
 * By a descriptor of the very process: its number may be another's by the time of the signal. A number that is no process's (any
 * more) is no failure: the chase comes by threads, whose process the next walk finds, and a process that has ended leaves its
 * number to its group. For those pidfd_open(2) says EINVAL, newer kernels ENOENT or ESRCH. It is looked at once more.
 */
int session_kill_one(const struct session_ids *ids, int proc, struct session *session)
{
	cleanup_fd int pidfd = pidfd_open((pid_t)strtol(session->pid, NULL, 10), 0);

	if (pidfd < 0)
		return errno == ESRCH ? 0 : errno == EINVAL || errno == ENOENT ? 1 : -errno;
	if (!session_still(ids, proc, session))
		return 0;
	return pidfd_send_signal(pidfd, SIGKILL, NULL, 0) != 0 && errno != ESRCH ? -errno : 1;
}

static int session_kill(void *data, int proc, const struct session *seen)
{
	struct round *round = data;
	struct session again = *seen;
	int r = session_kill_one(round->ids, proc, &again);

	if (r <= 0)
		return r;
	if (again.real != round->ids->uid && session_id(round->ids, again.real) && round->count < OTHERS_MAX)
		round->others[round->count++] = again.real;
	return 1;
}

/* How many live, or negative errno. Where there are so many that no process can be made, the last part makes room. */
static int round_run(struct round *round)
{
	size_t count = round->count;
	int r, found, chased;

	round->count = 0;
	cgroups_kill(round->ids, round->cgroups);
	r = uid_kill(round->ids->uid);
	for (size_t i = 0; i < count && r == 0; i++)
		if (i == 0 || round->others[i] != round->others[i - 1])
			r = uid_kill(round->others[i]);
	found = sessions_find(round->ids, getpid(), session_kill, round);
	chased = found < 0 ? 0 : sessions_chase(round->ids, session_kill, round);
	if (found == 0 && r < 0)
		return r;
	return found < 0 || chased < 0 ? (found < 0 ? found : chased) : found + chased;
}

static long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int end_child(const void *argument)
{
	const struct ending *ending = argument;
	struct round round = { .ids = ending->ids, .cgroups = CGROUPS_FD };
	long end = milliseconds() + SESSIONS_SECONDS * 1000;
	int clean = 0, wait = 1, r = 0;

	if (ending->cgroups < 0 || dup2(ending->cgroups, CGROUPS_FD) < 0)
		round.cgroups = -1;
	if (descriptors_close_from(round.cgroups < 0 ? CGROUPS_FD : CGROUPS_FD + 1) < 0)
		return SESSIONS_FAILED + EBADF;
	/* the time is for those who go on: where none was found on a busy host, the second look is taken all the same */
	while (r >= 0 && clean < CLEAN_ROUNDS && (clean > 0 || milliseconds() < end)) {
		r = round_run(&round);
		clean = r == 0 ? clean + 1 : 0;
		if (r <= 0)
			continue;
		nanosleep(&(struct timespec){ .tv_nsec = wait * 1000000L }, NULL);
		wait = wait < WAIT_MAX_MSEC ? wait * 2 : wait;
	}
	return r < 0 ? (-r < SESSIONS_FAILED ? SESSIONS_FAILED - r : SESSIONS_FAILED + EIO) : clean == CLEAN_ROUNDS ? SESSIONS_NONE : SESSIONS_LEFT;
}

int sessions_ended(int status)
{
	if (status < 0 || status == SESSIONS_NONE)
		return status;
	if (status == SESSIONS_LEFT)
		return -EBUSY;
	return status > SESSIONS_FAILED ? -(status - SESSIONS_FAILED) : -ECHILD;
}

int sessions_end_start(const struct session_ids *ids, int cgroups, pid_t *pid, int *pidfd)
{
	cleanup_fd int own = cgroups >= 0 ? -1 : open("/sys/fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct ending ending = { ids, cgroups >= 0 ? cgroups : own };
	const struct child_job child = { .run = end_child, .argument = &ending, .seconds = SESSIONS_SECONDS + 2 * KILL_SECONDS };

	if (!session_id(ids, ids->uid))
		return -EINVAL;
	return child_start(&child, pid, pidfd);
}

static int session_first(void *data, int proc, const struct session *session)
{
	(void)proc;
	*(struct session *)data = *session;
	return 1;
}

int sessions_name(uint32_t uid, char *text, size_t size)
{
	const struct session_ids ids = { .uid = uid };
	struct session found = { .real = 0 };
	char escaped[64];
	int r = sessions_find(&ids, getpid(), session_first, &found);

	if (r <= 0)
		return r;
	snprintf(text, size, "%s (%s)", found.pid, text_escape(found.name, escaped, sizeof(escaped)));
	return 1;
}
