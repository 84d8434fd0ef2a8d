/* SPDX-License-Identifier: ISC */
/* One timer for everything that is looked at again: the earliest plan wins. */
#include "subuidd/call/maintain.h"

#include "subuidd/base/log.h"

static int due(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct broker *broker = userdata;

	(void)source;
	(void)usec;
	broker->maintain(broker);
	return 0;
}

int maintain_open(struct broker *broker, void (*look)(struct broker *broker))
{
	broker->maintain = look;
	return sd_event_add_time(broker->event, &broker->maintenance, CLOCK_MONOTONIC, UINT64_MAX, 1000000, due,
				 broker);
}

void maintain_in(struct broker *broker, unsigned seconds)
{
	uint64_t now = 0, planned = 0, usec = seconds * UINT64_C(1000000);
	int enabled = SD_EVENT_OFF;

	sd_event_now(broker->event, CLOCK_MONOTONIC, &now);
	sd_event_source_get_enabled(broker->maintenance, &enabled);
	if (enabled != SD_EVENT_OFF && sd_event_source_get_time(broker->maintenance, &planned) >= 0 &&
	    planned <= now + usec && planned > now)
		return;
	if (sd_event_source_set_time(broker->maintenance, now + usec) < 0 ||
	    sd_event_source_set_enabled(broker->maintenance, SD_EVENT_ONESHOT) < 0)
		log_error("maintenance cannot be planned");
}
