/* SPDX-License-Identifier: ISC */
/*
 * Accounts that have been silent for longer than their owners allow, and accounts that are well again. Each change
 * is written down before it is reported: it is reported once, or, if the host goes down in between, not at all.
 * Owners decide how often that happens, so each gets a share of the hooks (alarm_pace.h); a change that is put off
 * and reverses meanwhile is not reported.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "subuidd/runs/alarm_tell.h"
#include "subuidd/call/known_time.h"
#include "subuidd/base/log.h"
#include "subuidd/runs/runs.h"

#define ROWS 64
#define LOOKED_MAX 4096 /* in one go: others get their turn */
#define GO_ON_USEC 1000000u
#define LATEST_SECONDS 86400 /* nothing is planned for longer: clocks are set */

static void alarm_log(const struct alarm *alarm)
{
	char others[64] = "";

	if (alarm->others > 0)
		snprintf(others, sizeof(others), ", and of %d more of the same owner", alarm->others);
	if (strcmp(alarm->event, "silent") == 0)
		log_warn("%s: no good backup for %lld s%s", alarm->name, (long long)alarm->number, others);
	else
		log_info("%s: backups are well again%s", alarm->name, others);
}

/* Writes it down; together: with all others of the owner that have the same address. 0, or negative errno and nothing
 * was. */
static int record(struct broker *broker, const struct watch *watch, bool silent, bool together, int64_t now,
		  struct account *account, struct alarm *alarm)
{
	char whom[CONTACT_MAX + 1] = "";
	int count = 1, r = store_begin(broker->store);

	if (r < 0)
		return r;
	r = store_account_by_uid(broker->store, watch->uid, account);
	if (r == 0)
		alarm_whom(account, whom);
	if (r == 0)
		r = together ? store_watch_told_together(broker->store, account->owner, whom, silent, now, &count) :
			       store_watch_told(broker->store, watch->uid, silent);
	if (r < 0) {
		store_rollback(broker->store);
		return r;
	}
	alarm->others = count > 1 ? count - 1 : 0;
	return store_commit(broker->store);
}

/* 1: told; 0: not yet, see alarm_turn() for *again; or negative errno. */
static int tell(struct broker *broker, const struct watch *watch, bool silent, int64_t now, int64_t *again)
{
	struct alarm alarm = { .event = silent ? "silent" : "well" };
	struct account account;
	enum alarm_turn turn;
	int64_t running = known_time_running(broker);
	int r = store_account_by_uid(broker->store, watch->uid, &account);

	if (r < 0)
		return r;
	turn = alarm_turn(&broker->alarms->pace, account.owner_uid, running, again);
	if (turn == ALARM_LATER)
		return 0;
	r = record(broker, watch, silent, turn == ALARM_TOGETHER, now, &account, &alarm);
	if (r == 0)
		r = alarm_told(&broker->alarms->pace, account.owner_uid, running);
	if (r == 0)
		r = alarm_address(broker, &account, &alarm);
	if (r < 0)
		return r;
	alarm.number = now - (watch->last_good != 0 ? watch->last_good : watch->since);
	if (alarm.number < 0)
		alarm.number = 0;
	alarm_log(&alarm);
	alarm_tell(broker, &alarm);
	return 1;
}

static int alarm_due(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	alarm_look(userdata);
	return 0;
}

static void alarm_set(struct broker *broker, clockid_t clock, uint64_t usec)
{
	struct alarms *alarms = broker->alarms;
	int r;

	alarms->timer = sd_event_source_disable_unref(alarms->timer);
	r = clock == CLOCK_MONOTONIC ?
		    sd_event_add_time_relative(broker->event, &alarms->timer, clock, usec, 10000, alarm_due, broker) :
		    sd_event_add_time(broker->event, &alarms->timer, clock, usec, 100000, alarm_due, broker);
	if (r < 0)
		log_error("alarms cannot be planned");
}

/* again: seconds of known_time_running(); 0: no alarm is put off. */
static void alarm_plan(struct broker *broker, int64_t now, int64_t again)
{
	int64_t due = now + LATEST_SECONDS, put_off = again - known_time_running(broker);
	int r = store_watch_next(broker->store, now, &due);

	if (r < 0 && r != -ENOENT)
		log_error("alarms: %s", store_error(broker->store));
	if (due > now + LATEST_SECONDS)
		due = now + LATEST_SECONDS;
	if (again != 0 && put_off < due - now)
		alarm_set(broker, CLOCK_MONOTONIC, (uint64_t)(put_off > 0 ? put_off : 1) * 1000000u);
	else
		alarm_set(broker, CLOCK_REALTIME, (uint64_t)due * 1000000u);
}

/* Those of one kind, as long as there is room for hooks. 1: all of them; 0: not all; or negative errno. */
static int look_at(struct broker *broker, bool silent, int64_t now, int *looked, int64_t *again)
{
	struct alarms *alarms = broker->alarms;
	struct watch rows[ROWS], *last = &alarms->last[silent];
	bool whole = last->uid == 0;

	for (; *looked < LOOKED_MAX; *looked += ROWS) {
		int n = store_watch_changed(broker->store, silent, now, last->uid != 0 ? last : NULL, rows, ROWS);

		for (int i = 0; i < n; i++) {
			int r = alarms->hooks < ALARM_HOOKS_MAX ? tell(broker, &rows[i], silent, now, again) : -EAGAIN;

			if (r < 0)
				return r == -EAGAIN ? 0 : r;
			*last = rows[i];
		}
		if (n < 0)
			return n;
		if (n < ROWS) {
			*last = (struct watch){ 0 };
			if (whole)
				return 1;
			whole = true; /* those before, too: a later look does not know when they were put off to */
		}
	}
	return 0;
}

void alarm_look(struct broker *broker)
{
	struct alarms *alarms = broker->alarms;
	int64_t now = time(NULL), again = 0;
	int looked = 0, r = 1;

	if (alarms == NULL)
		return;
	for (int silent = 1; silent >= 0 && r >= 0; silent--)
		r = look_at(broker, silent, now, &looked, &again);
	/* after them: a client can make one in every minute, which is all that its owner's accounts have together */
	alarm_events(broker, &again);
	if (r < 0)
		log_error("alarms: %s", store_error(broker->store));
	/* with all places taken the end of a hook is waited for */
	if (looked >= LOOKED_MAX)
		alarm_set(broker, CLOCK_MONOTONIC, GO_ON_USEC);
	else
		alarm_plan(broker, now, r < 0 ? known_time_running(broker) + 1 : again);
}

int alarm_open(struct broker *broker)
{
	broker->alarms = calloc(1, sizeof(*broker->alarms));
	if (broker->alarms == NULL)
		return -ENOMEM;
	memset(broker->alarms->under_way, 0xff, sizeof(broker->alarms->under_way)); /* -1 */
	return 0;
}

void alarm_close(struct broker *broker)
{
	struct alarms *alarms = broker->alarms;

	if (alarms == NULL)
		return;
	sd_event_source_disable_unref(alarms->timer);
	sd_event_source_disable_unref(alarms->dates);
	alarm_hooks_finish(alarms);
	alarm_events_close(broker);
	alarm_pace_free(&alarms->pace);
	free(alarms);
	broker->alarms = NULL;
}
