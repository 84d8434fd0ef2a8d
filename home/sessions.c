/* SPDX-License-Identifier: ISC */
/*
 * Ends the processes of an account. A child of the broker does all of it: the account or its owner chooses how many
 * processes there are, and how fast new ones appear.
 */
#include "home/sessions.h"

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

#include "account/id.h"
#include "account/name.h"
#include "confine/child.h"
#include "confine/cgroup.h"
#include "confine/cleanup.h"
#include "confine/clock.h"
#include "confine/harden.h"
#include "confine/identity.h"
#include "home/groups.h"
#include "home/internal.h"
#include "home/stopped.h"

#define KILL_SECONDS 5
#define CONTINUE_MSEC 5
#define WAIT_MAX_MSEC 32
#define CLEAN_ROUNDS 2
#define OTHERS_MAX 16

/* The result of one round: the processes seen, and the ids of ranges among them, which the next round also ends at
 * once. */
struct round {
	const struct session_ids *ids;
	int cgroups;
	uint32_t others[OTHERS_MAX];
	size_t count;
};

/* ---- by uid */

#define PASSES 8 /* of a stop: meanwhile a process that has not stopped yet may continue others */

struct uid_signal {
	uint32_t uid;
	int signal;
};

/*
 * kill(-1) by root would end the host, so the last step before it checks that this is not root. Nor does the child
 * become the account completely, because then the account's processes could stop it, or keep killing it first.
 */
static int signal_child(const void *argument)
{
	const struct uid_signal *order = argument;
	uid_t uid = order->uid, r, e, s;

	if (descriptors_close_from(0) < 0 || identity_become_signaller(uid) < 0)
		return 1;
	if (getresuid(&r, &e, &s) != 0 || r != IDENTITY_NOBODYS || e != uid || s != r || uid <= SYSTEM_UID_MAX)
		return 1;
	for (int pass = 1; order->signal == SIGSTOP && pass < PASSES; pass++)
		kill(-1, SIGSTOP);
	/* one call reaches all of them, also those that are being forked meanwhile */
	return kill(-1, order->signal) == 0 || errno == ESRCH || errno == EPERM ? 0 : 1;
}

/* All children that signal may signal one another: one that stops another account's processes stops this one, too. */
static int signaller_wait(pid_t pid, int pidfd)
{
	const int64_t end = clock_ms() + KILL_SECONDS * 1000;
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	int r;

	while ((r = poll(&ended, 1, CONTINUE_MSEC)) != 1 && clock_ms() < end)
		kill(pid, SIGCONT);
	return r;
}

int sessions_signal_uid(uint32_t uid, int signal)
{
	const struct uid_signal order = { uid, signal };
	const struct child_job child = { .run = signal_child, .argument = &order, .seconds = KILL_SECONDS };
	int r, status = 0, pidfd;
	pid_t pid;

	r = child_start(&child, &pid, &pidfd);
	if (r < 0)
		return r;
	if (signaller_wait(pid, pidfd) != 1)
		kill(pid, SIGKILL); /* it was slowed down; an alarm(2) does not end a stopped process */
	close(pidfd);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(status)) /* another child that ends the same account took it for one of its processes */
		return 0;
	return WEXITSTATUS(status) == 0 ? 0 : -ECHILD; /* it could not become the uid that signals */
}

/* ---- one by one */

/*
 * Through a descriptor of the very process: another process may have its number by the time of the signal. A number
 * that does not (or no longer) belong to a process is not a failure: the chase also meets threads, whose process the
 * next walk finds, and a process that has ended leaves its number to its group. For those pidfd_open(2) gives EINVAL,
 * newer kernels ENOENT or ESRCH. The process is checked again through the descriptor.
 */
int session_signal_one(const struct session_ids *ids, int proc, struct session *session, int signal)
{
	cleanup_fd int pidfd = pidfd_open((pid_t)strtol(session->pid, NULL, 10), 0);

	if (pidfd < 0)
		return errno == ESRCH ? 0 : errno == EINVAL || errno == ENOENT ? 1 : -errno;
	if (!session_still(ids, proc, session))
		return 0;
	return pidfd_send_signal(pidfd, signal, NULL, 0) != 0 && errno != ESRCH ? -errno : 1;
}

static int session_kill(void *data, int proc, const struct session *seen)
{
	struct round *round = data;
	struct session again = *seen;
	int r = session_signal_one(round->ids, proc, &again, SIGKILL);

	if (r <= 0)
		return r;
	if (again.real != round->ids->uid && session_id(round->ids, again.real) && round->count < OTHERS_MAX)
		round->others[round->count++] = again.real;
	return 1;
}

/* How many are alive, or negative errno. If there are so many that no process can be made, the last part makes room. */
static int round_run(void *data)
{
	struct round *round = data;
	size_t count = round->count;
	int r, found, chased;

	round->count = 0;
	groups_write(round->ids, round->cgroups, "cgroup.kill", "1"); /* Linux 5.14; without it the others do it */
	r = sessions_signal_uid(round->ids->uid, SIGKILL);
	for (size_t i = 0; i < count && r == 0; i++)
		if (i == 0 || round->others[i] != round->others[i - 1])
			r = sessions_signal_uid(round->others[i], SIGKILL);
	found = sessions_find(round->ids, getpid(), session_kill, round);
	chased = found < 0 ? 0 : sessions_chase(round->ids, session_kill, round);
	if (found == 0 && r < 0)
		return r;
	return found < 0 || chased < 0 ? (found < 0 ? found : chased) : found + chased;
}

/* ---- in order */

static int session_ask(void *data, int proc, const struct session *seen)
{
	const struct round *round = data;
	struct session again = *seen;

	return session_signal_one(round->ids, proc, &again, SIGTERM);
}

static int session_count(void *data, int proc, const struct session *session)
{
	(void)data, (void)proc, (void)session;
	return 1;
}

/* One that is another one all the time may be missed by a walk through /proc. */
static uint32_t count_all(const struct session_ids *ids)
{
	const int there = sessions_find(ids, getpid(), session_count, NULL);

	if (there != 0)
		return there > 0 ? (uint32_t)there : 0;
	return sessions_chase(ids, session_count, NULL) > 0;
}

/* Asks all of them to end, and waits until they have, or the time is up. A process that is forked meanwhile is not
 * asked. */
static void ask(const struct session_ids *ids, unsigned grace)
{
	const int64_t end = clock_ms() + (int64_t)grace * 1000;
	struct round round = { .ids = ids };
	int left = grace == 0 ? 0 : sessions_find(ids, getpid(), session_ask, &round);

	while (left > 0 && clock_ms() < end) {
		nanosleep(&(struct timespec){ .tv_nsec = WAIT_MAX_MSEC * 1000000L }, NULL);
		left = sessions_find(ids, getpid(), session_count, NULL);
	}
}

int sessions_rounds(int (*run)(void *data), void *data)
{
	const int64_t end = clock_ms() + SESSIONS_SECONDS * 1000;
	int clean = 0, wait = 1, r = 0;

	/* the time limit is for processes that go on: if none was found, the second look is taken even on a busy host
	 */
	while (r >= 0 && clean < CLEAN_ROUNDS && (clean > 0 || clock_ms() < end)) {
		r = run(data);
		clean = r == 0 ? clean + 1 : 0;
		if (r <= 0)
			continue;
		nanosleep(&(struct timespec){ .tv_nsec = wait * 1000000L }, NULL);
		wait = wait < WAIT_MAX_MSEC ? wait * 2 : wait;
	}
	return r < 0                 ? (-r < SESSIONS_FAILED ? SESSIONS_FAILED - r : SESSIONS_FAILED + EIO) :
	       clean == CLEAN_ROUNDS ? SESSIONS_NONE :
				       SESSIONS_LEFT;
}

int sessions_keep_cgroups(int cgroups, int *kept)
{
	*kept = cgroups >= 0 && dup2(cgroups, 0) == 0 ? 0 : -1;
	return descriptors_close_from(*kept + 1);
}

static int end_child(const void *argument)
{
	const struct sessions_ending *ending = argument;
	struct round round = { .ids = ending->ids, .cgroups = -1 };
	int status;

	if (sessions_keep_cgroups(ending->cgroups, &round.cgroups) < 0)
		return SESSIONS_FAILED + EBADF;
	if (ending->count != NULL)
		*ending->count = count_all(ending->ids);
	ask(ending->ids, ending->grace);
	status = sessions_rounds(round_run, &round);
	if (status == SESSIONS_NONE)
		stopped_forget(ending->ids->uid); /* also of a frozen account: none of those that stood is left */
	return status;
}

int sessions_cgroups(int handed, int *own)
{
	if (handed >= 0)
		return handed;
	*own = open(CGROUPS, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *own;
}

int sessions_ended(int status)
{
	if (status < 0 || status == SESSIONS_NONE)
		return status;
	if (status == SESSIONS_LEFT)
		return -EBUSY;
	return status > SESSIONS_FAILED ? -(status - SESSIONS_FAILED) : -ECHILD;
}

int sessions_end_start(const struct sessions_ending *how, pid_t *pid, int *pidfd)
{
	cleanup_fd int own = -1;
	struct sessions_ending ending = *how;
	const struct child_job child = { .run = end_child,
					 .argument = &ending,
					 .seconds = how->grace + SESSIONS_SECONDS + 2 * KILL_SECONDS };

	ending.cgroups = sessions_cgroups(how->cgroups, &own);
	if (!session_id(how->ids, how->ids->uid) || how->grace > SESSIONS_GRACE_MAX)
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
