/* SPDX-License-Identifier: ISC */
/* Looks for processes of accounts that may not log in, and ends them. */
#include "subuidd/life/admission.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "account/date.h"
#include "account/id.h"
#include "account/session_end.h"
#include "confine/child.h"
#include "confine/cleanup.h"
#include "confine/clock.h"
#include "confine/harden.h"
#include "home/groups.h"
#include "home/sessions.h"
#include "home/terminal.h"
#include "index/verdict.h"
#include "subuidd/base/child.h"
#include "subuidd/base/log.h"
#include "subuidd/broker.h"
#include "subuidd/life/freeze.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/life/purge.h"
#include "subuidd/life/whose.h"

#define LOOK_USEC (30u * 1000000u)
#define LOOK_SECONDS 25u /* for all of a look: a directory that does not answer makes no look, and ends nothing */
#define TOLD_USEC (3600u * 1000000u) /* a process that cannot be ended is found again and again */
#define UNWANTED_MAX 256             /* of one look; the next one finds the rest */
#define SEEN_MAX 1024

struct unwanted {
	uint32_t uid;
	enum verdict verdict;
	char name[ACCOUNT_NAME_MAX + 1];
	uint64_t told; /* by clock_usec(): when the log last named it; the broker's */
};

/* Shared with the child, which fills it. */
struct found {
	int64_t looked; /* when, by the clock */
	int error;      /* of the index: whose a process is could not be read. There may be more than was found */
	uint32_t count;
	struct unwanted rows[UNWANTED_MAX];
};

struct admission {
	sd_event_source *timer;
	struct found *found;
	struct found before; /* what the look before has found */
	int cause;           /* why the last look did not see everything, which is told once; 0: it did */
};

/* ---- the child */

struct looking {
	struct found *found;
	time_t now, before;      /* of this look, and of the last one */
	uint32_t seen[SEEN_MAX]; /* accounts that were looked at, the last ones */
	size_t count;
	int cgroups; /* of their file system; -1: none */
};

static bool seen(struct looking *looking, uint32_t uid)
{
	for (size_t i = 0; i < looking->count && i < SEEN_MAX; i++)
		if (looking->seen[i] == uid)
			return true;
	looking->seen[looking->count++ % SEEN_MAX] = uid;
	return false;
}

/* Ten minutes before the account expires, and one. Before the end of what a session came in with, its login shell. */
static void warn(const struct looking *looking, int proc, const struct session *session,
		 const struct index_account *account)
{
	const struct session_end end = { verdict_end(account), SESSION_END_ACCOUNT };
	const unsigned minutes = session_end_due(&end, looking->before, looking->now);
	char text[ACCOUNT_NAME_MAX + 80];

	if (minutes == 0)
		return;
	snprintf(text, sizeof(text), "\r\n%s expires in %u minute%s: this session ends then\r\n", account->name,
		 minutes, minutes == 1 ? "" : "s");
	terminal_tell(proc, session, text); /* told if it can be */
}

static bool stands(const struct looking *looking, int proc, const struct session *session, uint32_t uid)
{
	const struct id_range itself = { .first = uid, .count = 1 };

	return session_stands(&(struct session_ids){ .uid = uid, .ranges = &itself, .count = 1 }, looking->cgroups,
			      proc, session);
}

static int look_at(void *data, int proc, const struct session *session)
{
	struct looking *looking = data;
	struct found *found = looking->found;
	struct index_account account;
	struct owner_facts owner;
	enum verdict verdict;
	int r = found->count == UNWANTED_MAX ? -ENOENT : whose_account(session->real, &account);

	if (r < 0 && r != -ENOENT)
		found->error = r;
	if (r < 0 || whose_owner_runs(proc, session, account.owner_uid))
		return 0;
	warn(looking, proc, session, &account);
	if ((account.flags & ACCOUNT_FROZEN) != 0 && stands(looking, proc, session, account.uid))
		return 0;
	if (seen(looking, account.uid))
		return 0;
	owner_lookup(account.owner, &owner);
	verdict = verdict_of_account(&account, &owner, (long)(looking->now / SECONDS_PER_DAY));
	if (!verdict_ends(verdict) && verdict != VERDICT_FROZEN)
		return 0;
	found->rows[found->count] = (struct unwanted){ .uid = account.uid, .verdict = verdict };
	memcpy(found->rows[found->count++].name, account.name, sizeof(account.name));
	return 0;
}

/* For the child. */
struct looking_task {
	struct found *found;
	int cgroups;
};

static int look_child(const void *argument)
{
	const struct looking_task *task = argument;
	const struct id_range users = { .first = SYSTEM_UID_MAX + 1, .count = UINT32_MAX - SYSTEM_UID_MAX - 1 };
	const struct session_ids ids = { .ranges = &users, .count = 1 };
	struct looking *looking = calloc(1, sizeof(*looking));

	if (looking == NULL || sessions_keep_cgroups(task->cgroups, &looking->cgroups) < 0)
		return 1;
	looking->found = task->found;
	looking->now = time(NULL);
	looking->before = looking->found->looked;
	looking->found->looked = looking->now;
	groups_tidy(looking->cgroups);
	return sessions_find(&ids, getpid(), look_at, looking) < 0;
}

/* ---- the broker */

/* The same one in the look before. */
static const struct unwanted *earlier(const struct admission *admission, const struct unwanted *row)
{
	for (uint32_t i = 0; i < admission->before.count; i++)
		if (admission->before.rows[i].uid == row->uid && admission->before.rows[i].verdict == row->verdict)
			return &admission->before.rows[i];
	return NULL;
}

/* Something of a frozen account runs: it came in by another door, or was continued. */
static void stop(struct broker *broker, const struct unwanted *row)
{
	int r = freeze_under_way(row->uid) ? 0 : freeze_begin(broker, row->uid, FREEZE_AGAIN, NULL, NULL);

	if (r < 0)
		log_error("%s: it is frozen, and what runs cannot be stopped: %s", row->name, strerror(-r));
	else if (r > 0)
		log_info("%s: it is frozen, and what runs is stopped", row->name);
}

/* An owner who is being renamed, or whom a directory forgets for a moment, is missing in one look and there in the
 * next. */
static bool certain(const struct unwanted *row, const struct unwanted *before)
{
	return (row->verdict != VERDICT_OWNER_GONE && row->verdict != VERDICT_OWNER_CHANGED) || before != NULL;
}

static void end(struct broker *broker, struct unwanted *row)
{
	const bool quiet = row->told != 0 && clock_usec() - row->told < TOLD_USEC;
	int r = 0;

	if (row->verdict == VERDICT_FROZEN) {
		stop(broker, row);
		return;
	}
	/* while it is purged, only the deleting child has its uid */
	if (!purge_under_way(broker, row->uid))
		r = removal_ending_again(broker, row->uid, quiet);
	if (quiet || r == 0)
		return;
	row->told = clock_usec();
	if (r < 0)
		log_error("%s: %s, and its processes cannot be ended: %s", row->name, verdict_text(row->verdict),
			  strerror(-r));
	else
		log_info("%s: its processes end: %s", row->name, verdict_text(row->verdict));
}

static void act(struct broker *broker, struct unwanted *row)
{
	const struct unwanted *before = earlier(broker->admission, row);

	row->told = before != NULL ? before->told : 0;
	if (certain(row, before))
		end(broker, row);
}

static void look_again(struct broker *broker)
{
	sd_event_source *timer = broker->admission->timer;

	if (sd_event_source_set_time_relative(timer, LOOK_USEC) < 0 ||
	    sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT) < 0)
		log_error("sessions of accounts that expire are no longer ended: a timer cannot be set");
}

/* A look that ended, and what it could not see. */
static void tell(struct admission *admission, int status)
{
	int cause = status != 0 ? status : admission->found->error;

	if (cause != 0 && cause != admission->cause)
		log_warn("what runs as accounts that have expired, or whose owners are locked, may go on: %s%s%s",
			 status == -ETIMEDOUT ? "the user database does not answer" :
			 status != 0          ? "the look at it has failed" :
						"the index cannot be read: ",
			 status != 0 ? "" : strerror(-cause), status != 0 ? "" : "; see subuid check");
	admission->cause = cause;
}

static void looked(void *data, int status)
{
	struct broker *broker = data;
	struct admission *admission = broker->admission;

	if (admission == NULL)
		return;
	for (uint32_t i = 0; status == 0 && i < admission->found->count && i < UNWANTED_MAX; i++)
		act(broker, &admission->found->rows[i]);
	if (status == 0)
		admission->before = *admission->found;
	tell(admission, status);
	look_again(broker);
}

static int look(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct broker *broker = userdata;
	struct admission *admission = broker->admission;
	cleanup_fd int own = -1;
	const struct looking_task task = { admission->found, sessions_cgroups(broker->handed.cgroups, &own) };
	const struct child_job job = { .run = look_child, .argument = &task, .seconds = LOOK_SECONDS };
	int pidfd = -1, r;
	pid_t pid;

	(void)source, (void)usec;
	admission->found->count = 0;
	admission->found->error = 0;
	r = child_start(&job, &pid, &pidfd);
	if (r == 0)
		r = child_watch(broker->event, pidfd, LOOK_SECONDS, looked, broker);
	if (r < 0)
		looked(broker, r);
	return 0;
}

int admission_open(struct broker *broker)
{
	struct admission *admission = calloc(1, sizeof(*admission));
	int r;

	if (admission == NULL)
		return -ENOMEM;
	admission->found = child_memory(sizeof(*admission->found));
	if (admission->found == NULL) {
		free(admission);
		return -ENOMEM;
	}
	admission->found->looked = time(NULL);
	broker->admission = admission;
	r = sd_event_add_time_relative(broker->event, &admission->timer, CLOCK_MONOTONIC, LOOK_USEC, 1000000, look,
				       broker);
	if (r < 0)
		admission_close(broker);
	return r < 0 ? r : 0;
}

void admission_close(struct broker *broker)
{
	struct admission *admission = broker->admission;

	if (admission == NULL)
		return;
	broker->admission = NULL;
	sd_event_source_disable_unref(admission->timer);
	munmap(admission->found, sizeof(*admission->found));
	free(admission);
}
