/* SPDX-License-Identifier: ISC */
/*
 * Makes missing parts of an active account again: for `add`, which promises that they exist when it answers, and
 * for a repair. The home and the view first, by the broker, then the link, by a child that has become the owner.
 * Every step may be repeated.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "account/part.h"
#include "subuidd/call/account_view.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/base/log.h"

/* The trail says what was made, even if the rest failed. */
static enum failure record(struct call *call)
{
	char parts[64];

	if (call->mended == 0 || call->request.dry_run) /* a dry run may be in a transaction */
		return FAILURE_NONE;
	snprintf(call->detail, sizeof(call->detail), "made again: %s", parts_text(call->mended, parts, sizeof(parts)));
	return call_transaction(call, "account.mend", call_body_nothing);
}

static enum failure answer(struct call *call)
{
	char parts[64];
	int r;

	if (call->request.op == OP_REPAIR) {
		call->answer.repaired.mended = call->mended;
		snprintf(call->answer.repaired.done, sizeof(call->answer.repaired.done), "made again: %s",
			 call->mended != 0 ? parts_text(call->mended, parts, sizeof(parts)) : "nothing was missing");
		return FAILURE_NONE;
	}
	call->answer.account.mended = call->mended;
	r = account_view_fill(call, &call->account, &call->answer.account);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure finish(struct call *call, enum failure failure)
{
	struct failure_text why = call->answer.failure;
	enum failure recorded = record(call);

	if (failure != FAILURE_NONE) {
		call->answer.failure = why;
		return failure;
	}
	return recorded != FAILURE_NONE ? recorded : answer(call);
}

static void linked(void *data, int status)
{
	struct call *call = data;
	enum link_result result = link_result_of(status);
	enum failure failure = FAILURE_NONE;

	/* only reports it: anything in its place would be renamed */
	if (result == LINK_OCCUPIED && call->request.dry_run && call->mend_link == LINK_MEND_ASIDE)
		result = LINK_MENDED;
	if (result == LINK_MENDED)
		call->mended |= PART_LINK;
	else if (result != LINK_OK)
		failure = call_fail(call, result == LINK_OCCUPIED ? FAILURE_CONFLICT : FAILURE_FAILED, NULL,
				    link_result_why(result), link_result_todo(result));
	call_finish(call, finish(call, failure));
}

static enum failure home_failed(struct call *call, int error)
{
	char todo[FAILURE_TEXT_MAX + 1];

	if (error != -EEXIST && error != -EPERM && error != -ENOTDIR && error != -ELOOP)
		return call_fail_system(call, "its home cannot be made again", error);
	snprintf(todo, sizeof(todo), "look at %.120s/%s/%s, and move away what does not belong to it",
		 call->broker->settings.homes, call->account.owner, call->account.label);
	return call_fail(call, FAILURE_CONFLICT, NULL, "something else is in the place of its home", todo);
}

enum failure lifecycle_mend(struct call *call, enum link_mend how)
{
	bool dry = call->request.dry_run;
	struct broker *broker = call->broker;
	int pidfd = -1, r;
	unsigned parts = 0;
	pid_t pid = -1;

	call->mend_link = how;
	r = home_mend(&broker->homes, &call->account, call->owner.gid, !broker->views_on_demand, dry, &parts);
	if (r < 0)
		return home_failed(call, r);
	call->mended = parts;
	r = link_start_mend(&broker->homes, &call->owner, &call->account, dry ? LINK_MEND_LOOK : how, &pid, &pidfd);
	if (r >= 0)
		r = child_watch(broker->event, pidfd, LINK_SECONDS, linked, call);
	return r < 0 ? finish(call, call_fail_system(call, "the link cannot be made", r)) : CALL_PENDING;
}
