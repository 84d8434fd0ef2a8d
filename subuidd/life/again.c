/* SPDX-License-Identifier: ISC */
/* A timer for an account. Run by the broker. */
#include "subuidd/life/again.h"

#include <errno.h>
#include <stdlib.h>

#include "subuidd/broker.h"

struct again {
	struct again *next;
	struct broker *broker;
	sd_event_source *timer;
	void (*what)(struct broker *broker, uint32_t uid);
	uint32_t uid;
};

static struct again *all;

/* The place of the one that waits for the same; of NULL: none does. */
static struct again **find(uint32_t uid, void (*what)(struct broker *broker, uint32_t uid))
{
	struct again **at = &all;

	while (*at != NULL && ((*at)->uid != uid || (*at)->what != what))
		at = &(*at)->next;
	return at;
}

static int due(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct again *again = userdata;

	(void)source, (void)usec;
	*find(again->uid, again->what) = again->next;
	again->what(again->broker, again->uid);
	sd_event_source_disable_unref(again->timer);
	free(again);
	return 0;
}

int again_in(struct broker *broker, uint32_t uid, unsigned seconds, void (*what)(struct broker *broker, uint32_t uid))
{
	const uint64_t usec = seconds * UINT64_C(1000000);
	struct again *again = *find(uid, what);
	int r;

	if (again != NULL)
		return sd_event_source_set_time_relative(again->timer, usec);
	again = malloc(sizeof(*again));
	if (again == NULL)
		return -ENOMEM;
	*again = (struct again){ .next = all, .broker = broker, .what = what, .uid = uid };
	r = sd_event_add_time_relative(broker->event, &again->timer, CLOCK_MONOTONIC, usec, 10000, due, again);
	if (r < 0) {
		free(again);
		return r;
	}
	all = again;
	return 0;
}
