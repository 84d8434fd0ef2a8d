/* SPDX-License-Identifier: ISC */
/* Code that the handlers of all operations share: failures in words, transactions, the account that is meant. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "subuidd/call/call.h"
#include "subuidd/call/former.h"
#include "subuidd/base/log.h"
#include "subuidd/call/maintain.h"
#include "subuidd/life/urgent.h"

#define AGAIN_SECONDS 30u

const char *call_method(const struct call *call)
{
	return wire_message(call->operation->op)->method;
}

enum failure call_again_later(struct call *call, enum failure failure)
{
	call->broker->unfinished = true;
	maintain_in(call->broker, AGAIN_SECONDS);
	return failure;
}

enum failure call_fail(struct call *call, enum failure failure, const char *what, const char *why, const char *todo)
{
	if (what == NULL)
		what = call->target[0] != '\0' ? call->target : call_method(call);
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
	log_error("%s: %s: store: %s", call->operation->action, call->target, store_error(call->store));
	return call_fail_system(call, error == -EUCLEAN ? "the store is damaged" : "the store cannot be written",
				error);
}

enum failure call_published(struct call *call, const char *so, int r)
{
	char doing[FAILURE_TEXT_MAX + 1];

	snprintf(doing, sizeof(doing), "%s, but the index cannot be written", so);
	return r < 0 ? call_fail_system(call, doing, r) : FAILURE_NONE;
}

enum failure call_fail_doubt(struct call *call, int error)
{
	char why[FAILURE_TEXT_MAX + 1];

	log_error("%s: %s: the user database does not answer: %s", call->operation->action, call->target,
		  strerror(-error));
	snprintf(why, sizeof(why), "the user database does not answer (%s), and the owner may exist", strerror(-error));
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

enum failure call_body_nothing(struct call *call)
{
	(void)call;
	return FAILURE_NONE;
}

enum failure call_body_account(struct call *call)
{
	int r = store_account_update(call->store, &call->account);

	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

enum failure call_transaction(struct call *call, const char *action, enum failure (*body)(struct call *call))
{
	struct store *store = call->store;
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
	if (failure != FAILURE_NONE || call->request.dry_run) {
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

enum failure call_act(struct call *call, const char *action, enum failure (*body)(struct call *call),
		      enum failure (*after)(struct call *call, enum failure failure))
{
	enum failure failure = call_transaction(call, action, body);

	return call->request.dry_run ? failure : after(call, failure);
}

bool call_busy(const struct broker *broker, uint32_t uid, const struct call *except)
{
	for (const struct call *call = broker->calls; call != NULL; call = call->next)
		if (call != except && !call->overtaken &&
		    (call->account.uid == uid || (call->batch != NULL && call->batch->changes(call, uid))))
			return true;
	return false;
}

/* One text for "it does not exist" and "it is not yours" (nobody learns which). */
static enum failure no_such_account(struct call *call)
{
	memset(&call->account, 0, sizeof(call->account));
	return call_fail(call, FAILURE_NOT_FOUND, NULL, "there is no such sub-account", "see subuid list");
}

/* It may have been called so: the owner and administrators are told what became of it. */
static enum failure no_account_named(struct call *call, const char *owner, const char *label)
{
	char why[FAILURE_TEXT_MAX + 1], todo[FAILURE_TEXT_MAX + 1];
	struct former_name former;
	struct account account;

	if (!former_known(call->broker, call->store, owner, label, &former) ||
	    store_account_by_uid(call->store, former.uid, &account) < 0 ||
	    (!call->caller.admin && account.owner_uid != call->caller.uid))
		return no_such_account(call);
	former_words(call->broker, &former, &account, why, todo);
	memset(&call->account, 0, sizeof(call->account));
	return call_fail(call, FAILURE_NOT_FOUND, NULL, why, todo);
}

/* The same for one that its owner had: they are told that it can be taken back. */
static enum failure account_gone(struct call *call, const char *label)
{
	struct removed rows[16];
	struct account kept;
	uint32_t after = 0;
	char todo[FAILURE_TEXT_MAX + 1];
	int n;

	while ((n = store_removed_listed(call->store, call->owner.name, after, rows, 16)) > 0) {
		for (int i = 0; i < n; i++) {
			after = rows[i].uid;
			if (strcmp(rows[i].label, label) != 0 || rows[i].when == 0 ||
			    store_kept_account(call->store, after, &kept) < 0 ||
			    (!call->caller.admin && kept.owner_uid != call->caller.uid))
				continue;
			snprintf(todo, sizeof(todo), "take that back: subuid restore %s; or see subuid list --removed",
				 label);
			memset(&call->account, 0, sizeof(call->account));
			return call_fail(call, FAILURE_NOT_FOUND, NULL, "it was removed", todo);
		}
	}
	return no_account_named(call, call->owner.name, label);
}

/* Changes are refused for an account that is being removed: the user who made one would lose it. */
enum failure call_account_take(struct call *call, const struct account *account, enum account_for purpose)
{
	if (!caller_sees(&call->caller, account->owner_uid, account->uid))
		return no_such_account(call);
	if (purpose != TO_READ && call_busy(call->broker, account->uid, call))
		return call_fail(call, FAILURE_BUSY, NULL, "another change of it is under way", "try again");
	if ((purpose == TO_CHANGE && account->state != ACCOUNT_ACTIVE) ||
	    (purpose == TO_REMOVE && account->state == ACCOUNT_MOVING)) {
		maintain_in(call->broker, 0);
		return call_fail(call, FAILURE_BUSY, NULL,
				 account->state == ACCOUNT_REMOVING ? "it is being removed" :
				 account->state == ACCOUNT_MOVING   ? "its name is being changed" :
								      "it is not complete yet",
				 "try again");
	}
	if (purpose == TO_CHANGE && (call->operation->traits & TRAIT_OF_GOING) == 0 &&
	    withheld_removal(&call->broker->withheld, account->uid, NULL))
		return call_fail(call, FAILURE_BUSY, NULL, "its removal is pending: the store could not be written",
				 "wait until it is gone, or take that back: subuid unlock");
	call->account = *account;
	if (withheld_has(&call->broker->withheld, account->uid, 0)) /* it counts, recorded or not */
		call->account.flags |= ACCOUNT_LOCKED;
	return FAILURE_NONE;
}

enum failure call_account(struct call *call, enum account_for purpose)
{
	const struct request_name *name = request_name(&call->request);
	struct account account = { 0 };
	int r = store_account_get(call->store, call->owner.name, name->label, &account);

	if (r < 0)
		return r == -ENOENT ? account_gone(call, name->label) : call_fail_store(call, r);
	return call_account_take(call, &account, purpose);
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
				 "give it to the owner's new name (root): subuid owner OLD NEW; or remove it");
	snprintf(why, sizeof(why), "made for uid %u, and %s is uid %u now", call->account.owner_uid, call->owner.name,
		 (unsigned)call->owner.uid);
	return call_fail(
		call, FAILURE_CONFLICT, NULL, why,
		"if it is the same person (root): subuid owner OLD NEW, with this name for both; or remove it");
}
