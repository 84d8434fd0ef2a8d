/* SPDX-License-Identifier: ISC */
/*
 * Bounds what the alarms of one owner may cost: so many hooks at once, the first few of them one by one, and from
 * then on one for all of their accounts together, once a minute. In memory only, for owners who have had an alarm
 * in the last minutes.
 */
#ifndef SUBUIDD_ALARM_PACE_H
#define SUBUIDD_ALARM_PACE_H

#include <stdint.h>

#define ALARM_BURST 8u         /* told one after the other */
#define ALARM_AGAIN_SECONDS 60 /* until there is one more */
#define ALARM_AT_ONCE 2u       /* hooks of one owner */

struct alarm_owner;
#define ALARM_BUCKETS 256
struct alarm_pace {
	struct alarm_owner *buckets[ALARM_BUCKETS];
};

enum alarm_turn {
	ALARM_ONE,      /* this account's */
	ALARM_TOGETHER, /* all of the owner's in one */
	ALARM_LATER,    /* *again: lowered to when (0: no time yet); untouched if it is when one of their hooks ends */
};

/* now: seconds of a clock that nobody sets. */
enum alarm_turn alarm_turn(const struct alarm_pace *pace, uint32_t owner, int64_t now, int64_t *again);

/* One is told. 0 or -ENOMEM. */
int alarm_told(struct alarm_pace *pace, uint32_t owner, int64_t now);

/* Its hook has begun, or has ended. */
void alarm_hook(struct alarm_pace *pace, uint32_t owner, int change);

void alarm_pace_free(struct alarm_pace *pace);

#endif
