/* SPDX-License-Identifier: ISC */
/* The table of operations, and the steps that every call goes through before its handler. */
#include "subuidd/door/operation.h"

#include <errno.h>
#include <string.h>

#include "subuidd/op/import.h"
#include "subuidd/op/churn.h"
#include "subuidd/life/evidence.h"
#include "subuidd/base/log.h"
#include "subuidd/publish/publish.h"
#include "subuidd/wire/request.h"
#include "subuidd/call/room.h"

#define SYSTEM_UID_MAX 999u /* SYS_UID_MAX of login.defs(5) */

static const struct operation operations[] = {
	{ OP_STATUS, WHO_ANYONE, 0, "status", op_status },
	{ OP_ACCOUNT_ADD, WHO_OWNER,
	  TRAIT_CHANGES | TRAIT_NEEDS_OWNER | TRAIT_GIVES | TRAIT_GROWS | TRAIT_LINES | TRAIT_NO_SYSTEM,
	  "account.add", op_account_add },
	{ OP_ACCOUNT_GET, WHO_OWNER, TRAIT_IN_DOUBT, "account.get", op_account_get },
	{ OP_ACCOUNT_LIST, WHO_OWNER, TRAIT_IN_DOUBT | TRAIT_OF_OWNER, "account.list", op_account_list },
	{ OP_ACCOUNT_MODIFY, WHO_OWNER, TRAIT_CHANGES | TRAIT_GROWS, "account.modify", op_account_modify },
	/* Locking and removing go ahead with an index that cannot be written: the sessions end, the store says it. */
	{ OP_ACCOUNT_LOCK, WHO_OWNER, TRAIT_IN_DOUBT | TRAIT_OF_GOING, "account.lock", op_account_lock },
	{ OP_ACCOUNT_UNLOCK, WHO_OWNER, TRAIT_CHANGES | TRAIT_NEEDS_OWNER | TRAIT_GROWS | TRAIT_OF_GOING,
	  "account.unlock", op_account_unlock },
	{ OP_ACCOUNT_REMOVE, WHO_OWNER, TRAIT_LINES, "account.remove", op_account_remove },
	{ OP_ACCOUNT_MOUNT, WHO_OWNER, TRAIT_NEEDS_OWNER, "account.mount", op_account_mount },
	{ OP_KEY_ADD, WHO_OWNER, TRAIT_CHANGES | TRAIT_NEEDS_OWNER | TRAIT_GROWS, "key.add", op_key_add },
	{ OP_KEY_LIST, WHO_OWNER, TRAIT_IN_DOUBT, "key.list", op_key_list },
	{ OP_KEY_REMOVE, WHO_OWNER, TRAIT_IN_DOUBT | TRAIT_OF_GOING, "key.remove", op_key_remove },
	{ OP_RANGE_ADD, WHO_OWNER,
	  TRAIT_CHANGES | TRAIT_NEEDS_OWNER | TRAIT_GIVES | TRAIT_GROWS | TRAIT_LINES | TRAIT_NO_SYSTEM,
	  "range.add", op_range_add },
	{ OP_RANGE_LIST, WHO_OWNER, TRAIT_IN_DOUBT | TRAIT_OF_OWNER, "range.list", op_range_list },
	{ OP_RANGE_REMOVE, WHO_OWNER, TRAIT_CHANGES | TRAIT_LINES, "range.remove", op_range_remove },
	{ OP_LIMIT_GET, WHO_OWNER, TRAIT_IN_DOUBT | TRAIT_OF_OWNER, "limit.get", op_limit_get },
	{ OP_LIMIT_SET, WHO_ADMIN, TRAIT_GROWS | TRAIT_OF_OWNER, "limit.set", op_limit_set },
	{ OP_AUDIT_LIST, WHO_OWNER, TRAIT_IN_DOUBT, "audit.list", op_audit_list },
	{ OP_CHECK, WHO_OWNER, TRAIT_IN_DOUBT | TRAIT_OF_OWNER, "check", op_check },
	{ OP_TOMBSTONE_RELEASE, WHO_ROOT, TRAIT_GROWS, "tombstone.release", op_tombstone_release },
	{ OP_LIMIT_LIST, WHO_ROOT, 0, "limit.list", op_limit_list },
	{ OP_TOMBSTONE_LIST, WHO_ROOT, 0, "tombstone.list", op_tombstone_list },
	{ OP_RUN_LIST, WHO_OWNER, TRAIT_IN_DOUBT, "run.list", op_run_list },
	{ OP_STATE_SAVE, WHO_ROOT, 0, "state.save", op_state_save },
	{ OP_REPAIR, WHO_OWNER, 0, "repair", op_repair }, /* of what is nobody's: root */
	{ OP_IMPORT, WHO_ADMIN, TRAIT_CHANGES | TRAIT_NEEDS_OWNER | TRAIT_GROWS,
	  "import", op_import }, /* gives: import_continue() */
};

static const struct operation *operation_find(uint32_t op)
{
	for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++)
		if (operations[i].op == op)
			return &operations[i];
	return NULL;
}

static bool asks_for_all(const struct request *request)
{
	if (request->op == OP_REPAIR)
		return request->repair.repair != REPAIR_ACCOUNT && request->repair.place != PLACE_LINK;
	return wire_message(request->op)->list && request->list.all;
}

/* The name of the owner that is asked about; "": the caller. */
static const char *owner_asked(const struct request *request)
{
	const struct request_name *name = request_name(request);

	if (request->op == OP_LIMIT_SET)
		return request->limit_set.limit.owner;
	return name != NULL ? name->owner : "";
}

/* Decided from the caller and the names in the request, before anything is looked up: the same answer whether the
 * thing named exists or not. */
static enum failure permit(struct call *call)
{
	const struct caller *caller = &call->caller;
	const char *owner = owner_asked(&call->request);

	if (call->operation->who == WHO_ANYONE || caller->root)
		return FAILURE_NONE;
	if (call->operation->who == WHO_ROOT)
		return call_fail(call, FAILURE_NOT_PERMITTED, call->operation->action, "only root may do this", "");
	if (caller->admin)
		return FAILURE_NONE;
	if (caller->admin_doubt && (call->operation->who == WHO_ADMIN || asks_for_all(&call->request) ||
				    (owner[0] != '\0' && strcmp(owner, caller->name) != 0)))
		return call_fail(call, FAILURE_FAILED, call->operation->action,
				 "the user database does not answer, and says not who is in the admin group",
				 "try again when `getent group` answers");
	if (call->operation->who == WHO_ADMIN)
		return call_fail(call, FAILURE_NOT_PERMITTED, call->operation->action,
				 "only root and members of the admin group may do this", "ask your provider");
	if (!caller->ordinary)
		return call_fail(call, FAILURE_NOT_PERMITTED, caller->name, "this account cannot own sub-accounts",
				 "call as the owner");
	if (caller->uid <= SYSTEM_UID_MAX && (call->operation->traits & TRAIT_NO_SYSTEM) != 0)
		return call_fail(call, FAILURE_NOT_PERMITTED, caller->name, "a system user takes no ids by himself",
				 "have an administrator do it, with --owner");
	if (asks_for_all(&call->request) || (owner[0] != '\0' && strcmp(owner, caller->name) != 0))
		return call_fail(call, FAILURE_NOT_PERMITTED, owner[0] != '\0' ? owner : "all owners",
				 "only root and members of the admin group act for others",
				 "leave the owner out to act on your own accounts");
	return FAILURE_NONE;
}

/* About an owner as a whole; something may be left of one who no longer exists. */
static enum failure owner_known(struct call *call, const char *name)
{
	struct store *store = call->broker->store;
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

/* Operations allowed to root and the admin group while nobody can say whether the owner exists: looking, and those
 * that only take access away. A thief does not get to stay because a directory is down. */
static enum failure owner_in_doubt(struct call *call, const char *name, int error)
{
	if (!call->caller.admin || (call->operation->traits & TRAIT_IN_DOUBT) == 0)
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

static enum failure owner_resolve(struct call *call)
{
	const char *name = owner_asked(&call->request);
	int r;

	if (call->operation->who == WHO_ANYONE || call->operation->who == WHO_ROOT || asks_for_all(&call->request) || call->request.op == OP_IMPORT)
		return FAILURE_NONE;
	if (name[0] == '\0')
		name = call->caller.name;
	r = call_owner_look(call, name);
	if (r < 0)
		return r == -ENOENT ? owner_gone(call, name) : owner_in_doubt(call, name, r);
	if (!call->caller.admin && call->owner.uid != call->caller.uid)
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

/* Of what is left, nothing goes to changes that can wait. */
static enum failure room_there(struct call *call)
{
	struct broker *broker = call->broker;

	if (room_short(broker))
		return call_fail(call, FAILURE_FAILED, NULL, "the disk of " STATE_DIR " is nearly full",
				 "make room; lock, key remove and remove go on");
	if (call->request.op != OP_IMPORT) /* of which there are many in a row */
		room_keep(broker);
	return FAILURE_NONE;
}

static enum failure call_run(struct call *call);

static void call_goes_on(struct call *call)
{
	enum failure failure = call_run(call);

	if (failure != CALL_PENDING)
		call_finish(call, failure);
}

static enum failure call_run(struct call *call)
{
	struct broker *broker = call->broker;
	enum failure failure = FAILURE_NONE;
	int r = caller_name(&call->caller, broker->store, broker->settings.separator);

	if (r < 0)
		return call_fail_system(call, "who is calling cannot be found out", r);
	target_name(call);
	if (call->request.op != OP_IMPORT) /* each of its rows has its own */
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
	if ((call->operation->traits & TRAIT_CHANGES) != 0) {
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
	const struct operation *operation;
	struct call *call;
	enum failure failure;

	if (wire_request_check(message, size) < 0 || request_sound(request) < 0)
		return -EPROTO;
	operation = operation_find(request->op);
	if (operation == NULL)
		return -EPROTO;
	if (*pending != NULL)
		return import_continue(*pending, request);
	call = call_new(broker, operation, caller, sink, asker);
	if (call == NULL)
		return -ENOMEM;
	memcpy(&call->request, message, size);
	*pending = call;
	failure = call_run(call);
	if (request->op == OP_IMPORT)
		return import_begin(call, failure);
	if (failure != CALL_PENDING)
		call_finish(call, failure);
	return 0;
}
