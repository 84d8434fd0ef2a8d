/* SPDX-License-Identifier: ISC */
/* One alarm, as the administrator's program is told of it; and what the alarms of a host have in common. */
#ifndef SUBUIDD_ALARM_TELL_H
#define SUBUIDD_ALARM_TELL_H

#include "account/name.h"
#include "account/run.h"
#include "subuidd/runs/alarm_pace.h"
#include "subuidd/runs/runs.h"

#define ALARM_HOOKS_MAX 8u
#define ALARM_CHANGES_MAX 64u  /* of one owner: backups that took away or brought much */
#define ALARM_TOGETHER_MAX 16u /* ... and what soon ends: each account may have an address of its own */
#define ALARM_DETAIL_MAX 255

enum alarm_kind {
	ALARM_DELETED, /* a backup that did, as the next */
	ALARM_CHANGED,
	ALARM_QUOTA, /* from here on those of an owner's accounts and keys are told together */
	ALARM_KEY_UNUSED,
	ALARM_KEY_EXPIRES,
	ALARM_EXPIRES,
};

/* Not told yet. */
struct alarm_event {
	uint32_t uid, owner;
	char owner_name[OWNER_MAX + 1];
	enum alarm_kind kind;
	int64_t number;
	unsigned others;            /* accounts, or keys, of the same owner, for the same address */
	char whom[CONTACT_MAX + 1]; /* a mail address; "" none */
	char detail[ALARM_DETAIL_MAX + 1];
};

struct alarms {
	sd_event_source *timer;
	struct alarm_pace pace;
	unsigned hooks;                 /* under way */
	int under_way[ALARM_HOOKS_MAX]; /* their pidfds, of child_watch(); -1: a place that is free */
	struct watch last[2];           /* the look goes on behind it; uid 0: from the first */
	struct alarm_event *events;     /* each owner has so many places, and takes nobody else's */
	size_t events_count, events_room;
	/* alarm_dates.c: the look at all accounts and keys */
	sd_event_source *dates;
	char dates_owner[OWNER_MAX + 1]; /* it goes on behind this owner's account */
	uint32_t dates_uid;
	bool dates_again; /* there was something that could not be kept */
};

struct alarm {
	char name[ACCOUNT_NAME_MAX + 1];
	uint32_t owner;
	const char *event; /* "silent", "well", or of an alarm_kind */
	int64_t number;    /* seconds, files, percent, or days */
	int others;        /* of the same owner, told together with it */
	char whom[CONTACT_MAX + 1];
	char detail[ALARM_DETAIL_MAX + 1]; /* in words */
};

/* Name, owner and whom to tell. 0 or -EINVAL. */
int alarm_address(const struct broker *broker, const struct account *account, struct alarm *alarm);

/* Whom to tell alone. */
void alarm_whom(const struct account *account, char whom[CONTACT_MAX + 1]);

/* Runs the hook, if there is one. */
void alarm_tell(struct broker *broker, const struct alarm *alarm);

/* At the end, once the event loop has: hooks under way may finish, all of them together within a few seconds. */
void alarm_hooks_finish(const struct alarms *alarms);

/* alarm_event.c: it is told when the owner has a turn. False: there is no room for it now. */
bool alarm_notice(struct broker *broker, const struct account *account, enum alarm_kind kind, int64_t number,
		  const char *detail);

/* ... tells what is waiting and has its turn; *again: when to look at the others, if that is sooner. */
void alarm_events(struct broker *broker, int64_t *again);

/* ... at the end: what was not told is found again after the next start. */
void alarm_events_close(struct broker *broker);

#endif
