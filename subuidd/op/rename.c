/* SPDX-License-Identifier: ISC */
/*
 * Rename: another label for an account of the same owner; and the names that accounts had before. Run by the broker.
 * All that can refuse it is looked at before the intent: the name, its place on the disk, and, by a child that has
 * become the owner, the place of its link.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "confine/cleanup.h"
#include "subuidd/base/child.h"
#include "subuidd/call/account_view.h"
#include "subuidd/call/known_time.h"
#include "subuidd/change/name.h"
#include "subuidd/door/operation.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/life/rename.h"

static struct account renamed(const struct call *call)
{
	struct account to = call->former;

	memset(to.label, 0, sizeof(to.label));
	memcpy(to.label, call->request.rename.to, strnlen(call->request.rename.to, LABEL_MAX));
	return to;
}

static enum failure name_taken(struct call *call, const struct account *to)
{
	char why[FAILURE_TEXT_MAX + 1];

	snprintf(why, sizeof(why), "%s%c%s exists already", to->owner, call->broker->settings.separator, to->label);
	return call_fail(call, FAILURE_EXISTS, NULL, why, "choose another label, or remove that one");
}

/* Once more in the transaction: others may have made one meanwhile. */
static enum failure name_free(struct call *call, const struct account *to)
{
	struct account other;
	enum failure failure;
	int r = store_account_get(call->store, to->owner, to->label, &other);

	if (r != -ENOENT)
		return r < 0 ? call_fail_store(call, r) : name_taken(call, to);
	failure = former_free(call, to->owner, to->label);
	return failure == FAILURE_NONE ? former_key_free(call, to->owner, to->label, to->uid, NULL) : failure;
}

static enum failure place_free(struct call *call, const struct account *to)
{
	struct home_look look;
	char todo[FAILURE_TEXT_MAX + 1];
	int r = home_look(&call->broker->homes, to, false, &look);

	if (r < 0)
		return call_fail_system(call, "the place of its home cannot be looked at", r);
	if (look.there == HOME_FREE)
		return FAILURE_NONE;
	snprintf(todo, sizeof(todo), "look at it, and move it away; or choose another label");
	return call_fail(call, FAILURE_CONFLICT, NULL,
			 home_look_conflict(look.there) ? look.why : "data of it lies in the place of that name", todo);
}

/* The answer is what the account will be like. */
static enum failure body_intent(struct call *call)
{
	const struct account to = renamed(call);
	enum failure failure = name_free(call, &to);
	int r;

	if (failure != FAILURE_NONE)
		return failure;
	r = store_account_rename(call->store, to.uid, to.label, time(NULL), known_time_now(call->broker));
	if (r == 0)
		r = account_view_fill(call, &to, &call->answer.account);
	snprintf(call->detail, sizeof(call->detail), "to %s%c%s", to.owner, call->broker->settings.separator, to.label);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure begun(struct call *call, enum failure failure)
{
	if (failure != FAILURE_NONE)
		return failure;
	memset(&call->answer.account, 0, sizeof(call->answer.account));
	call->account = renamed(call);
	call->account.state = ACCOUNT_MOVING;
	return rename_complete(call);
}

static void looked(void *data, int status)
{
	struct call *call = data;
	enum link_result result = link_result_of(status);
	enum failure failure = result == LINK_OK || result == LINK_MENDED ?
				       call_act(call, "account.renaming", body_intent, begun) :
				       lifecycle_link_refused(call, result);

	call_finish(call, failure);
}

static enum failure look(struct call *call, const struct account *to)
{
	struct broker *broker = call->broker;
	int pidfd = -1, r;
	pid_t pid = -1;

	r = link_start_rename(&broker->homes, &call->owner, &call->former, to, LINK_MEND_LOOK, &pid, &pidfd);
	if (r >= 0)
		r = child_watch(broker->event, pidfd, LINK_SECONDS, looked, call);
	return r < 0 ? call_fail_system(call, "the place of its link cannot be looked at", r) : CALL_PENDING;
}

enum failure op_account_rename(struct call *call)
{
	enum failure failure = call_account(call, TO_CHANGE);
	struct account to;

	if (failure == FAILURE_NONE)
		failure = call_owner_same(call);
	if (failure != FAILURE_NONE)
		return failure;
	call->former = call->account;
	to = renamed(call);
	if (strcmp(to.label, call->account.label) == 0)
		return call_fail(call, FAILURE_EXISTS, NULL, "that is its name", "choose another label");
	failure = name_free(call, &to);
	if (failure == FAILURE_NONE)
		failure = place_free(call, &to);
	return failure == FAILURE_NONE ? look(call, &to) : failure;
}

/* ---- the names before, for an export */

enum failure op_former_list(struct call *call)
{
	struct former_name rows[WIRE_BATCH];
	int n = store_former_list(call->store, call->request.list.cursor, rows, WIRE_BATCH);

	if (n < 0)
		return call_fail_store(call, n);
	for (int i = 0; i < n; i++) {
		struct answer row;

		memset(&row, 0, sizeof(row));
		call->answer.cursor = rows[i].seq;
		if (rows[i].moving != 0)
			continue;
		row.range = (struct id_range){
			.first = rows[i].uid, .count = 1, .owner_uid = rows[i].owner_uid, .created = rows[i].when
		};
		memcpy(row.range.owner, rows[i].owner, sizeof(row.range.owner));
		memcpy(row.range.label, rows[i].label, sizeof(row.range.label));
		call_row(call, &row);
	}
	call->answer.more = n == WIRE_BATCH;
	return FAILURE_NONE;
}
