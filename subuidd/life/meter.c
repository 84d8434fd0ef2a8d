/* SPDX-License-Identifier: ISC */
/*
 * Counts one account at a time. An account that was counted rests ten times as long as that took; one that is over its
 * limit is then counted again, because no run tells us that its owner has removed something.
 */
#include "subuidd/life/meter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "account/fields.h"
#include "confine/cleanup.h"
#include "subuidd/call/caller.h"
#include "subuidd/call/used.h"
#include "subuidd/base/child.h"
#include "home/count.h"
#include "subuidd/base/log.h"
#include "subuidd/door/operation.h"
#include "subuidd/publish/publish.h"

#define BATCH 64
#define PAUSE_USEC 20000u          /* between two batches other work has its turn */
#define SOON_USEC 200000u          /* runs that end together are one count */
#define FULL_USEC (30u * 1000000u) /* at least, until an account over its limit is counted again */
#define BUSY_USEC 1000000u
#define REST 10u
#define CHILD_SECONDS 1800u

struct want {
	struct want *next;
	uint32_t uid;
	bool wanted;        /* false: it only rests */
	uint64_t due, rest; /* not before `rest`, whoever asks for it */
};

struct meter {
	sd_event_source *sweep, *timer;
	uint32_t after; /* of the sweep */
	struct want *first;
	/* The account that is being counted. */
	bool counting;
	uint32_t uid;
	uint64_t begun;
	struct home_count *count; /* shared with the child */
	bool whole;               /* it is counted for a limit, and not only to find its subvolumes */
	bool counted;             /* and that has come to its end */
};

static uint64_t clock_now(const struct broker *broker)
{
	uint64_t now = 0;

	sd_event_now(broker->event, CLOCK_MONOTONIC, &now);
	return now;
}

static void timer_set(sd_event_source *timer, uint64_t when)
{
	if (sd_event_source_set_time(timer, when) < 0 || sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT) < 0)
		log_error("homes are no longer counted: a timer cannot be set");
}

/* ---- what is to be counted ---- */

static struct want *want_find(const struct meter *meter, uint32_t uid)
{
	for (struct want *want = meter->first; want != NULL; want = want->next)
		if (want->uid == uid)
			return want;
	return NULL;
}

static void want_drop(struct meter *meter, uint32_t uid)
{
	for (struct want **at = &meter->first; *at != NULL; at = &(*at)->next)
		if ((*at)->uid == uid) {
			struct want *gone = *at;

			*at = gone->next;
			free(gone);
			return;
		}
}

static struct want *want_soonest(const struct meter *meter)
{
	struct want *soonest = meter->first;

	for (struct want *want = meter->first; want != NULL; want = want->next)
		if (want->due < soonest->due)
			soonest = want;
	return soonest;
}

static void look_when_due(struct meter *meter)
{
	const struct want *soonest = meter->counting ? NULL : want_soonest(meter);

	if (soonest != NULL)
		timer_set(meter->timer, soonest->due);
}

static void want_set(struct broker *broker, uint32_t uid, bool wanted, uint64_t due, uint64_t rest)
{
	struct meter *meter = broker->meter;
	struct want *want = want_find(meter, uid);

	if (want == NULL) {
		want = calloc(1, sizeof(*want));
		if (want == NULL) {
			log_error("uid %u: cannot be counted: out of memory", uid);
			return;
		}
		want->next = meter->first;
		meter->first = want;
	}
	want->uid = uid;
	want->wanted = wanted;
	want->due = due;
	want->rest = rest;
	look_when_due(meter);
}

void meter_want(struct broker *broker, uint32_t uid)
{
	struct want *want = broker->meter == NULL ? NULL : want_find(broker->meter, uid);

	if (broker->meter == NULL)
		return;
	if (want != NULL) /* it rests, or its turn comes */
		want->wanted = true;
	else
		want_set(broker, uid, true, clock_now(broker) + SOON_USEC, 0);
}

void meter_now(struct broker *broker, uint32_t uid)
{
	struct want *want = broker->meter == NULL ? NULL : want_find(broker->meter, uid);

	meter_want(broker, uid);
	if (want != NULL && want->due > want->rest) {
		want->due = want->rest;
		look_when_due(broker->meter);
	}
}

/* ---- what came of it ---- */

static const struct operation full = { OP_ACCOUNT_MODIFY, WHO_ROOT, 0, "account.full", NULL };
static const struct operation thaw = { OP_ACCOUNT_MODIFY, WHO_ROOT, 0, "account.thaw", NULL };

/* First in the store, then in the index, where the login shell sees it. */
static void full_set(struct broker *broker, const struct account *row, bool over, const struct home_count *count)
{
	struct call call = { .broker = broker,
			     .store = broker->store,
			     .operation = over ? &full : &thaw,
			     .account = *row,
			     .caller = { .root = true, .admin = true, .named = true, .name = "subuidd" } };

	if (((row->flags & ACCOUNT_FULL) != 0) == over)
		return;
	if (name_join(row->owner, broker->settings.separator, row->label, call.target) < 0)
		call.target[0] = '\0';
	if (count != NULL)
		snprintf(call.detail, sizeof(call.detail), "files %llu, bytes %llu%s", (unsigned long long)count->files,
			 (unsigned long long)count->bytes, over ? " or more" : "");
	call.account.flags ^= ACCOUNT_FULL;
	if (call_transaction(&call, call.operation->action, call_body_account) != FAILURE_NONE)
		return; /* said why */
	if (publish_account(broker->publication, &call.account) < 0)
		log_error("%s: the news that it %s its limit is not published", call.target,
			  over ? "is over" : "is below");
	publication_commit(broker->publication);
}

/* The file system goes before the count, which is kept for those who ask. */
static void use_seen(struct broker *broker, const struct account *row, const struct home_kept *kept)
{
	const struct meter *meter = broker->meter;
	struct used used = { kept->bytes_used, kept->files_used };

	if (meter->counted &&
	    used_put(&broker->used, row->uid, (struct used){ meter->count->bytes, meter->count->files }) < 0)
		log_error("uid %u: what it uses is forgotten: out of memory", row->uid);
	if (meter->counted && used.bytes == USED_UNKNOWN)
		used.bytes = meter->count->bytes;
	if (meter->counted && used.files == USED_UNKNOWN)
		used.files = meter->count->files;
	if (broker->used_seen != NULL)
		broker->used_seen(broker, row, used.bytes, used.files);
}

static void counted(void *data, int status)
{
	struct broker *broker = data;
	struct meter *meter = broker->meter;
	uint64_t now = clock_now(broker), rest = (now - meter->begun) * REST;
	enum count_verdict verdict = status == 0 ? meter->count->verdict : COUNT_NOT;
	struct home_kept kept;
	struct account row;
	bool over;

	meter->counting = false;
	if (store_account_by_uid(broker->store, meter->uid, &row) < 0 || row.state != ACCOUNT_ACTIVE) {
		want_drop(meter, meter->uid);
		used_forget(&broker->used, meter->uid);
		look_when_due(meter);
		return;
	}
	meter->counted = meter->whole && verdict != COUNT_NOT;
	if (status == 0 && home_quota_look(&broker->homes, &row, &kept) == 0)
		use_seen(broker, &row, &kept);
	meter->counted = false;
	if (status != 0)
		log_warn("uid %u: its home cannot be counted: %s", row.uid,
			 status == -ETIMEDOUT ? "it takes too long" : "the process that counts has failed");
	else if (verdict != COUNT_NOT)
		full_set(broker, &row, verdict == COUNT_OVER, meter->count);
	/* if it is unknown, the state stays as it was */
	over = verdict == COUNT_OVER || (verdict == COUNT_NOT && (row.flags & ACCOUNT_FULL) != 0);
	want_set(broker, row.uid, over || (want_find(meter, row.uid) != NULL && want_find(meter, row.uid)->wanted),
		 now + (over && rest < FULL_USEC ? FULL_USEC : rest), now + rest);
}

/* ---- counting ---- */

/* Its ranges, as many as a namespace takes, and its owner: files that they made in its home count. */
static int count_begin(struct broker *broker, const struct account *row, const struct count_limits *limits)
{
	struct meter *meter = broker->meter;
	struct id_range ranges[PURGE_RANGES_MAX];
	struct link_owner owner = { .uid = 0 };
	int pidfd = -1;
	int count = store_range_list_account(broker->store, row->uid, 0, ranges, PURGE_RANGES_MAX);
	int r = count < 0 ? count : passwd_by_uid(row->owner_uid, &owner);

	if (count < 0)
		return count;
	*meter->count = (struct home_count){ .verdict = COUNT_NOT };
	r = home_count_start(&broker->homes, row, r == 0 ? &owner : NULL, ranges, (size_t)count, limits, meter->count,
			     &pidfd);
	if (r < 0)
		return r;
	meter->counting = true;
	meter->whole = limits->bytes != 0 || limits->files != 0;
	meter->uid = row->uid;
	meter->begun = clock_now(broker);
	r = child_watch(broker->event, pidfd, CHILD_SECONDS, counted, broker);
	meter->counting = r >= 0;
	return r;
}

/* 1: it is being counted; 0: nothing to count; or negative errno. */
static int count_one(struct broker *broker, uint32_t uid)
{
	struct count_limits limits = { 0, 0 };
	struct home_kept kept;
	struct account row;
	int r = store_account_by_uid(broker->store, uid, &row);

	if (r < 0 || row.state != ACCOUNT_ACTIVE)
		return r == -ENOENT || r == 0 ? 0 : r;
	r = home_quota_look(&broker->homes, &row, &kept);
	if (r < 0)
		return r;
	limits.bytes = kept.bytes == KEPT_METERED ? row.facts.quota : 0;
	limits.files = kept.files == KEPT_METERED ? account_files_limit(&row, broker->homes.files_per_size) : 0;
	if (limits.bytes == 0 && limits.files == 0)
		full_set(broker, &row, false, NULL);
	if (limits.bytes == 0 && limits.files == 0 && (kept.bytes == KEPT_NONE || !broker->homes.subvolumes)) {
		use_seen(broker, &row, &kept);
		return 0;
	}
	r = count_begin(broker, &row, &limits);
	return r < 0 ? r : 1;
}

static int look_due(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct broker *broker = userdata;
	struct meter *meter = broker->meter;
	struct want *want = meter->counting ? NULL : want_soonest(meter);
	int r;

	(void)source;
	(void)usec;
	if (want == NULL || want->due > clock_now(broker)) {
		look_when_due(meter);
	} else if (!want->wanted) {
		want_drop(meter, want->uid);
		look_when_due(meter);
	} else if (call_busy(broker, want->uid, NULL)) {
		want_set(broker, want->uid, true, clock_now(broker) + BUSY_USEC, want->rest);
	} else {
		want->wanted = false; /* runs that end from now on are counted next time */
		r = count_one(broker, want->uid);
		if (r < 0)
			log_warn("uid %u: its home cannot be counted: %s", want->uid, strerror(-r));
		if (r <= 0)
			want_drop(meter, want->uid);
		look_when_due(meter);
	}
	return 0;
}

/* ---- all that have limits ---- */

static void sweep_one(struct broker *broker, const struct account *row)
{
	struct home_kept kept;
	int r;

	if (row->state != ACCOUNT_ACTIVE ||
	    (row->facts.quota == 0 && row->facts.files <= 0 && (row->flags & ACCOUNT_FULL) == 0))
		return;
	r = call_busy(broker, row->uid, NULL) ? 0 : home_quota_set(&broker->homes, row, &kept);
	if (r < 0)
		log_warn("uid %u: its limits cannot be set: %s", row->uid, strerror(-r));
	meter_want(broker, row->uid);
}

static int sweep_due(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct broker *broker = userdata;
	struct meter *meter = broker->meter;
	struct account rows[BATCH];
	int count = store_account_list(broker->store, NULL, meter->after, rows, BATCH);

	(void)usec;
	for (int i = 0; i < count; i++) {
		sweep_one(broker, &rows[i]);
		meter->after = rows[i].uid;
	}
	if (count < 0)
		log_error("limits are not checked: %s", strerror(-count));
	if (count == BATCH)
		timer_set(source, clock_now(broker) + PAUSE_USEC);
	return 0;
}

static int meter_open(struct broker *broker)
{
	struct meter *meter = calloc(1, sizeof(*meter));
	int r;

	if (meter == NULL)
		return -ENOMEM;
	meter->count = child_memory(sizeof(*meter->count));
	if (meter->count == NULL) {
		free(meter);
		return -ENOMEM;
	}
	broker->meter = meter;
	r = sd_event_add_time(broker->event, &meter->timer, CLOCK_MONOTONIC, UINT64_MAX, 10000, look_due, broker);
	if (r >= 0)
		r = sd_event_add_time(broker->event, &meter->sweep, CLOCK_MONOTONIC, UINT64_MAX, 10000, sweep_due,
				      broker);
	if (r < 0)
		meter_close(broker);
	return r;
}

int meter_start(struct broker *broker)
{
	int r = broker->meter == NULL ? meter_open(broker) : 0;

	if (r < 0)
		return r;
	broker->meter->after = 0;
	timer_set(broker->meter->sweep, clock_now(broker) + PAUSE_USEC);
	return 0;
}

void meter_close(struct broker *broker)
{
	struct meter *meter = broker->meter;

	if (meter == NULL)
		return;
	broker->meter = NULL;
	sd_event_source_disable_unref(meter->timer);
	sd_event_source_disable_unref(meter->sweep);
	while (meter->first != NULL)
		want_drop(meter, meter->first->uid);
	munmap(meter->count, sizeof(*meter->count));
	free(meter);
}
