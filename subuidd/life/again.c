/* SPDX-License-Identifier: ISC */
/* A timer for an account. Run by the broker. */
#include "subuidd/life/again.h"

#include <errno.h>
#include <stdlib.h>

#include "subuidd/broker.h"

struct again {
	struct broker *broker;
	sd_event_source *timer;
	void (*what)(struct broker *broker, uint32_t uid);
	uint32_t uid;
};

static int due(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct again *again = userdata;

	(void)source, (void)usec;
	again->what(again->broker, again->uid);
	sd_event_source_disable_unref(again->timer);
	free(again);
	return 0;
}

int again_in(struct broker *broker, uint32_t uid, unsigned seconds, void (*what)(struct broker *broker, uint32_t uid))
{
	struct again *again = malloc(sizeof(*again));
	int r;

	if (again == NULL)
		return -ENOMEM;
	*again = (struct again){ .broker = broker, .what = what, .uid = uid };
	r = sd_event_add_time_relative(broker->event, &again->timer, CLOCK_MONOTONIC, seconds * UINT64_C(1000000),
				       10000, due, again);
	if (r < 0)
		free(again);
	return r < 0 ? r : 0;
}
