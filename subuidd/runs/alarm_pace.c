/* SPDX-License-Identifier: ISC */
/* How many alarms an owner may have told. Pure. */
#include "subuidd/runs/alarm_pace.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define BURST_SECONDS ((int64_t)(ALARM_BURST - 1) * ALARM_AGAIN_SECONDS)

/* `free`: when all of ALARM_BURST are available again. Each report puts that off by ALARM_AGAIN_SECONDS. */
struct alarm_owner {
	struct alarm_owner *next;
	uint32_t uid;
	unsigned hooks; /* under way */
	int64_t free;
};

static struct alarm_owner *owner_find(const struct alarm_pace *pace, uint32_t uid)
{
	struct alarm_owner *owner = pace->buckets[uid % ALARM_BUCKETS];

	while (owner != NULL && owner->uid != uid)
		owner = owner->next;
	return owner;
}

enum alarm_turn alarm_turn(const struct alarm_pace *pace, uint32_t uid, int64_t now, int64_t *again)
{
	const struct alarm_owner *owner = owner_find(pace, uid);

	if (owner == NULL)
		return ALARM_ONE;
	if (owner->hooks >= ALARM_AT_ONCE)
		return ALARM_LATER;
	if (owner->free - now > BURST_SECONDS) {
		if (*again == 0 || owner->free - BURST_SECONDS < *again)
			*again = owner->free - BURST_SECONDS;
		return ALARM_LATER;
	}
	return owner->free - now > BURST_SECONDS - ALARM_AGAIN_SECONDS ? ALARM_TOGETHER : ALARM_ONE;
}

static bool forgettable(const struct alarm_owner *owner, int64_t now)
{
	return owner->hooks == 0 && owner->free <= now;
}

int alarm_told(struct alarm_pace *pace, uint32_t uid, int64_t now)
{
	struct alarm_owner *owner = owner_find(pace, uid);

	for (struct alarm_owner **at = &pace->buckets[uid % ALARM_BUCKETS]; *at != NULL;) {
		struct alarm_owner *other = *at;

		if (other == owner || !forgettable(other, now)) {
			at = &other->next;
			continue;
		}
		*at = other->next;
		free(other);
	}
	if (owner == NULL) {
		owner = calloc(1, sizeof(*owner));
		if (owner == NULL)
			return -ENOMEM;
		*owner = (struct alarm_owner){ .next = pace->buckets[uid % ALARM_BUCKETS], .uid = uid };
		pace->buckets[uid % ALARM_BUCKETS] = owner;
	}
	owner->free = (owner->free > now ? owner->free : now) + ALARM_AGAIN_SECONDS;
	return 0;
}

void alarm_hook(struct alarm_pace *pace, uint32_t uid, int change)
{
	struct alarm_owner *owner = owner_find(pace, uid);

	if (owner != NULL)
		owner->hooks += (unsigned)change;
}

void alarm_pace_free(struct alarm_pace *pace)
{
	for (unsigned i = 0; i < ALARM_BUCKETS; i++) {
		while (pace->buckets[i] != NULL) {
			struct alarm_owner *owner = pace->buckets[i];

			pace->buckets[i] = owner->next;
			free(owner);
		}
	}
}
