/* SPDX-License-Identifier: ISC */
/* Accounts: get, list, modify, lock, unlock, remove, mount. Adding is in add.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "account/fields.h"
#include "subuidd/call/account_view.h"
#include "confine/cleanup.h"
#include "subuidd/change/bounds.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/call/maintain.h"
#include "subuidd/life/meter.h"
#include "subuidd/publish/publish.h"
#include "subuidd/runs/runs.h"
#include "subuidd/life/urgent.h"
#include "subuidd/door/operation.h"
#include "subuidd/base/log.h"

static enum failure answer_account(struct call *call)
{
	int r = account_view_fill(call, &call->account, &call->answer.account);

	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

enum failure op_account_get(struct call *call)
{
	enum failure failure = call_account(call, TO_READ);

	if (failure != FAILURE_NONE)
		return failure;
	if ((call->account.flags & ACCOUNT_FULL) != 0) /* something may be gone: the next caller is told */
		meter_now(call->broker, call->account.uid);
	return answer_account(call);
}

/* The rows that the caller may see. */
static int list_send(struct call *call, const struct listed_account *rows, int n)
{
	size_t size = wire_answer_size(call->request.op);
	cleanup_free char *answers = calloc(WIRE_BATCH, size);
	unsigned count = 0;
	int r = answers == NULL ? -ENOMEM : 0;

	for (int i = 0; r == 0 && i < n; i++) {
		struct answer *row = (struct answer *)(answers + count * size);

		call->answer.cursor = rows[i].account.uid;
		if (!caller_sees(&call->caller, rows[i].account.owner_uid, rows[i].account.uid))
			continue;
		r = account_view_listed(call, &rows[i], &row->account);
		count++;
	}
	if (r == 0)
		call_rows(call, answers, count);
	return r;
}

enum failure op_account_list(struct call *call)
{
	const struct request_list *list = &call->request.list;
	const char *owner = list->all ? NULL : call->owner.name;
	struct listed_account rows[WIRE_BATCH];
	const bool itself = caller_is_account(&call->caller); /* its row alone is looked for */
	char name[OWNER_MAX + 1] = "";
	int n, r;

	/* account_view_listed() puts the owner of each row into the call */
	if (owner != NULL) {
		memcpy(name, owner, sizeof(name));
		owner = name;
	}
	if (list->cursor > UINT32_MAX)
		return call_fail(call, FAILURE_INVALID, "cursor", "not one of this list", "");
	n = store_account_listed(call->store, owner, itself ? call->caller.account_uid - 1 : (uint32_t)list->cursor,
				 rows, itself ? 1 : WIRE_BATCH);
	if (n < 0)
		return call_fail_store(call, n);
	if (list->all)
		local_refresh(&call->broker->local);
	r = list_send(call, rows, n);
	if (n < WIRE_BATCH)
		local_free(&call->broker->local);
	call->answer.more = n == WIRE_BATCH;
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure body_update(struct call *call)
{
	const struct request_modify *modify = &call->request.modify;
	int r = store_account_update(call->store, &call->account);

	if (r == 0 && call->request.op == OP_ACCOUNT_MODIFY && (modify->set & 1u << FACT_ALARM) != 0)
		r = store_watch_alarm(call->store, call->account.uid, (int64_t)modify->facts.alarm, time(NULL));
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure body_account(struct call *call)
{
	enum failure failure = body_update(call);

	return failure == FAILURE_NONE ? answer_account(call) : failure;
}

static enum failure changed(struct call *call, enum failure failure)
{
	if (failure != FAILURE_NONE)
		return failure;
	urgent_done(call->broker, call->account.uid, 0); /* the store says it now, whatever was not recorded before */
	return call_published(call, "it is saved", publish_account(call->broker->publication, &call->account));
}

static bool quota_differs(const struct account *a, const struct account *b)
{
	return a->facts.quota != b->facts.quota || a->facts.files != b->facts.files;
}

/* Where the quota cannot be set the row does not say that it is; where the row cannot
 * be written the disk goes back to what the row says. */
static enum failure modify_quota(struct call *call, const struct account *before)
{
	struct home_kept kept;
	int r = 0;

	if (quota_differs(&call->account, before))
		r = home_quota_set(&call->broker->homes, &call->account, &kept);
	return r < 0 ? call_fail_system(call, "its quota cannot be set", r) : FAILURE_NONE;
}

/* The view is the new one before the row says so: a crash in between leaves it to the next start. */
static enum failure modify_view(struct call *call, const struct account *before)
{
	const struct homes *homes = &call->broker->homes;
	bool owner = call->owner_exists && call->owner.uid == call->account.owner_uid;
	int r;

	if (account_view_kind(&call->account, homes->view) == account_view_kind(before, homes->view))
		return FAILURE_NONE;
	r = owner ? home_view_open(homes, &call->account, call->owner.gid) : home_view_close(homes, &call->account);
	return r < 0 ? call_fail_system(call, "the owner's view cannot be made", r) : FAILURE_NONE;
}

/* The disk goes back to what the row says. */
static void modify_undo(struct call *call)
{
	struct account changed = call->account, row;
	struct home_kept kept;

	if (store_account_by_uid(call->store, changed.uid, &row) < 0)
		return;
	if (quota_differs(&row, &changed))
		home_quota_set(&call->broker->homes, &row, &kept);
	call->account = row;
	modify_view(call, &changed);
	call->account = changed;
}

static enum failure modify_disk(struct call *call, const struct account *before)
{
	enum failure failure = modify_quota(call, before);

	return failure == FAILURE_NONE ? modify_view(call, before) : failure;
}

static void services_ended(void *data, int status)
{
	struct call *call = data;

	call_finish(call, status < 0 ?
				  call_fail_system(call, "it is saved, but what runs of it cannot be ended", status) :
				  FAILURE_NONE);
}

static enum failure modified(struct call *call, enum failure failure)
{
	const struct request_modify *modify = &call->request.modify;
	int r;

	failure = changed(call, failure);
	if ((modify->set & 1u << FACT_ALARM) != 0)
		alarm_look(call->broker);
	if (failure != FAILURE_NONE) {
		modify_undo(call);
		return failure;
	}
	meter_now(call->broker, call->account.uid);
	if ((modify->set & 1u << FACT_SERVICES) == 0 || modify->facts.services == SERVICES_YES)
		return FAILURE_NONE;
	r = removal_sessions_end(call->broker, call->account.uid, services_ended, call); /* its manager among them */
	return r == 1 ? CALL_PENDING :
	       r < 0  ? call_fail_system(call, "it is saved, but what runs of it cannot be ended", r) :
			FAILURE_NONE;
}

enum failure op_account_modify(struct call *call)
{
	const struct request_modify *modify = &call->request.modify;
	enum failure failure = call_account(call, TO_CHANGE);
	struct account before = call->account;

	if (failure == FAILURE_NONE)
		failure = limit_bounds(call, call->account.owner, &modify->facts, modify->set);
	if (failure == FAILURE_NONE)
		failure = limit_services(call, before.facts.services, &modify->facts, modify->set);
	if (failure != FAILURE_NONE)
		return failure;
	record_take(&facts_record, &call->account.facts, &modify->facts, modify->set);
	if (!call->request.dry_run) /* the disk comes before the row */
		failure = modify_disk(call, &before);
	if (failure != FAILURE_NONE)
		return failure;
	record_print(&facts_record, &call->account.facts, modify->set, call->detail, sizeof(call->detail));
	return call_act(call, call->operation->action, body_account, modified);
}

/* The store does not take it: it counts all the same. call->account is locked. */
static enum failure lock_unrecorded(struct call *call, const char *what)
{
	char reason[FAILURE_TEXT_MAX + 1], why[FAILURE_TEXT_MAX + 1];
	int noted = urgent_add(call->broker, call->account.uid, 0);
	int r = publish_account_locked(call->broker->publication, &call->account);

	snprintf(reason, sizeof(reason), "%s", call->answer.failure.why);
	snprintf(why, sizeof(why), "%s, but %s: %.100s",
		 r < 0 ? "its sessions end, and it can log in again" : "locked now", what, reason);
	return call_fail(call, FAILURE_FAILED, NULL, why,
			 noted < 0 ? "it is tried again; a restart of subuidd would forget it" : "it is tried again");
}

static enum failure locked(struct call *call, enum failure failure, int ended)
{
	if (ended < 0 && failure == FAILURE_NONE)
		failure = call_fail_system(call, "it is locked, but its processes cannot be ended", ended);
	return failure;
}

static void lock_ended(void *data, int status)
{
	struct call *call = data;

	call_finish(call, locked(call, call->answer.failure.failure, status));
}

/* Published first, then every process of it is ended: a login that starts later sees
 * the lock. Even if publishing failed: running processes are ended in any case. */
static enum failure lock_done(struct call *call, enum failure failure)
{
	int r;

	if (failure != FAILURE_NONE) {
		failure = lock_unrecorded(call, "not recorded");
	} else {
		urgent_done(call->broker, call->account.uid, 0);
		r = publish_account_locked(call->broker->publication, &call->account);
		failure = call_published(call, "it is locked", r);
	}
	call->answer.failure.failure = failure;
	r = removal_sessions_end(call->broker, call->account.uid, lock_ended, call);
	return r == 1 ? CALL_PENDING : locked(call, failure, r);
}

enum failure op_account_lock(struct call *call)
{
	enum failure failure = call_account(call, TO_CHANGE);
	bool again;

	if (failure != FAILURE_NONE)
		return failure;
	/* once more is no change, and ends what runs */
	again = (call->account.flags & ACCOUNT_LOCKED) != 0 &&
		!withheld_has(&call->broker->withheld, call->account.uid, 0);
	call->account.flags |= ACCOUNT_LOCKED;
	return call_act(call, again ? NULL : call->operation->action, again ? answer_account : body_account, lock_done);
}

/* A removal that is not recorded yet is taken back. */
static enum failure unlocked(struct call *call, enum failure failure)
{
	failure = changed(call, failure);
	if (failure == FAILURE_NONE)
		urgent_removal_done(call->broker, call->account.uid);
	return failure;
}

enum failure op_account_unlock(struct call *call)
{
	enum failure failure = call_account(call, TO_CHANGE);

	if (failure == FAILURE_NONE)
		failure = call_owner_same(call);
	if (failure != FAILURE_NONE)
		return failure;
	call->account.flags &= ~(uint32_t)ACCOUNT_LOCKED;
	return call_act(call, call->operation->action, body_account, unlocked);
}

/* At least nobody logs in to it any more, and it goes on when the store can be written. An account that is not
 * complete, or is on its way out, is not in the index. */
static enum failure remove_unrecorded(struct call *call)
{
	enum failure failure = call->answer.failure.failure;
	struct account before;
	int noted;

	if (store_account_by_uid(call->store, call->account.uid, &before) < 0 || before.state != ACCOUNT_ACTIVE)
		return failure;
	before.flags |= ACCOUNT_LOCKED;
	noted = urgent_add_removal(call->broker, &call->account);
	call->account = before;
	failure = lock_unrecorded(call, "its removal is not recorded");
	if (noted < 0)
		log_error("%s: its removal is forgotten by a restart: %s", call->target, strerror(-noted));
	removal_sessions_end(call->broker, call->account.uid, NULL, NULL);
	return failure;
}

/* What becomes of its files, if nothing stands in the way. */
static enum failure body_removing(struct call *call)
{
	const struct request_remove *request = &call->request.remove;
	const struct removed row = { .keep = request->keep_home, .when = request->purge ? 0 : (int64_t)time(NULL) };

	call->answer.removal.files = request->purge ? FILES_DELETED : FILES_KEPT;
	call->answer.removal.restorable = !request->purge;
	call->answer.removal.until = removal_until(call->broker, &row);
	return body_update(call);
}

static enum failure remove_begun(struct call *call, enum failure failure)
{
	const struct request_remove *request = &call->request.remove;
	int r;

	if (failure != FAILURE_NONE)
		return remove_unrecorded(call);
	memset(&call->answer.removal, 0, sizeof(call->answer.removal));
	urgent_done(call->broker, call->account.uid, 0);
	urgent_removal_done(call->broker, call->account.uid);
	r = publish_account_gone(call->broker->publication, &call->account);
	if (r < 0) {
		removal_sessions_end(call->broker, call->account.uid, NULL, NULL);
		call->broker->unfinished = true;
		maintain_in(call->broker, 30);
		return call_published(call, "it is being removed", r);
	}
	snprintf(call->detail, sizeof(call->detail), "uid %u is not given out again; data %s", call->account.uid,
		 request->purge     ? "to be deleted" :
		 request->keep_home ? "kept" :
				      "kept for the grace period");
	return removal_complete(call);
}

/* From here on nobody can log in, whatever happens next. */
enum failure op_account_remove(struct call *call)
{
	const struct request_remove *request = &call->request.remove;
	enum failure failure = call_account(call, TO_REMOVE);

	if (failure != FAILURE_NONE)
		return failure;
	call->account.state = ACCOUNT_REMOVING;
	call->account.flags &= ~(uint32_t)(ACCOUNT_KEEP_HOME | ACCOUNT_PURGE);
	call->account.flags |= request->keep_home ? ACCOUNT_KEEP_HOME : 0;
	call->account.flags |= request->purge ? ACCOUNT_PURGE : 0;
	return call_act(call, "account.removing", body_removing, remove_begun);
}

enum failure op_account_mount(struct call *call)
{
	enum failure failure = call_account(call, TO_CHANGE);
	int r;

	if (failure == FAILURE_NONE)
		failure = call_owner_same(call);
	if (failure != FAILURE_NONE)
		return failure;
	r = home_view_open(&call->broker->homes, &call->account, call->owner.gid);
	if (r < 0)
		return call_fail_system(call, "the owner's view cannot be made", r);
	return answer_account(call);
}
