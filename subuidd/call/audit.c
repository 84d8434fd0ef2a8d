/* SPDX-License-Identifier: ISC */
/* The audit trail: who did what, or was refused. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "subuidd/base/log.h"
#include "subuidd/call/call.h"
#include "subuidd/call/room.h"
#include "subuidd/call/tally.h"

/* Each refusal costs a durable write, and anybody can cause them: a limited number a minute is recorded for each
 * user who answers for them, the rest are counted into the next one. */
#define REFUSALS_A_MINUTE 60u
#define NAMELESS ((uid_t)-1) /* counted together */

/* The uid under which a caller is counted that is no user who calls for themselves: sub-accounts, ids in ranges and
 * callers in containers under their owner's, since the owner can call as any of them (apart from the owner's own calls,
 * whose share they cannot use up). All others, ids that users have by /etc/subuid, count as one. */
static uid_t answerable(struct store *store, const struct caller *caller)
{
	struct id_range holder;
	enum id_kind kind;

	if (caller->owner[0] != '\0')
		return caller->owner_uid;
	if (store_id_holder(store, caller->uid, caller->uid, &holder, &kind) < 0)
		return NAMELESS;
	return kind == ID_TOMBSTONE ? holder.owner_uid : NAMELESS;
}

/* True when one more may be recorded; *dropped: those that were not before it. */
static bool refusal_admitted(struct store *store, const struct caller *caller, unsigned *dropped)
{
	static struct tallies named = TALLIES(60), nameless = TALLIES(60);
	bool own = caller->root || (caller->ordinary && caller->contained == CONTAINED_NOT);
	struct tally *refuser;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	refuser = own ? tally_of(&named, caller->uid, now.tv_sec / 60 * 60) :
			tally_of(&nameless, answerable(store, caller), now.tv_sec / 60 * 60);
	if (refuser == NULL)
		return true; /* no memory: the refusal is recorded all the same */
	if (refuser->since != now.tv_sec / 60 * 60) {
		refuser->since = now.tv_sec / 60 * 60;
		refuser->used = 0;
	}
	if (refuser->used >= REFUSALS_A_MINUTE && !caller->root) {
		refuser->dropped++;
		return false;
	}
	refuser->used++;
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

	return store_audit_add(call->store, &entry);
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
	struct store *store = call->store;
	struct failure_text failure = call->answer.failure;
	unsigned dropped = 0;
	int r;

	if (call->request.dry_run) {
		if (failure.failure != FAILURE_NOT_PERMITTED) /* it changes nothing and asks for nothing forbidden */
			return;
		snprintf(failure.why, sizeof(failure.why), "dry run: %.*s", (int)sizeof(failure.why) - 10,
			 call->answer.failure.why);
	}
	if (!refusal_admitted(store, &call->caller, &dropped))
		return;
	if (dropped > 0)
		log_warn("uid %u: %u refusals were not recorded before this one: too many in a minute",
			 (unsigned)call->caller.uid, dropped);
	audit_log(call, call->operation->action, &failure);
	if (room_short(call->broker))
		return; /* the remaining room is for changes */
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
