/* SPDX-License-Identifier: ISC */
/*
 * Puts right the findings of a check: one thing at a time, named as the finding names it, and looked at again before
 * anything is touched. Derived things are rebuilt, data is never deleted. Every repair is in the audit trail.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "subuidd/op/repair.h"
#include "subuidd/base/child.h"
#include "subuidd/change/change.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/base/log.h"
#include "subuidd/publish/publish.h"
#include "subuidd/door/operation.h"

__attribute__((format(printf, 2, 3))) static void done(struct call *call, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(call->answer.repaired.done, sizeof(call->answer.repaired.done), format, arguments);
	va_end(arguments);
	snprintf(call->detail, sizeof(call->detail), "%s", call->answer.repaired.done);
}

static enum failure record(struct call *call)
{
	return call_transaction(call, call->operation->action, call_body_nothing);
}

static enum failure root_only(struct call *call)
{
	return call->caller.root ? FAILURE_NONE :
				   call_fail(call, FAILURE_NOT_PERMITTED, "repair", "only root may do this", "");
}

/* ---- index and keys ---- */

static enum failure repair_index(struct call *call)
{
	enum failure failure = root_only(call);
	int r;

	if (failure != FAILURE_NONE)
		return failure;
	r = call->request.dry_run ? 0 : publication_rebuild(call->broker->publication);
	if (r < 0)
		return call_fail_system(call, "the index cannot be written", r);
	done(call, "built anew: index and keys");
	return record(call);
}

/* ---- an existing account ---- */

static enum failure repair_account(struct call *call, enum link_mend how)
{
	enum failure failure = call_account(call, TO_CHANGE);

	if (failure == FAILURE_NONE)
		failure = call_owner_same(call);
	return failure != FAILURE_NONE ? failure : lifecycle_mend(call, how);
}

/* ---- a link to an account that does not exist ---- */

static void unlinked(void *data, int status)
{
	struct call *call = data;
	const struct request_name *name = &call->request.repair.name;
	enum link_result result = link_result_of(status);
	enum failure failure;

	done(call, "removed: the link %.63s/%s of %s", call->broker->settings.link_directory, name->label,
	     call->owner.name);
	failure = result == LINK_OK ?
			  record(call) :
			  call_fail(call, FAILURE_FAILED, NULL, link_result_why(result), link_result_todo(result));
	call_finish(call, failure);
}

bool repair_touches(const struct broker *broker, const char *target)
{
	for (const struct call *call = broker->calls; call != NULL; call = call->next)
		if (call->request.op == OP_REPAIR && strcmp(call->target, target) == 0)
			return true;
	return false;
}

static enum failure repair_link(struct call *call)
{
	const struct request_repair *repair = &call->request.repair;
	struct account gone = { .uid = UINT32_MAX - 1, .owner_uid = call->owner.uid };
	int pidfd = -1, r;
	pid_t pid = -1;

	if (!call->owner_exists)
		return call_fail(call, FAILURE_NOT_FOUND, NULL, "its owner is not an account of this host", "");
	r = store_account_get(call->store, call->owner.name, repair->name.label, &call->account);
	memset(&call->account, 0, sizeof(call->account));
	if (r == 0 || change_makes(call->broker, call->owner.name, repair->name.label))
		return call_fail(call, FAILURE_CONFLICT, NULL, "there is such an account", "check again");
	if (r != -ENOENT)
		return call_fail_store(call, r);
	done(call, "removed: the link %.63s/%s of %s", call->broker->settings.link_directory, repair->name.label,
	     call->owner.name);
	if (call->request.dry_run)
		return FAILURE_NONE;
	memcpy(gone.owner, call->owner.name, sizeof(gone.owner));
	memcpy(gone.label, repair->name.label, sizeof(gone.label));
	r = link_start_remove(&call->broker->homes, &call->owner, &gone, &pid, &pidfd);
	if (r >= 0)
		r = child_watch(call->broker->event, pidfd, LINK_SECONDS, unlinked, call);
	return r < 0 ? call_fail_system(call, "the link cannot be removed", r) : CALL_PENDING;
}

/* ---- what is left below the homes ---- */

enum home_place finding_home_place(uint32_t place)
{
	switch (place) {
	case PLACE_MAKING:
		return HOME_AT_MAKING;
	case PLACE_REMOVED:
		return HOME_AT_REMOVED;
	case PLACE_OWNER:
		return HOME_AT_OWNER;
	default:
		return HOME_AT_LABEL;
	}
}

static void place_text(const struct call *call, char path[FAILURE_TEXT_MAX + 1])
{
	const struct request_repair *repair = &call->request.repair;
	const char *homes = call->broker->settings.homes;

	switch ((enum finding_place)repair->place) {
	case PLACE_MAKING:
	case PLACE_REMOVED:
		snprintf(path, FAILURE_TEXT_MAX + 1, "%s/%s/%u", homes,
			 repair->place == PLACE_MAKING ? ".making" : ".removed", repair->uid);
		break;
	case PLACE_OWNER:
		snprintf(path, FAILURE_TEXT_MAX + 1, "%s/%s", homes, repair->name.owner);
		break;
	default:
		snprintf(path, FAILURE_TEXT_MAX + 1, "%s/%s/%s", homes, repair->name.owner, repair->name.label);
	}
}

/* An account has, or gets, this id or this place. 1, 0 or negative errno. */
static int in_use(struct call *call)
{
	const struct request_repair *repair = &call->request.repair;
	struct store *store = call->store;
	struct removed removed;
	struct account row;
	uint32_t accounts = 0;
	int r;

	switch ((enum finding_place)repair->place) {
	case PLACE_OWNER:
		r = store_account_count(store, repair->name.owner, &accounts);
		return r < 0 ? r : accounts > 0;
	case PLACE_ACCOUNT:
		r = store_account_get(store, repair->name.owner, repair->name.label, &row);
		break;
	case PLACE_REMOVED:
		r = store_removed_get(store, repair->uid, &removed);
		break;
	default:
		r = -ENOENT;
	}
	if (r != -ENOENT)
		return r == 0 ? 1 : r;
	r = store_account_by_uid(store, repair->uid, &row);
	if (r == 0 && repair->place == PLACE_MAKING && repair->repair == REPAIR_LEFTOVER)
		return row.state != ACCOUNT_ACTIVE;
	return r == -ENOENT ? 0 : r == 0 ? 1 : r;
}

static enum failure leftover_failed(struct call *call, const char *path, int error)
{
	switch (error) {
	case -ENOENT:
		return call_fail(call, FAILURE_NOT_FOUND, path, "it is not there any more", "check again");
	case -ENOTEMPTY:
		return call_fail(call, FAILURE_CONFLICT, path, "there is data in it", "check again");
	case -EEXIST:
		return call_fail(call, FAILURE_CONFLICT, path, "something lies where it would be set aside",
				 "look at both, and move one of them away");
	case -ESTALE:
	case -EPERM:
		return call_fail(call, FAILURE_CONFLICT, path, "it is not root's alone, or of another account",
				 "look at it, and move it away");
	default:
		return call_fail_system(call, path, error);
	}
}

static enum failure leftover_remove(struct call *call, const struct account *account, const char *path)
{
	const struct homes *homes = &call->broker->homes;
	enum home_place place = finding_home_place(call->request.repair.place);
	int r = home_leftover_empty(homes, account, place);

	if (r == 0 && !call->request.dry_run)
		r = home_leftover_remove(homes, account, place);
	if (r < 0)
		return leftover_failed(call, path, r);
	done(call, "removed: %s", path);
	return record(call);
}

/* Its id is never given to anybody else, and what was known of it is kept. */
static enum failure body_aside(struct call *call)
{
	struct store *store = call->store;
	struct account *account = &call->account;
	struct removed removed = { .uid = account->uid, .keep = 1, .when = time(NULL) };
	struct id_range id = {
		.first = account->uid, .count = 1, .owner_uid = account->owner_uid, .created = time(NULL)
	};
	struct id_range holder;
	enum id_kind kind;
	int r = store_id_holder(store, account->uid, account->uid, &holder, &kind);

	memcpy(id.owner, account->owner, sizeof(id.owner));
	memcpy(id.label, account->label, sizeof(id.label));
	if (r == -ENOENT)
		r = store_tombstone_insert(store, &id);
	else if (r == 0 && (kind != ID_TOMBSTONE || holder.first != account->uid || holder.count != 1))
		return call_fail(call, FAILURE_CONFLICT, NULL, "its uid is one of somebody else's now",
				 "look at the files, and move them away");
	memcpy(removed.owner, account->owner, sizeof(removed.owner));
	memcpy(removed.label, account->label, sizeof(removed.label));
	if (r == 0)
		r = store_removed_insert(store, &removed);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure body_forget(struct call *call)
{
	int r = store_kept_delete(call->store, call->account.uid);

	if (r == 0)
		r = store_removed_delete(call->store, call->account.uid);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

/* The former holder: by its place, by its id, or, if neither tells, by who may enter it. */
static enum failure former_owner(struct call *call, struct account *account)
{
	struct id_range holder;
	struct link_owner owner;
	enum id_kind kind;
	uint32_t uid = 0;

	if (store_id_holder(call->store, account->uid, account->uid, &holder, &kind) == 0 && kind == ID_TOMBSTONE &&
	    holder.owner[0] != '\0') {
		account->owner_uid = holder.owner_uid;
		if (account->owner[0] == '\0') {
			memcpy(account->owner, holder.owner, sizeof(account->owner));
			memcpy(account->label, holder.label, sizeof(account->label));
		}
		return FAILURE_NONE;
	}
	if (home_leftover_owner(&call->broker->homes, account, finding_home_place(call->request.repair.place), &uid) ==
	    0)
		account->owner_uid = uid;
	if (account->owner[0] == '\0') {
		if (uid == 0 || passwd_by_uid(uid, &owner) < 0)
			return call_fail(call, FAILURE_CONFLICT, NULL, "nobody knows whose it was",
					 "look at it, and move it away");
		memcpy(account->owner, owner.name, sizeof(account->owner));
	}
	if (account->label[0] == '\0')
		snprintf(account->label, sizeof(account->label), "%u", account->uid);
	return FAILURE_NONE;
}

/* The row first: data without one would keep the daemon from starting. */
static enum failure leftover_set_aside(struct call *call, const struct account *named, const char *path)
{
	const struct homes *homes = &call->broker->homes;
	enum home_place place = finding_home_place(call->request.repair.place);
	struct account account = *named;
	enum failure failure = former_owner(call, &account);
	int r = home_leftover_empty(homes, named, place);

	if (r < 0 && r != -ENOTEMPTY)
		return leftover_failed(call, path, r);
	if (failure != FAILURE_NONE)
		return failure;
	done(call, "set aside, to be kept: %s, as %.120s/.removed/%u", path, call->broker->settings.homes, account.uid);
	if (call->request.dry_run)
		return FAILURE_NONE;
	call->account = account;
	failure = call_transaction(call, call->operation->action, body_aside);
	if (failure != FAILURE_NONE)
		return failure;
	r = home_leftover_set_aside(homes, named, place);
	if (r < 0) {
		call_transaction(call, "repair.undo", body_forget);
		return leftover_failed(call, path, r);
	}
	return FAILURE_NONE;
}

/* Data that was set aside, and is gone. Its id stays a tombstone. */
static enum failure forget(struct call *call, const char *path)
{
	const struct request_repair *repair = &call->request.repair;
	const struct homes *homes = &call->broker->homes;
	struct removed removed;
	int r = store_removed_get(call->store, repair->uid, &removed);

	if (r < 0)
		return r == -ENOENT ? leftover_failed(call, path, r) : call_fail_store(call, r);
	if (purge_under_way(call->broker, repair->uid) || call_busy(call->broker, repair->uid, call))
		return call_fail(call, FAILURE_BUSY, path, "a change of it is under way", "try again");
	r = home_aside_look(homes, repair->uid);
	if (r == 0)
		return call_fail(call, FAILURE_CONFLICT, path, "it is there", "check again");
	if (r == -ENOENT) /* but for what was around the home */
		r = call->request.dry_run ? 0 : home_purge_finish(homes, repair->uid);
	if (r < 0)
		return leftover_failed(call, path, r);
	done(call, "forgotten: %s, which is gone", path);
	call->account.uid = repair->uid;
	return call_transaction(call, call->operation->action, body_forget);
}

static enum failure repair_forget(struct call *call)
{
	char path[FAILURE_TEXT_MAX + 1];
	enum failure failure = root_only(call);

	place_text(call, path);
	return failure != FAILURE_NONE ? failure : forget(call, path);
}

static enum failure repair_leftover(struct call *call)
{
	const struct request_repair *repair = &call->request.repair;
	struct account account = { .uid = repair->uid != 0 ? repair->uid : 1 };
	char path[FAILURE_TEXT_MAX + 1];
	enum failure failure = root_only(call);
	int r;

	if (failure != FAILURE_NONE)
		return failure;
	memcpy(account.owner, repair->name.owner, sizeof(account.owner));
	memcpy(account.label, repair->name.label, sizeof(account.label));
	place_text(call, path);
	r = in_use(call);
	if (r < 0)
		return call_fail_store(call, r);
	if (r == 1)
		return call_fail(call, FAILURE_CONFLICT, path, "an account has it", "check again");
	if (repair->uid != 0 && call_busy(call->broker, repair->uid, call))
		return call_fail(call, FAILURE_BUSY, path, "a change of it is under way", "try again");
	return repair->repair == REPAIR_ASK ? leftover_set_aside(call, &account, path) :
					      leftover_remove(call, &account, path);
}

enum failure op_repair(struct call *call)
{
	const struct request_repair *repair = &call->request.repair;

	switch ((enum finding_repair)repair->repair) {
	case REPAIR_INDEX:
		return repair_index(call);
	case REPAIR_ACCOUNT:
		return repair_account(call, LINK_MEND);
	case REPAIR_LEFTOVER:
		return repair->place == PLACE_LINK ? repair_link(call) : repair_leftover(call);
	case REPAIR_ASK:
		return repair->place == PLACE_LINK ? repair_account(call, LINK_MEND_ASIDE) : repair_leftover(call);
	case REPAIR_FORGET:
		return repair_forget(call);
	case REPAIR_NONE:
	case REPAIR_MAX_:
		break;
	}
	return call_fail(call, FAILURE_INVALID, "repair", "not one that there is", "");
}
