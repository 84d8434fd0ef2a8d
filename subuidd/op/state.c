/* SPDX-License-Identifier: ISC */
/*
 * Saving the state while it is in use: a child writes the file from the frozen store, changes go on in the log.
 * Calls that come meanwhile are answered together by the next one, which knows all that was acknowledged before
 * them. Run by the broker.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "confine/child.h"
#include "subuidd/base/child.h"
#include "subuidd/life/frozen.h"
#include "subuidd/door/operation.h"
#include "subuidd/base/log.h"
#include "subuidd/state/save.h"

struct save {
	struct frozen_turn turn;
	struct call *call;
	struct save *next; /* another call that is answered with this one */
};

static struct save *next; /* waits for its turn, and so do those that hang on it */

static int save_child(const void *argument)
{
	const struct broker *broker = argument;
	char why[REASON_MAX] = "";

	if (state_save_beside(broker->state_fd, broker->homes.fd, why, sizeof(why)) == 0)
		return 0;
	log_error("state.save: %s", why);
	return 1;
}

static void save_answer(struct save *save, int status)
{
	while (save != NULL) {
		struct save *other = save->next;
		struct call *call = save->call;

		free(save);
		call_finish(call, status == 0 ? FAILURE_NONE :
						call_fail(call, FAILURE_FAILED, "state", "the state could not be saved",
							  "the log of subuidd says why"));
		save = other;
	}
}

static void save_done(void *data, int status)
{
	struct save *save = data;
	struct broker *broker = save->call->broker;

	save_answer(save, status);
	frozen_end(broker);
}

/* The store is frozen. */
static int save_start(struct save *save)
{
	struct broker *broker = save->call->broker;
	const struct child_job job = { .run = save_child, .argument = broker };
	int pidfd = -1;
	pid_t pid;
	int r = child_start(&job, &pid, &pidfd);

	if (r == 0)
		r = child_watch(broker->event, pidfd, STATE_SAVE_SECONDS, save_done, save);
	return r;
}

static void save_turn(struct frozen_turn *turn, int error)
{
	struct save *save = (struct save *)turn; /* its first member */
	struct broker *broker = save->call->broker;
	bool frozen = error == 0;

	next = NULL;
	if (error == 0)
		error = save_start(save);
	if (error == 0)
		return;
	log_error("state.save: %s", strerror(-error));
	save_answer(save, 1);
	if (frozen)
		frozen_end(broker);
}

static enum failure save_begin(struct call *call, struct save *save)
{
	int r;

	if (next != NULL) {
		save->next = next->next;
		next->next = save;
		return CALL_PENDING;
	}
	r = frozen_begin(call->broker, &save->turn);
	if (r > 0) {
		next = save;
		return CALL_PENDING;
	}
	if (r == 0) {
		r = save_start(save);
		if (r == 0)
			return CALL_PENDING;
		frozen_end(call->broker);
	}
	free(save);
	return call_fail_system(call, "the state cannot be saved", r);
}

enum failure op_state_save(struct call *call)
{
	enum failure failure = call_transaction(call, call->operation->action, call_body_nothing);
	struct save *save;

	if (failure != FAILURE_NONE)
		return failure;
	save = calloc(1, sizeof(*save));
	if (save == NULL)
		return call_fail_system(call, "the state cannot be saved", -ENOMEM);
	save->turn.run = save_turn;
	save->call = call;
	return save_begin(call, save);
}
