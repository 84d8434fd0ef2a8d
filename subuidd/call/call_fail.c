/* SPDX-License-Identifier: ISC */
/* What the handlers of all operations share: failures in words, transactions, the account that is meant. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "subuidd/call/call.h"
#include "subuidd/base/log.h"
#include "subuidd/call/maintain.h"
#include "subuidd/wire/request.h"
#include "subuidd/life/urgent.h"

enum failure call_fail(struct call *call, enum failure failure, const char *what, const char *why, const char *todo)
{
	if (what == NULL)
		what = call->target[0] != '\0' ? call->target : call->operation->action;
	return failure_set(&call->answer.failure, failure, what, why, todo);
}

static const char *system_todo(int error)
{
	switch (error) {
	case -ENOSPC:
	case -EDQUOT:
		return "make room on the disk";
	case -EROFS:
		return "mount it read-write";
	case -EUCLEAN:
		return "run subuid check; subuid state load brings a saved state back";
	case -EIO:
		return "look at the kernel's log";
	default:
		return "look at the log of subuidd";
	}
}

enum failure call_fail_system(struct call *call, const char *doing, int error)
{
	char why[FAILURE_TEXT_MAX + 1];

	log_error("%s: %s: %s: %s", call->operation->action, call->target, doing, strerror(-error));
	snprintf(why, sizeof(why), "%s: %s", doing, strerror(-error));
	return call_fail(call, FAILURE_FAILED, NULL, why, system_todo(error));
}

enum failure call_fail_store(struct call *call, int error)
{
	log_error("%s: %s: store: %s", call->operation->action, call->target, store_error(call->broker->store));
	return call_fail_system(call, error == -EUCLEAN ? "the store is damaged" : "the store cannot be written", error);
}

enum failure call_fail_doubt(struct call *call, int error)
{
	char why[FAILURE_TEXT_MAX + 1];

	log_error("%s: %s: the user database does not answer: %s", call->operation->action, call->target, strerror(-error));
	snprintf(why, sizeof(why), "the user database does not answer (%s), and the owner may be there", strerror(-error));
	return call_fail(call, FAILURE_FAILED, NULL, why, "try again when `getent passwd` answers");
}

static int owner_looked(struct call *call, int r)
{
	if (r == -ENAMETOOLONG) /* a user whom we could not serve */
		r = -ENOENT;
	call->owner_exists = r == 0;
	call->owner_doubt = r == -ENOENT ? 0 : r;
	return r;
}

int call_owner_look(struct call *call, const char *name)
{
	memset(&call->owner, 0, sizeof(call->owner));
	return owner_looked(call, passwd_by_name(name, &call->owner));
}

int call_owner_look_local(struct call *call, const char *name)
{
	memset(&call->owner, 0, sizeof(call->owner));
	return owner_looked(call, passwd_by_name_local(&call->broker->local, name, &call->owner));
}

enum failure call_transaction(struct call *call, const char *action, enum failure (*body)(struct call *call))
{
	struct store *store = call->broker->store;
	enum failure failure;
	int r = store_begin(store);

	if (r < 0)
		return call_fail_store(call, r);
	failure = body(call);
	if (failure == FAILURE_NONE && action != NULL) {
		r = audit_write(call, action, NULL);
		if (r < 0)
			failure = call_fail_store(call, r);
	}
	if (failure != FAILURE_NONE) {
		store_rollback(store);
		return failure;
	}
	r = store_commit(store);
	if (r < 0)
		return call_fail_store(call, r);
	if (action != NULL)
		audit_log(call, action, NULL);
	return FAILURE_NONE;
}

bool call_busy(const struct broker *broker, uint32_t uid, const struct call *except)
{
	for (const struct call *call = broker->calls; call != NULL; call = call->next)
		if (call != except && (call->account.uid == uid || (call->batch != NULL && call->batch->changes(call, uid))))
			return true;
	return false;
}

/* One text for "it does not exist" and "it is not yours" (nobody learns which). */
static enum failure no_such_account(struct call *call)
{
	memset(&call->account, 0, sizeof(call->account));
	return call_fail(call, FAILURE_NOT_FOUND, NULL, "there is no such sub-account", "see subuid list");
}

/* Changes are refused for an account that is being removed: the user who made one would lose it. */
enum failure call_account(struct call *call, enum account_for purpose)
{
	const struct request_name *name = request_name(&call->request);
	struct account account = { 0 };
	int r = store_account_get(call->broker->store, call->owner.name, name->label, &account);

	if (r == -ENOENT)
		return no_such_account(call);
	if (r < 0)
		return call_fail_store(call, r);
	if (!call->caller.admin && account.owner_uid != call->caller.uid)
		return no_such_account(call);
	if (purpose != TO_READ && call_busy(call->broker, account.uid, call))
		return call_fail(call, FAILURE_BUSY, NULL, "another change of it is under way", "try again");
	if (purpose == TO_CHANGE && account.state != ACCOUNT_ACTIVE) {
		maintain_in(call->broker, 0);
		return call_fail(call, FAILURE_BUSY, NULL,
				 account.state == ACCOUNT_REMOVING ? "it is being removed" : "it is not complete yet",
				 "try again");
	}
	if (purpose == TO_CHANGE && (call->operation->traits & TRAIT_OF_GOING) == 0 &&
	    withheld_removal(&call->broker->withheld, account.uid, NULL))
		return call_fail(call, FAILURE_BUSY, NULL, "its removal is pending: the store could not be written",
				 "wait until it is gone, or take that back: subuid unlock");
	call->account = account;
	if (withheld_has(&call->broker->withheld, account.uid, 0)) /* it counts, recorded or not */
		call->account.flags |= ACCOUNT_LOCKED;
	return FAILURE_NONE;
}

enum failure call_owner_same(struct call *call)
{
	char why[FAILURE_TEXT_MAX + 1];

	if (call->owner_exists && call->owner.uid == call->account.owner_uid)
		return FAILURE_NONE;
	if (call->owner_doubt != 0)
		return call_fail_doubt(call, call->owner_doubt);
	if (!call->owner_exists)
		return call_fail(call, FAILURE_CONFLICT, NULL, "its owner is not an account of this host any more",
				 "bring the owner back, or remove the sub-account");
	snprintf(why, sizeof(why), "made for uid %u, and %s is uid %u now", call->account.owner_uid, call->owner.name,
		 (unsigned)call->owner.uid);
	return call_fail(call, FAILURE_CONFLICT, NULL, why, "give the owner his uid back, or remove the sub-account");
}
