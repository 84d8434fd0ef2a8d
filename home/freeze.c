/* SPDX-License-Identifier: ISC */
/*
 * Stops the processes of an account, and lets them go on. Run by a child of the broker (root): the account chooses how
 * many there are, how fast they fork, and whether those that run continue those that stand.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "confine/child.h"
#include "confine/cleanup.h"
#include "confine/identity.h"
#include "home/groups.h"
#include "home/internal.h"
#include "home/sessions.h"
#include "home/stopped.h"

#define SIGNAL_SECONDS 10
#define OTHERS_MAX 16

/* The child's task, and what a round finds: ids of ranges that something runs as. */
struct freezing {
	const struct session_ids *ids;
	enum sessions_freeze how;
	int cgroups;
	struct stopped stopped; /* of those that stood before */
	uint32_t others[OTHERS_MAX];
	size_t count;
};

/* A child of the broker that signals, counts or purges in the account's name: nobody else has such a real uid. */
static bool brokers(const struct session *session)
{
	return session->real == IDENTITY_NOBODYS || session->real == HOME_UNTOUCHED;
}

static bool stands_by(char state)
{
	return state == 'T' || state == 't' || state == 'D';
}

bool session_stands(const struct session_ids *ids, int cgroups, int proc, const struct session *session)
{
	return brokers(session) || stands_by(session_state(proc, session)) || group_stands(ids, cgroups, proc, session);
}

static void other_add(struct freezing *freezing, uint32_t real)
{
	if (real == freezing->ids->uid || !session_id(freezing->ids, real))
		return;
	for (size_t i = 0; i < freezing->count; i++)
		if (freezing->others[i] == real)
			return;
	if (freezing->count < OTHERS_MAX)
		freezing->others[freezing->count++] = real;
}

/* 1 for one that runs. One that waits in the kernel gets the signal, too, and does not count: it may wait for one that
 * stands (vfork(2)). */
static int stop(void *data, int proc, const struct session *seen)
{
	struct freezing *freezing = data;
	struct session again = *seen;
	const char state = session_state(proc, seen);
	const bool stands = stands_by(state) || group_stands(freezing->ids, freezing->cgroups, proc, seen);
	int r;

	if (brokers(seen) || (stands && state != 'D'))
		return 0;
	r = session_signal_one(freezing->ids, proc, &again, SIGSTOP);
	if (r <= 0)
		return r;
	other_add(freezing, again.real);
	return !stands;
}

static int go_on(void *data, int proc, const struct session *seen)
{
	const struct freezing *freezing = data;
	struct session again = *seen;
	int r = 0;

	if (!brokers(seen) && !stopped_has(&freezing->stopped, proc, seen))
		r = session_signal_one(freezing->ids, proc, &again, SIGCONT);
	return r < 0 ? r : 0;
}

static int note(void *data, int proc, const struct session *seen)
{
	struct freezing *freezing = data;

	if (session_state(proc, seen) == 'T')
		stopped_add(&freezing->stopped, proc, seen);
	return 0;
}

/* Their own uids in one call each, which what forks does not outrun. */
static int uids_stop(struct freezing *freezing)
{
	int r = sessions_signal_uid(freezing->ids->uid, SIGSTOP);

	for (size_t i = 0; i < freezing->count && r == 0; i++)
		r = sessions_signal_uid(freezing->others[i], SIGSTOP);
	freezing->count = 0;
	return r;
}

static int round_stop(void *data)
{
	struct freezing *freezing = data;
	int found, chased, r = 0;

	groups_write(freezing->ids, freezing->cgroups, "cgroup.freeze", "1");
	found = sessions_find(freezing->ids, getpid(), stop, freezing);
	if (found > 0)
		r = uids_stop(freezing);
	chased = found < 0 || r < 0 ? 0 : sessions_chase(freezing->ids, stop, freezing);
	return found < 0 ? found : r < 0 ? r : chased < 0 ? chased : found + chased;
}

/* A stop that waits to be delivered in a frozen group is taken back before the group goes on. */
static int round_go_on(void *data)
{
	struct freezing *freezing = data;
	int found = sessions_find(freezing->ids, getpid(), go_on, freezing);

	groups_write(freezing->ids, freezing->cgroups, "cgroup.freeze", "0");
	return found;
}

/* What cannot be kept is continued by the thaw: no reason not to stop anything. */
static int freeze_child(const void *argument)
{
	struct freezing freezing = *(const struct freezing *)argument;
	const uint32_t uid = freezing.ids->uid;
	int status;

	if (sessions_keep_cgroups(freezing.cgroups, &freezing.cgroups) < 0)
		return SESSIONS_FAILED + EBADF;
	if (freezing.how == FREEZE && sessions_find(freezing.ids, getpid(), note, &freezing) >= 0)
		stopped_keep(uid, &freezing.stopped);
	if (freezing.how == THAW)
		stopped_load(uid, &freezing.stopped);
	status = sessions_rounds(freezing.how == THAW ? round_go_on : round_stop, &freezing);
	if (freezing.how == THAW && status == SESSIONS_NONE)
		stopped_forget(uid);
	return status;
}

int sessions_freeze_start(const struct session_ids *ids, enum sessions_freeze how, int cgroups, pid_t *pid, int *pidfd)
{
	cleanup_fd int own = -1;
	const struct freezing freezing = { .ids = ids, .how = how, .cgroups = sessions_cgroups(cgroups, &own) };
	const struct child_job child = { .run = freeze_child,
					 .argument = &freezing,
					 .seconds = SESSIONS_SECONDS + SIGNAL_SECONDS };

	return session_id(ids, ids->uid) ? child_start(&child, pid, pidfd) : -EINVAL;
}
