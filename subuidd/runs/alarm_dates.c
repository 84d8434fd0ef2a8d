/* SPDX-License-Identifier: ISC */
/*
 * Keys that nobody uses, and keys and accounts that soon expire. All of them are looked at once an hour, a few at a
 * time, owner by owner: what is found of an owner is one alarm of each kind, however much it is on the first day. Run
 * by the broker.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "account/date.h"
#include "account/record.h"
#include "subuidd/base/log.h"
#include "subuidd/call/room.h"
#include "subuidd/runs/alarm_tell.h"

#define ROWS 32 /* accounts in one go */
#define KEYS 16
#define PAUSE_USEC 20000u /* others get their turn */
#define HOUR_USEC (UINT64_C(3600) * 1000000)
#define AGAIN_USEC (UINT64_C(300) * 1000000) /* where there was no room */

struct look {
	struct broker *broker;
	int64_t now;
	bool begun; /* a transaction */
};

/* An alarm of this mark is raised once. 0 or negative errno of the store. */
static int found(struct look *look, const struct account *account, uint32_t key_id, enum told_kind told,
		 enum alarm_kind kind, int64_t mark, int64_t days, const char *detail)
{
	struct store *store = look->broker->store;
	int64_t before = 0;
	int r = store_told_get(store, account->uid, told, key_id, &before);

	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0 && before == mark)
		return 0;
	if (!look->begun) {
		r = store_begin(store);
		if (r < 0)
			return r;
		look->begun = true;
	}
	if (alarm_notice(look->broker, account, kind, days, detail))
		return store_told_put(store, account->uid, told, key_id, mark);
	look->broker->alarms->dates_again = true;
	return 0;
}

/* Whole days until then, as long as it is within so many; else -1. */
static int64_t days_left(const struct look *look, int64_t then, uint32_t within)
{
	const int64_t left = then - look->now;

	return left > 0 && left <= (int64_t)within * SECONDS_PER_DAY ? (left + SECONDS_PER_DAY - 1) / SECONDS_PER_DAY :
								       -1;
}

static int look_expiry(struct look *look, const struct account *account)
{
	const int64_t day = field_number(&facts_record.fields[FACT_EXPIRES], &account->facts);
	const int64_t days = days_left(look, day * SECONDS_PER_DAY, look->broker->settings.expires_days);
	char date[DATE_TEXT_MAX + 1] = "", detail[ALARM_DETAIL_MAX + 1];

	if (day < 0 || days < 0)
		return 0;
	date_format(day, date);
	snprintf(detail, sizeof(detail), "the account expires on %s", date);
	return found(look, account, 0, TOLD_EXPIRES, ALARM_EXPIRES, day, days, detail);
}

/* A key that only forwards has no runs, by which its use would be known. */
static int look_use(struct look *look, const struct account *account, const struct ssh_key *key)
{
	const uint32_t most = look->broker->settings.key_unused_days;
	char detail[ALARM_DETAIL_MAX + 1];
	int64_t used = 0, days;
	int r = most == 0 || key->forward[0] != '\0' ? -ENOENT : store_key_used(look->broker->store, key->id, &used);

	if (r < 0 && r != -ENOENT)
		return r;
	if (used < key->created)
		used = key->created;
	days = (look->now - used) / SECONDS_PER_DAY;
	if (most == 0 || key->forward[0] != '\0' || days < most)
		return 0;
	snprintf(detail, sizeof(detail), "key %u (%s) has not been used for %lld days", key->id, key->fingerprint,
		 (long long)days);
	return found(look, account, key->id, TOLD_KEY_UNUSED, ALARM_KEY_UNUSED, used, days, detail);
}

static int look_key(struct look *look, const struct account *account, const struct ssh_key *key)
{
	const int64_t days = days_left(look, key->expires, look->broker->settings.key_expires_days);
	char detail[ALARM_DETAIL_MAX + 1];

	if (key->expires != 0 && key->expires <= look->now)
		return 0;
	if (key->expires == 0 || days < 0)
		return look_use(look, account, key);
	snprintf(detail, sizeof(detail), "key %u (%s) expires in %lld %s", key->id, key->fingerprint, (long long)days,
		 days == 1 ? "day" : "days");
	return found(look, account, key->id, TOLD_KEY_EXPIRES, ALARM_KEY_EXPIRES, key->expires, days, detail);
}

static int look_account(struct look *look, const struct account *account)
{
	struct ssh_key keys[KEYS];
	uint32_t after = 0;
	int n = KEYS, r;

	/* one that nobody can use needs nothing to be done */
	if (account->state != ACCOUNT_ACTIVE || (account->flags & ACCOUNT_LOCKED) != 0)
		return 0;
	r = look_expiry(look, account);
	while (r == 0 && n == KEYS) {
		n = store_key_list(look->broker->store, account->uid, after, keys, KEYS);
		for (int i = 0; i < n && r == 0; i++)
			r = look_key(look, account, &keys[i]);
		if (n > 0)
			after = keys[n - 1].id;
	}
	return r < 0 ? r : n < 0 ? n : 0;
}

/* The next few. 1: there are more; 0: that was all; or negative errno. */
static int look_on(struct broker *broker)
{
	struct alarms *alarms = broker->alarms;
	struct look look = { .broker = broker, .now = time(NULL) };
	struct account rows[ROWS];
	int n = store_account_list_by_owner(broker->store, alarms->dates_owner, alarms->dates_uid, rows, ROWS);
	int r = n < 0 ? n : 0;

	for (int i = 0; i < n && r == 0; i++) {
		r = look_account(&look, &rows[i]);
		memcpy(alarms->dates_owner, rows[i].owner, sizeof(alarms->dates_owner));
		alarms->dates_uid = rows[i].uid;
	}
	if (look.begun && r == 0)
		r = store_commit(broker->store);
	else if (look.begun)
		store_rollback(broker->store);
	return r < 0 ? r : n == ROWS;
}

static int dates_due(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct broker *broker = userdata;
	struct alarms *alarms = broker->alarms;
	uint64_t now = 0, pause = PAUSE_USEC;
	int r = room_short(broker) ? 0 : look_on(broker);

	(void)usec;
	if (r < 0)
		log_error("alarms: %s", store_error(broker->store));
	if (r <= 0) {
		pause = alarms->dates_again ? AGAIN_USEC : HOUR_USEC;
		alarms->dates_again = false;
		alarms->dates_owner[0] = '\0';
		alarms->dates_uid = 0;
		alarm_look(broker);
	}
	sd_event_now(broker->event, CLOCK_MONOTONIC, &now);
	if (sd_event_source_set_time(source, now + pause) < 0 ||
	    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) < 0)
		log_error("keys that expire cannot be looked for");
	return 0;
}

void alarm_dates_start(struct broker *broker)
{
	struct alarms *alarms = broker->alarms;

	if (alarms == NULL)
		return;
	alarms->dates = sd_event_source_disable_unref(alarms->dates);
	alarms->dates_owner[0] = '\0';
	alarms->dates_uid = 0;
	if (sd_event_add_time_relative(broker->event, &alarms->dates, CLOCK_MONOTONIC, PAUSE_USEC, 10000, dates_due,
				       broker) < 0)
		log_error("keys that expire cannot be looked for");
}
