/* SPDX-License-Identifier: ISC */
/*
 * Adds up the memory of each account, and ends the processes that have most of it. Run by the broker; a child looks,
 * since the account chooses how many processes there are.
 */
#include "subuidd/life/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "account/id.h"
#include "account/name.h"
#include "confine/child.h"
#include "confine/cleanup.h"
#include "confine/clock.h"
#include "confine/grow.h"
#include "home/groups.h"
#include "home/sessions.h"
#include "subuidd/base/child.h"
#include "subuidd/base/log.h"
#include "subuidd/broker.h"
#include "subuidd/life/whose.h"

#define SOON_USEC 500000u
#define IDLE_USEC (30u * 1000000u)
#define REST_MS 500
#define REST_SHARE 50   /* a look is followed by so many times its own time: two per cent of a processor at most */
#define LOOK_SECONDS 60 /* of one child, which looks again and again while anything runs that no group bounds */
#define CHILD_SECONDS (2u * LOOK_SECONDS)
#define ROUNDS 8 /* of ending, one after the other */
#define LARGEST_ROUNDS 2
#define ROUND_MS 100 /* for what was ended to be gone */
#define OVER_MAX 64  /* of one look; the next one finds the rest */
#define TOLD_MAX 64  /* accounts whose last line in the log is known */
#define TOLD_USEC (60u * 1000000u)

struct over {
	uint32_t uid, ended; /* so many of its processes */
	uint64_t bytes, most;
	char name[ACCOUNT_NAME_MAX + 1];
};

/* Shared with the child, which fills it. */
struct found {
	bool goes_on; /* something ran at the last look that no group bounds */
	uint32_t count;
	struct over rows[OVER_MAX];
};

struct memory {
	sd_event_source *timer;
	uint64_t due; /* by clock_usec(); 0: a look is under way */
	struct found *found;
	struct {
		uint32_t uid;
		uint64_t when;
	} told[TOLD_MAX];
};

/* ---- the child */

struct sum {
	uint32_t uid, count, ended;
	uint64_t bytes, largest, most; /* most: 0, it is not bounded, or a group does it */
	char name[ACCOUNT_NAME_MAX + 1];
};

struct looking {
	int cgroups;
	bool all; /* not only the largest process of an account, but each that has more than its share */
	struct sum *sums;
	size_t count, room;
};

static uint64_t line_bytes(const char *status, const char *name)
{
	const char *line = strstr(status, name);

	return line == NULL ? 0 : strtoull(line + strlen(name), NULL, 10) << 10;
}

/* What it has written to, in memory or in swap. Files that it has mapped are the page cache's, which gives way. */
static uint64_t process_bytes(int proc, const struct session *session)
{
	char path[32], status[8192];
	cleanup_fd int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/status", session->pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, status, sizeof(status) - 1);
	if (n <= 0)
		return 0;
	status[n] = '\0';
	return line_bytes(status, "\nRssAnon:") + line_bytes(status, "\nRssShmem:") + line_bytes(status, "\nVmSwap:");
}

/* NULL: there is no memory for it. */
static struct sum *sum_of(struct looking *looking, const struct index_account *account)
{
	struct account_bounds bounds;
	struct sum *sum, *grown;

	for (size_t i = 0; i < looking->count; i++)
		if (looking->sums[i].uid == account->uid)
			return &looking->sums[i];
	grown = array_grow(looking->sums, looking->count, &looking->room, sizeof(*grown));
	if (grown == NULL)
		return NULL;
	looking->sums = grown;
	sum = &looking->sums[looking->count++];
	*sum = (struct sum){ .uid = account->uid };
	memcpy(sum->name, account->name, sizeof(sum->name));
	if (whose_bounds(account, &bounds) == 0)
		sum->most = bounds.of.of[BOUND_MEMORY];
	return sum;
}

/* The account whose sum it belongs to; NULL: none that we bind. */
static struct sum *sum_for(struct looking *looking, int proc, const struct session *session)
{
	const struct id_range itself = { .first = session->real, .count = 1 };
	struct index_account account;
	struct session_ids ids;
	struct sum *sum;

	if (whose_account(session->real, &account) < 0 || whose_owner_runs(proc, session, account.owner_uid))
		return NULL;
	ids = (struct session_ids){ .uid = account.uid, .ranges = &itself, .count = 1 };
	if (group_of_another(&ids, proc, session) || group_binds_memory(&ids, looking->cgroups, proc, session))
		return NULL;
	sum = sum_of(looking, &account);
	return sum == NULL || sum->most == 0 ? NULL : sum;
}

static int add(void *data, int proc, const struct session *session)
{
	struct sum *sum = sum_for(data, proc, session);
	const uint64_t bytes = sum == NULL ? 0 : process_bytes(proc, session);

	if (sum == NULL)
		return 0;
	sum->count++;
	sum->bytes += bytes;
	if (bytes > sum->largest)
		sum->largest = bytes;
	return 1;
}

/*
 * Beyond the bound some process has more than its share, which is the bound divided by their number; without all that
 * have, the rest is within. One that was within while it was added up, and has grown since, is for the next look.
 */
static int end(void *data, int proc, const struct session *seen)
{
	struct looking *looking = data;
	struct sum *sum = sum_for(looking, proc, seen);
	const struct id_range itself = { .first = seen->real, .count = 1 };
	const struct session_ids ids = { .uid = seen->real, .ranges = &itself, .count = 1 };
	struct session again = *seen;
	uint64_t bytes;

	if (sum == NULL || sum->count == 0 || sum->bytes <= sum->most)
		return 0;
	bytes = process_bytes(proc, seen);
	if (bytes <= sum->most / sum->count || (!looking->all && bytes < sum->largest))
		return 0;
	if (session_signal_one(&ids, proc, &again, SIGKILL) == 1)
		sum->ended++;
	return 0;
}

static bool sums_over(const struct looking *looking)
{
	for (size_t i = 0; i < looking->count; i++)
		if (looking->sums[i].bytes > looking->sums[i].most)
			return true;
	return false;
}

static void report(const struct looking *looking, struct found *found)
{
	for (size_t i = 0; i < looking->count; i++) {
		const struct sum *sum = &looking->sums[i];
		struct over *row = NULL;

		for (uint32_t j = 0; j < found->count; j++)
			if (found->rows[j].uid == sum->uid)
				row = &found->rows[j];
		if (row == NULL && sum->ended > 0 && found->count < OVER_MAX) {
			row = &found->rows[found->count++];
			*row = (struct over){ .uid = sum->uid, .bytes = sum->bytes, .most = sum->most };
			memcpy(row->name, sum->name, sizeof(row->name));
		}
		if (row != NULL)
			row->ended += sum->ended;
	}
}

static void rest_ms(int64_t ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* True: an account was beyond its bound, and something of it was ended. */
static bool round_run(struct looking *looking, struct found *found)
{
	const struct id_range users = { .first = SYSTEM_UID_MAX + 1, .count = UINT32_MAX - SYSTEM_UID_MAX - 1 };
	const struct session_ids ids = { .ranges = &users, .count = 1 };

	looking->count = 0;
	found->goes_on = sessions_find(&ids, getpid(), add, looking) > 0;
	if (!sums_over(looking))
		return false;
	sessions_find(&ids, getpid(), end, looking);
	report(looking, found);
	return true;
}

/* One call reaches all of its uid, also those that are being forked. */
static void end_everything(const struct looking *looking)
{
	for (size_t i = 0; i < looking->count; i++)
		if (looking->sums[i].bytes > looking->sums[i].most)
			(void)sessions_signal_uid(looking->sums[i].uid, SIGKILL);
}

/* First the largest process of an account, as the kernel does it; then all that have more than their share; and if
 * there are more and more of them, everything of the account. */
static void rounds_run(struct looking *looking, struct found *found)
{
	for (int i = 0; i < ROUNDS; i++) {
		looking->all = i >= LARGEST_ROUNDS;
		if (!round_run(looking, found))
			return;
		rest_ms(ROUND_MS);
	}
	end_everything(looking);
}

struct looking_task {
	struct found *found;
	int cgroups;
};

static int look_child(const void *argument)
{
	const struct looking_task *task = argument;
	const int64_t until = clock_ms() + LOOK_SECONDS * 1000;
	struct looking looking = { .cgroups = -1 };

	if (sessions_keep_cgroups(task->cgroups, &looking.cgroups) < 0)
		return 1;
	do {
		const int64_t begun = clock_ms();
		int64_t rest;

		rounds_run(&looking, task->found);
		if (task->found->count > 0 || !task->found->goes_on)
			return 0;
		rest = (clock_ms() - begun) * REST_SHARE;
		rest_ms(rest < REST_MS ? REST_MS : rest);
	} while (clock_ms() < until);
	return 0;
}

/* ---- the broker */

static void look_in(struct memory *memory, uint64_t usec)
{
	memory->due = clock_usec() + usec;
	if (sd_event_source_set_time_relative(memory->timer, usec) < 0 ||
	    sd_event_source_set_enabled(memory->timer, SD_EVENT_ONESHOT) < 0)
		log_error("the memory of accounts is no longer looked at: a timer cannot be set");
}

/* Once a minute for an account. */
static void tell(struct memory *memory, const struct over *row)
{
	const uint64_t now = clock_usec();

	if (memory->told[row->uid % TOLD_MAX].uid == row->uid &&
	    now - memory->told[row->uid % TOLD_MAX].when < TOLD_USEC)
		return;
	memory->told[row->uid % TOLD_MAX].uid = row->uid;
	memory->told[row->uid % TOLD_MAX].when = now;
	log_warn("%s: all of it together has %llu MiB of memory, and may have %llu: %u of its processes %s ended",
		 row->name, (unsigned long long)(row->bytes >> 20), (unsigned long long)(row->most >> 20),
		 (unsigned)row->ended, row->ended == 1 ? "is" : "are");
}

static void looked(void *data, int status)
{
	struct broker *broker = data;
	struct memory *memory = broker->memory;

	if (memory == NULL)
		return;
	for (uint32_t i = 0; status == 0 && i < memory->found->count && i < OVER_MAX; i++)
		tell(memory, &memory->found->rows[i]);
	if (status < 0)
		log_warn("the memory of accounts cannot be looked at: %s", strerror(-status));
	look_in(memory, status == 0 && (memory->found->count > 0 || memory->found->goes_on) ? SOON_USEC : IDLE_USEC);
}

static int look(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct broker *broker = userdata;
	struct memory *memory = broker->memory;
	cleanup_fd int own = -1;
	const struct looking_task task = { memory->found, sessions_cgroups(broker->handed.cgroups, &own) };
	const struct child_job job = { .run = look_child, .argument = &task, .seconds = CHILD_SECONDS };
	int pidfd = -1, r;
	pid_t pid;

	(void)source, (void)usec;
	memory->found->count = 0;
	memory->found->goes_on = false;
	memory->due = 0;
	r = child_start(&job, &pid, &pidfd);
	if (r == 0)
		r = child_watch(broker->event, pidfd, CHILD_SECONDS, looked, broker);
	if (r < 0)
		looked(broker, r);
	return 0;
}

void memory_soon(struct broker *broker)
{
	cleanup_fd int own = -1;

	if (broker->memory == NULL || broker->memory->due <= clock_usec() + SOON_USEC)
		return;
	if (!groups_bind_memory(sessions_cgroups(broker->handed.cgroups, &own)))
		look_in(broker->memory, SOON_USEC);
}

static int timer_add(struct broker *broker, struct memory *memory)
{
	memory->due = clock_usec() + SOON_USEC;
	return sd_event_add_time_relative(broker->event, &memory->timer, CLOCK_MONOTONIC, SOON_USEC, 100000, look,
					  broker);
}

void memory_open(struct broker *broker)
{
	struct memory *memory = calloc(1, sizeof(*memory));

	if (memory != NULL)
		memory->found = child_memory(sizeof(*memory->found));
	if (memory != NULL && memory->found != NULL && timer_add(broker, memory) >= 0) {
		broker->memory = memory;
		return;
	}
	log_error("memory of accounts that no control group bounds is not bounded");
	if (memory != NULL && memory->found != NULL)
		munmap(memory->found, sizeof(*memory->found));
	free(memory);
}

void memory_close(struct broker *broker)
{
	struct memory *memory = broker->memory;

	if (memory == NULL)
		return;
	broker->memory = NULL;
	sd_event_source_disable_unref(memory->timer);
	munmap(memory->found, sizeof(*memory->found));
	free(memory);
}
