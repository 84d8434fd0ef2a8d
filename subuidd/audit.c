/* SPDX-License-Identifier: ISC */
/* The audit trail: who did what, or was refused. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "subuidd/log.h"
#include "subuidd/operation.h"

/* Refusals cost a durable write each, and anybody can cause them: so many a minute are
 * recorded per caller, the rest are counted into the next one. */
#define REFUSALS_A_MINUTE 60u
#define REFUSERS 64

static struct refuser {
	uid_t uid;
	time_t minute;
	unsigned count, dropped;
} refusers[REFUSERS];

/* True when one more may be recorded; *dropped: those that were not before it. */
static bool refusal_admitted(uid_t uid, unsigned *dropped)
{
	struct refuser *refuser = &refusers[uid % REFUSERS];
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (refuser->uid != uid || refuser->minute != now.tv_sec / 60 + 1) {
		unsigned before = refuser->uid == uid ? refuser->dropped : 0;

		*refuser = (struct refuser){ .uid = uid, .minute = now.tv_sec / 60 + 1, .dropped = before };
	}
	if (refuser->count >= REFUSALS_A_MINUTE && uid != 0) {
		refuser->dropped++;
		return false;
	}
	refuser->count++;
	*dropped = refuser->dropped;
	refuser->dropped = 0;
	return true;
}

static struct audit_entry entry_of(const struct call *call, const char *action, const struct failure_text *failure)
{
	struct audit_entry entry = {
		.time = time(NULL),
		.uid = call->caller.uid,
		.pid = call->caller.pid,
		.status = failure != NULL ? failure->failure : FAILURE_NONE,
		.target_uid = call->account.uid,
	};

	text_escape(call->caller.name, entry.caller, sizeof(entry.caller));
	text_escape(action, entry.action, sizeof(entry.action));
	text_escape(call->target, entry.target, sizeof(entry.target));
	text_escape(failure != NULL ? failure->why : call->detail, entry.detail, sizeof(entry.detail));
	return entry;
}

int audit_write(struct call *call, const char *action, const struct failure_text *failure)
{
	struct audit_entry entry = entry_of(call, action, failure);

	return store_audit_add(call->broker->store, &entry);
}

void audit_log(const struct call *call, const char *action, const struct failure_text *failure)
{
	struct audit_entry entry = entry_of(call, action, failure);
	const char *result = failure != NULL ? failure_name((enum failure)entry.status) : "done";

	log_info("%s: %s (uid %u, pid %d): %s: %s%s%s", entry.action, entry.caller, entry.uid, entry.pid, entry.target,
		 result != NULL ? result : "?", entry.detail[0] != '\0' ? ": " : "", entry.detail);
}

void audit_refusal(struct call *call)
{
	struct store *store = call->broker->store;
	struct failure_text failure = call->answer.failure;
	unsigned dropped = 0;
	int r;

	if (!refusal_admitted(call->caller.uid, &dropped))
		return;
	if (dropped > 0)
		log_warn("uid %u: %u refusals were not recorded: too many in a minute", (unsigned)call->caller.uid,
			    dropped);
	audit_log(call, call->operation->action, &failure);
	r = store_begin(store);
	if (r == 0) {
		r = audit_write(call, call->operation->action, &failure);
		if (r == 0)
			r = store_commit(store);
		else
			store_rollback(store);
	}
	if (r < 0)
		log_error("a refusal could not be recorded: %s", strerror(-r));
}
