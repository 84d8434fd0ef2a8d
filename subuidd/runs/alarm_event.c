/* SPDX-License-Identifier: ISC */
/*
 * Alarms beside silence: backups that took away, or brought, a large share of an account's files, so that somebody
 * should look before the good copies grow old; quotas, keys and accounts that soon come to an end. They are kept in
 * memory until the owner's share of the hooks has room. Run by the broker.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "confine/grow.h"
#include "subuidd/base/log.h"
#include "subuidd/call/known_time.h"
#include "subuidd/runs/alarm_tell.h"

static const char *const event_names[] = {
	[ALARM_DELETED] = "deleted",       [ALARM_CHANGED] = "changed",          [ALARM_QUOTA] = "quota",
	[ALARM_KEY_UNUSED] = "key-unused", [ALARM_KEY_EXPIRES] = "key-expiring", [ALARM_EXPIRES] = "expiring",
};

static const enum told_kind told_kinds[] = {
	[ALARM_QUOTA] = TOLD_QUOTA,
	[ALARM_KEY_UNUSED] = TOLD_KEY_UNUSED,
	[ALARM_KEY_EXPIRES] = TOLD_KEY_EXPIRES,
	[ALARM_EXPIRES] = TOLD_EXPIRES,
};

static bool is_together(const struct alarm_event *event)
{
	return event->kind >= ALARM_QUOTA;
}

/* An owner who has no place left: their oldest change makes way, and what soon ends waits until it is found again,
 * since it was written down that the waiting ones are told. NULL: none. */
static struct alarm_event *place_find(struct alarms *alarms, const struct alarm_event *event)
{
	const bool together = is_together(event);
	struct alarm_event *oldest = NULL, *grown;
	unsigned share = 0;

	for (size_t i = 0; i < alarms->events_count; i++) {
		struct alarm_event *other = &alarms->events[i];

		if (other->owner != event->owner || is_together(other) != together)
			continue;
		if (share++ == 0)
			oldest = other;
	}
	if (share >= (together ? ALARM_TOGETHER_MAX : ALARM_CHANGES_MAX))
		return together ? NULL : oldest;
	grown = array_grow(alarms->events, alarms->events_count, &alarms->events_room, sizeof(*grown));
	if (grown == NULL)
		return NULL;
	alarms->events = grown;
	return &grown[alarms->events_count++];
}

/* The event that this one joins, or whose place it takes because it is newer. */
static struct alarm_event *same_find(struct alarms *alarms, const struct alarm_event *event)
{
	for (size_t i = 0; i < alarms->events_count; i++) {
		struct alarm_event *other = &alarms->events[i];

		if (other->kind != event->kind || other->owner != event->owner)
			continue;
		if (is_together(event) ? strcmp(other->whom, event->whom) == 0 : other->uid == event->uid)
			return other;
	}
	return NULL;
}

enum kept { KEPT_NOT, KEPT_NEW, KEPT_WITH };

static enum kept event_keep(struct alarms *alarms, const struct alarm_event *event)
{
	struct alarm_event *same = same_find(alarms, event), *place;

	if (same != NULL && is_together(event) && (same->uid != event->uid || event->kind != ALARM_QUOTA)) {
		same->others++;
		return KEPT_WITH;
	}
	if (same != NULL) {
		const unsigned others = same->others;

		*same = *event;
		same->others = others;
		return KEPT_WITH;
	}
	place = place_find(alarms, event);
	if (place == NULL)
		return KEPT_NOT;
	*place = *event;
	return KEPT_NEW;
}

static struct alarm_event event_of(const struct account *account, enum alarm_kind kind, int64_t number)
{
	struct alarm_event event = { .uid = account->uid, .owner = account->owner_uid, .kind = kind, .number = number };

	memcpy(event.owner_name, account->owner, sizeof(event.owner_name));
	alarm_whom(account, event.whom);
	return event;
}

void alarm_changed(struct broker *broker, uint32_t uid, const struct run *run, uint64_t most)
{
	struct alarms *alarms = broker->alarms;
	const enum run_change change =
		run_change(run, most, broker->settings.deleted_share, broker->settings.changed_share);
	const bool deleted = change == RUN_CHANGE_DELETED;
	struct alarm_event event;
	struct account account;

	if (change == RUN_CHANGE_NONE || alarms == NULL || store_account_by_uid(broker->store, uid, &account) < 0)
		return;
	event = event_of(&account, deleted ? ALARM_DELETED : ALARM_CHANGED,
			 (int64_t)(deleted ? run->deleted : run->files));
	snprintf(event.detail, sizeof(event.detail),
		 "a backup %s %" PRId64 " files; the largest one so far had %" PRIu64,
		 deleted ? "deleted" : "brought or changed", event.number, most);
	if (event_keep(alarms, &event) != KEPT_WITH) /* in the log at once */
		log_warn("%s%c%s: %s", account.owner, broker->settings.separator, account.label, event.detail);
}

bool alarm_notice(struct broker *broker, const struct account *account, enum alarm_kind kind, int64_t number,
		  const char *detail)
{
	struct alarm_event event = event_of(account, kind, number);

	snprintf(event.detail, sizeof(event.detail), "%s", detail);
	return broker->alarms != NULL && event_keep(broker->alarms, &event) != KEPT_NOT;
}

static void together_log(const struct alarm_event *event, const struct alarm *alarm)
{
	const bool keys = event->kind == ALARM_KEY_UNUSED || event->kind == ALARM_KEY_EXPIRES;

	if (event->others > 0)
		log_warn("%s: %s; and so %u more %s of the same owner", alarm->name, event->detail, event->others,
			 keys ? "keys" : "accounts");
	else
		log_warn("%s: %s", alarm->name, event->detail);
}

/* It was written down that these are told, which they are not: rather twice than never. */
static void events_forget(struct broker *broker, const struct alarm_event *events, size_t count)
{
	int r;

	if (count == 0)
		return;
	r = store_begin(broker->store);
	for (size_t i = 0; i < count && r == 0; i++)
		if (is_together(&events[i]))
			r = store_told_forget(broker->store, events[i].owner_name, told_kinds[events[i].kind]);
	if (r == 0)
		r = store_commit(broker->store);
	else
		store_rollback(broker->store);
	if (r < 0)
		log_error("alarms: %s", store_error(broker->store));
}

/* False: not yet. One whose account is gone is told to nobody, and others that it stood for are found again. */
static bool event_tell(struct broker *broker, const struct alarm_event *event, int64_t *again)
{
	struct alarm alarm = { .event = event_names[event->kind],
			       .number = event->number,
			       .others = (int)event->others };
	const int64_t running = known_time_running(broker);
	struct account account;

	if (broker->alarms->hooks >= ALARM_HOOKS_MAX)
		return false;
	/* more of this owner are being looked for */
	if (event->kind >= ALARM_KEY_UNUSED && event->owner_name[0] != '\0' &&
	    strcmp(event->owner_name, broker->alarms->dates_owner) == 0)
		return false;
	if (alarm_turn(&broker->alarms->pace, event->owner, running, again) == ALARM_LATER)
		return false;
	if (store_account_by_uid(broker->store, event->uid, &account) < 0 ||
	    alarm_address(broker, &account, &alarm) < 0) {
		if (event->others > 0)
			events_forget(broker, event, 1);
		return true;
	}
	memcpy(alarm.detail, event->detail, sizeof(alarm.detail));
	if (alarm_told(&broker->alarms->pace, alarm.owner, running) == 0) {
		if (is_together(event))
			together_log(event, &alarm);
		alarm_tell(broker, &alarm);
	}
	return true;
}

void alarm_events(struct broker *broker, int64_t *again)
{
	struct alarms *alarms = broker->alarms;
	size_t left = 0;

	for (size_t i = 0; i < alarms->events_count; i++)
		if (!event_tell(broker, &alarms->events[i], again))
			alarms->events[left++] = alarms->events[i];
	alarms->events_count = left;
}

void alarm_events_close(struct broker *broker)
{
	struct alarms *alarms = broker->alarms;

	events_forget(broker, alarms->events, alarms->events_count);
	free(alarms->events);
	alarms->events = NULL;
	alarms->events_count = alarms->events_room = 0;
}
