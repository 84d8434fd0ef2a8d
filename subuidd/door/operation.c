/* SPDX-License-Identifier: ISC */
/* The table of operations, and the steps that every call goes through before its handler. */
#include "subuidd/door/operation.h"

#include <errno.h>
#include <string.h>

#include "account/id.h"
#include "subuidd/op/import.h"
#include "subuidd/change/churn.h"
#include "subuidd/life/evidence.h"
#include "subuidd/base/log.h"
#include "subuidd/publish/publish.h"
#include "subuidd/call/room.h"

#define OPERATION(op, method, who, traits, action, handler, ...) [op] = { op, who, traits, action, handler },
static const struct operation operations[OP_MAX_] = { OPERATIONS(OPERATION) };

static bool asks_for_all(const struct request *request)
{
	if (request->op == OP_REPAIR)
		return request->repair.repair != REPAIR_ACCOUNT && request->repair.place != PLACE_LINK;
	return wire_message(request->op)->list && (request->list.all || request->op == OP_LIMIT_LIST);
}

/* The name of the owner that the request is about; "": the caller. */
static const char *owner_asked(const struct request *request)
{
	const struct request_name *name = request_name(request);

	if (request->op == OP_LIMIT_SET)
		return request->limit_set.limit.owner;
	return name != NULL ? name->owner : "";
}

/* A sub-account, or an owner in a container, asks about itself: under its own name or, of a list, under none. The rows
 * of a list are its own, whatever is asked for (op/). */
static bool asks_for_itself(const struct call *call)
{
	const struct request_name *name = request_name(&call->request);
	const struct caller *caller = &call->caller;
	const unsigned trait = caller_is_account(caller) ? TRAIT_SELF : TRAIT_SELF_OWNER;

	return caller_asks_only(caller) && (call->operation->traits & trait) != 0 && !asks_for_all(&call->request) &&
	       caller->owner[0] != '\0' && name != NULL &&
	       (name->owner[0] == '\0' || strcmp(name->owner, caller->owner) == 0) &&
	       (name->label[0] == '\0' || strcmp(name->label, caller->label) == 0);
}

static enum failure contained_fail(struct call *call)
{
	if (call->caller.contained == CONTAINED_SOCKET)
		return call_fail(call, FAILURE_NOT_PERMITTED, call_method(call),
				 "this socket was made for one account, to ask about itself", "");
	if (call->caller.contained == CONTAINED_DOUBT)
		return call_fail(call, FAILURE_NOT_PERMITTED, call_method(call),
				 "it cannot be told whether you call from a container", "try again");
	return call_fail(call, FAILURE_NOT_PERMITTED, call_method(call),
			 "from a container (a user namespace) you may ask about yourself and change nothing",
			 "do it outside of the container");
}

/* Decided from the caller and the names in the request, before anything is looked up: the same answer whether the
 * thing named exists or not. */
static enum failure permit(struct call *call)
{
	const struct caller *caller = &call->caller;
	const char *owner = owner_asked(&call->request);

	if (call->operation->who == WHO_ANYONE || caller->root)
		return FAILURE_NONE;
	if (call->operation->who == WHO_ROOT && caller->contained == CONTAINED_NOT)
		return call_fail(call, FAILURE_NOT_PERMITTED, call_method(call), "only root may do this", "");
	if (caller->admin || asks_for_itself(call))
		return FAILURE_NONE;
	if (caller->contained != CONTAINED_NOT)
		return contained_fail(call);
	if (caller->admin_doubt && (call->operation->who == WHO_ADMIN || asks_for_all(&call->request) ||
				    (owner[0] != '\0' && strcmp(owner, caller->name) != 0)))
		return call_fail(call, FAILURE_FAILED, call_method(call),
				 "the user database does not answer, so it is unknown who is in the admin group",
				 "try again when `getent group` answers");
	if (call->operation->who == WHO_ADMIN)
		return call_fail(call, FAILURE_NOT_PERMITTED, call_method(call),
				 "only root and members of the admin group may do this", "ask your provider");
	if (!caller->ordinary)
		return call_fail(call, FAILURE_NOT_PERMITTED, caller->name, "this account cannot own sub-accounts",
				 "call as the owner");
	if (caller->uid <= SYSTEM_UID_MAX && (call->operation->traits & TRAIT_NO_SYSTEM) != 0)
		return call_fail(call, FAILURE_NOT_PERMITTED, caller->name, "a system user cannot take ids for itself",
				 "have an administrator do it, with --owner");
	if (asks_for_all(&call->request) || (owner[0] != '\0' && strcmp(owner, caller->name) != 0))
		return call_fail(call, FAILURE_NOT_PERMITTED, owner[0] != '\0' ? owner : "all owners",
				 "only root and members of the admin group act for others",
				 "leave the owner out to act on your own accounts");
	return FAILURE_NONE;
}

/* About an owner as a whole; an owner who no longer exists may have left something. */
static enum failure owner_known(struct call *call, const char *name)
{
	struct store *store = call->store;
	uint32_t accounts = 0, units = 0;
	struct limit limit;
	int r = store_account_count(store, name, &accounts);

	if (r >= 0)
		r = store_range_units(store, name, &units);
	if (r < 0)
		return call_fail_store(call, r);
	if (accounts > 0 || units > 0)
		return FAILURE_NONE;
	r = store_limit_get(store, name, &limit);
	if (r == -ENOENT)
		return call_fail(call, FAILURE_NOT_FOUND, name, "there is no such account on this host",
				 "check the name of the owner");
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static void owner_named(struct call *call, const char *name)
{
	memset(&call->owner, 0, sizeof(call->owner));
	memcpy(call->owner.name, name, strnlen(name, sizeof(call->owner.name) - 1));
}

/* Operations allowed to root and the admin group while it is unknown whether the owner exists: looking, and those that
 * only take access away. A thief must not be able to stay because a directory is down. */
static enum failure owner_in_doubt(struct call *call, const char *name, int error)
{
	if ((!call->caller.admin && !caller_asks_only(&call->caller)) ||
	    (call->operation->traits & TRAIT_IN_DOUBT) == 0)
		return call_fail_doubt(call, error);
	owner_named(call, name);
	return FAILURE_NONE;
}

static enum failure owner_gone(struct call *call, const char *name)
{
	if ((call->operation->traits & TRAIT_NEEDS_OWNER) != 0)
		return call_fail(call, FAILURE_NOT_FOUND, name, "there is no such account on this host",
				 "check the name of the owner");
	owner_named(call, name);
	return (call->operation->traits & TRAIT_OF_OWNER) != 0 ? owner_known(call, name) : FAILURE_NONE;
}

/* The user of this name is the one who calls, or the one for whom the caller may ask. */
static bool owner_is_callers(const struct call *call)
{
	const struct caller *caller = &call->caller;

	if (caller->admin || caller_is_account(caller))
		return true;
	return call->owner.uid == (caller_asks_only(caller) ? caller->owner_uid : caller->uid);
}

static enum failure owner_resolve(struct call *call)
{
	const char *name = owner_asked(&call->request);
	int r;

	if (call->operation->who == WHO_ANYONE || call->operation->who == WHO_ROOT || asks_for_all(&call->request) ||
	    wire_message(call->request.op)->import)
		return FAILURE_NONE;
	if (name[0] == '\0')
		name = caller_asks_only(&call->caller) ? call->caller.owner : call->caller.name;
	r = call_owner_look(call, name);
	if (r < 0)
		return r == -ENOENT ? owner_gone(call, name) : owner_in_doubt(call, name, r);
	if (!owner_is_callers(call))
		return call_fail(call, FAILURE_NOT_PERMITTED, name, "this name and your uid are not the same account",
				 "ask the administrator of the host");
	return owner_check(&call->owner, call->broker->settings.separator, &call->answer.failure);
}

/* "alice+web1", "alice" or "", for the texts and the audit trail. */
static void target_name(struct call *call)
{
	const struct request_name *name = request_name(&call->request);
	const char *owner = owner_asked(&call->request);
	char joined[ACCOUNT_NAME_MAX + 1];

	if (owner[0] == '\0' && call->caller.ordinary)
		owner = call->caller.name;
	if (call->operation->who == WHO_ANYONE || call->operation->who == WHO_ROOT || asks_for_all(&call->request))
		return;
	if (name != NULL && name_join(owner, call->broker->settings.separator, name->label, joined) == 0)
		memcpy(call->target, joined, strlen(joined));
	else
		text_escape(name != NULL && name->label[0] != '\0' ? name->label : owner, call->target,
			    sizeof(call->target));
}

/* The remaining room is not for changes that can wait. */
static enum failure room_there(struct call *call)
{
	struct broker *broker = call->broker;

	if (room_short(broker))
		return call_fail(call, FAILURE_FAILED, NULL, "the disk of " STATE_DIR " is nearly full",
				 "make room; lock, key remove and remove go on");
	/* of imports there are many in a row */
	if (!wire_message(call->request.op)->import && !call->request.dry_run)
		room_keep(broker);
	return FAILURE_NONE;
}

static enum failure call_run(struct call *call);

static void call_goes_on(struct call *call)
{
	call_finish(call, call_run(call));
}

static enum failure call_run(struct call *call)
{
	struct broker *broker = call->broker;
	enum failure failure = FAILURE_NONE;
	int r = caller_name(&call->caller, broker->store, broker->settings.separator);

	if (r < 0)
		return call_fail_system(call, "it cannot be found out who is calling", r);
	target_name(call);
	if (!wire_message(call->request.op)->import) /* each of its rows has its own */
		failure = request_shape(&call->request, broker->settings.separator, &call->answer.failure);
	if (failure == FAILURE_NONE)
		failure = permit(call);
	if (failure == FAILURE_NONE)
		failure = owner_resolve(call);
	if (failure == FAILURE_NONE && (call->operation->traits & TRAIT_GROWS) != 0)
		failure = room_there(call);
	if (failure != FAILURE_NONE)
		return failure;
	if ((call->operation->traits & TRAIT_GIVES) != 0 && evidence_holds(call, call_goes_on))
		return CALL_PENDING;
	if ((call->operation->traits & TRAIT_CHANGES) != 0)
		failure = churn_change(call);
	if (failure != FAILURE_NONE)
		return failure;
	if ((call->operation->traits & TRAIT_CHANGES) != 0 && !call->request.dry_run) {
		r = publication_repair(broker->publication);
		if (r < 0)
			return call_fail_system(call, "the index cannot be written", r);
	}
	return call->operation->handle(call);
}

int operation_receive(struct broker *broker, const struct caller *caller, const struct call_sink *sink, void *asker,
		      const void *message, size_t size, struct call **pending)
{
	const struct request *request = message;
	struct call *call;
	enum failure failure;

	if (wire_request_check(message, size) < 0 || request_sound(request) < 0)
		return -EPROTO;
	if (*pending != NULL)
		return import_continue(*pending, request);
	call = call_new(broker, &operations[request->op], caller, sink, asker);
	if (call == NULL)
		return -ENOMEM;
	memcpy(&call->request, message, size);
	*pending = call;
	failure = call_run(call);
	if (wire_message(request->op)->import)
		return import_begin(call, failure);
	call_finish(call, failure);
	return 0;
}
