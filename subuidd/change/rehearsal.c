/* SPDX-License-Identifier: ISC */
/* The copy of the store that a dry run goes on in, from the first batch to the end of the connection. */
#include "subuidd/change/rehearsal.h"

#include <errno.h>
#include <stdlib.h>

#include "subuidd/change/change.h"

struct rehearsal {
	struct broker *broker;
	const void *asker;       /* the connection that it belongs to; compared, never followed */
	struct store_copy *copy; /* being made, and */
	sd_event_source *source; /* its caller, and */
	struct call *call;       /* the owner; or the call whose batch waits for a look at the disk */
	struct store *store;     /* once it exists */
};

static void rehearsal_end(struct rehearsal *rehearsal)
{
	rehearsal->broker->rehearsal = NULL;
	sd_event_source_disable_unref(rehearsal->source);
	store_copy_abandon(rehearsal->copy);
	store_close(rehearsal->store);
	free(rehearsal);
}

static void copy_failed(struct rehearsal *rehearsal, struct call *call, int error)
{
	rehearsal_end(rehearsal);
	call_finish(call, call_fail_system(call, "the store cannot be copied for a dry run", error));
}

/* The answer may find that the client has gone, which ends the rehearsal: it must not be looked at afterwards. */
static void batch_run(struct rehearsal *rehearsal, struct call *call)
{
	call->change->rehearsed = true;
	call->store = rehearsal->store;
	rehearsal->call = call;
	(void)change_run(call);
}

void rehearsal_looked(struct broker *broker)
{
	broker->rehearsal->call = NULL;
}

/* Others are served between two pieces. */
static int copy_some(sd_event_source *source, void *userdata)
{
	struct rehearsal *rehearsal = userdata;
	struct call *call = rehearsal->call;
	int r = store_copy_step(rehearsal->copy);

	(void)source;
	if (r == 1)
		return 0;
	rehearsal->source = sd_event_source_disable_unref(rehearsal->source);
	rehearsal->call = NULL;
	if (r == 0) {
		struct store_copy *copy = rehearsal->copy;

		rehearsal->copy = NULL;
		r = store_copy_end(copy, &rehearsal->store);
	}
	if (r < 0)
		copy_failed(rehearsal, call, r);
	else
		batch_run(rehearsal, call);
	return 0;
}

static int copy_start(struct rehearsal *rehearsal)
{
	int r = store_copy_begin(rehearsal->broker->store, &rehearsal->copy);

	if (r == 0)
		r = sd_event_add_defer(rehearsal->broker->event, &rehearsal->source, copy_some, rehearsal);
	if (r >= 0)
		r = sd_event_source_set_priority(rehearsal->source, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_source_set_enabled(rehearsal->source, SD_EVENT_ON);
	return r < 0 ? r : 0;
}

void rehearsal_run(struct call *call)
{
	struct broker *broker = call->broker;
	struct rehearsal *rehearsal = broker->rehearsal;
	int r;

	if (rehearsal != NULL && rehearsal->asker != call->asker) {
		call_finish(call, call_fail(call, FAILURE_BUSY, "import", "another dry run is under way",
					    "try again when it has ended"));
		return;
	}
	if (rehearsal != NULL) {
		batch_run(rehearsal, call);
		return;
	}
	rehearsal = calloc(1, sizeof(*rehearsal));
	if (rehearsal == NULL) {
		call_finish(call, call_fail_system(call, "a dry run", -ENOMEM));
		return;
	}
	*rehearsal = (struct rehearsal){ .broker = broker, .asker = call->asker, .call = call };
	broker->rehearsal = rehearsal;
	r = copy_start(rehearsal);
	if (r < 0)
		copy_failed(rehearsal, call, r);
}

void rehearsal_leave(struct broker *broker, const void *asker)
{
	struct rehearsal *rehearsal = broker->rehearsal;

	if (rehearsal == NULL || rehearsal->asker != asker)
		return;
	if (rehearsal->call != NULL)
		call_abandon(rehearsal->call);
	rehearsal_end(rehearsal);
}
