/* SPDX-License-Identifier: ISC */
/*
 * A call that waits for the deletion of what its account left, for some seconds: then the answer is that it is pending,
 * and the deletion goes on. Run by the broker (root).
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "subuidd/call/maintain.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/life/purge.h"

#define CALL_SECONDS 10u /* that a call waits */

/* A call and the row that it waits for; either may come to its end first. */
struct wait {
	struct call *call;
	struct removed row;
	sd_event_source *timer;
	struct purge *purge;
};

static void wait_end(struct wait *wait, enum removal_files files, const char *why)
{
	struct call *call = wait->call;

	sd_event_source_disable_unref(wait->timer);
	if (wait->purge != NULL)
		purge_leave(wait->purge);
	free(wait);
	call->answer.removal.files = files;
	if (why[0] != '\0')
		snprintf(call->answer.removal.why, sizeof(call->answer.removal.why), "%s", why);
	call_finish(call, FAILURE_NONE);
}

static void wait_purged(void *data, int r, const char *why)
{
	struct wait *wait = data;

	wait->purge = NULL;
	if (r < 0)
		maintain_in(wait->call->broker, PURGE_AGAIN_SECONDS);
	wait_end(wait, r == 0 ? FILES_DELETED : FILES_PENDING, why);
}

static int wait_over(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	wait_end(userdata, FILES_PENDING, "it takes longer");
	return 0;
}

static int wait_first(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct wait *wait = userdata;
	struct broker *broker = wait->call->broker;
	struct purge *purge = NULL;

	(void)source;
	(void)usec;
	wait->timer = sd_event_source_disable_unref(wait->timer);
	if (sd_event_add_time_relative(broker->event, &wait->timer, CLOCK_MONOTONIC, CALL_SECONDS * UINT64_C(1000000),
				       10000, wait_over, wait) < 0) {
		maintain_in(broker, 0);
		wait_end(wait, FILES_PENDING, "it is begun later");
		return 0;
	}
	/* without memory: until the timer says that it is pending */
	if (purge_begin(broker, &wait->row, wait_purged, wait, &purge) && purge != NULL)
		wait->purge = purge; /* else it has ended, and `wait` with it */
	return 0;
}

/* From the event loop: a deletion that ends at once would end the call before its caller knows that it waits. */
enum failure purge_for_call(struct call *call, struct removed row)
{
	struct broker *broker = call->broker;
	struct wait *wait = calloc(1, sizeof(*wait));

	if (wait != NULL) {
		*wait = (struct wait){ .call = call, .row = row };
		if (sd_event_add_time_relative(broker->event, &wait->timer, CLOCK_MONOTONIC, 0, 1, wait_first, wait) >=
		    0)
			return CALL_PENDING;
		free(wait);
	}
	maintain_in(broker, 0);
	call->answer.removal.files = FILES_PENDING;
	return FAILURE_NONE;
}
