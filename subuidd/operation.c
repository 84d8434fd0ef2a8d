/* SPDX-License-Identifier: ISC */
/* The table of operations, and the steps that every call goes through before its handler. */
#include "subuidd/operation.h"

#include <errno.h>
#include <string.h>

#include "subuidd/op/import.h"
#include "subuidd/op/churn.h"
#include "subuidd/evidence.h"
#include "subuidd/log.h"
#include "subuidd/publish.h"
#include "subuidd/request.h"
#include "subuidd/room.h"

#define SYSTEM_UID_MAX 999u /* SYS_UID_MAX of login.defs(5) */

static const struct operation operations[] = {
	{ OP_STATUS, WHO_ANYONE, false, false, false, "status", op_status },
	{ OP_ACCOUNT_ADD, WHO_OWNER, true, true, true, "account.add", op_account_add },
	{ OP_ACCOUNT_GET, WHO_OWNER, false, false, false, "account.get", op_account_get },
	{ OP_ACCOUNT_LIST, WHO_OWNER, false, false, false, "account.list", op_account_list },
	{ OP_ACCOUNT_MODIFY, WHO_OWNER, true, false, false, "account.modify", op_account_modify },
	/* Locking and removing go ahead with an index that cannot be written: the sessions end, the store says it. */
	{ OP_ACCOUNT_LOCK, WHO_OWNER, false, false, false, "account.lock", op_account_lock },
	{ OP_ACCOUNT_UNLOCK, WHO_OWNER, true, true, false, "account.unlock", op_account_unlock },
	{ OP_ACCOUNT_REMOVE, WHO_OWNER, false, false, false, "account.remove", op_account_remove },
	{ OP_ACCOUNT_MOUNT, WHO_OWNER, false, true, false, "account.mount", op_account_mount },
	{ OP_KEY_ADD, WHO_OWNER, true, true, false, "key.add", op_key_add },
	{ OP_KEY_LIST, WHO_OWNER, false, false, false, "key.list", op_key_list },
	{ OP_KEY_REMOVE, WHO_OWNER, false, false, false, "key.remove", op_key_remove },
	{ OP_RANGE_ADD, WHO_OWNER, true, true, true, "range.add", op_range_add },
	{ OP_RANGE_LIST, WHO_OWNER, false, false, false, "range.list", op_range_list },
	{ OP_RANGE_REMOVE, WHO_OWNER, true, false, false, "range.remove", op_range_remove },
	{ OP_LIMIT_GET, WHO_OWNER, false, false, false, "limit.get", op_limit_get },
	{ OP_LIMIT_SET, WHO_ADMIN, false, false, false, "limit.set", op_limit_set },
	{ OP_AUDIT_LIST, WHO_OWNER, false, false, false, "audit.list", op_audit_list },
	{ OP_CHECK, WHO_OWNER, false, false, false, "check", op_check },
	{ OP_TOMBSTONE_RELEASE, WHO_ROOT, false, false, false, "tombstone.release", op_tombstone_release },
	{ OP_LIMIT_LIST, WHO_ROOT, false, false, false, "limit.list", op_limit_list },
	{ OP_TOMBSTONE_LIST, WHO_ROOT, false, false, false, "tombstone.list", op_tombstone_list },
	{ OP_RUN_LIST, WHO_OWNER, false, false, false, "run.list", op_run_list },
	{ OP_STATE_SAVE, WHO_ROOT, false, false, false, "state.save", op_state_save },
	{ OP_REPAIR, WHO_OWNER, false, false, false, "repair", op_repair }, /* nobody's things: root */
	{ OP_IMPORT, WHO_ADMIN, true, true, false, "import", op_import }, /* gives: import_continue() */
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
	switch (request->op) {
	case OP_ACCOUNT_LIST:
	case OP_KEY_LIST:
	case OP_RANGE_LIST:
	case OP_AUDIT_LIST:
	case OP_RUN_LIST:
	case OP_CHECK:
		return request->list.all;
	case OP_REPAIR:
		return request->repair.repair != REPAIR_ACCOUNT && request->repair.place != PLACE_LINK;
	default:
		return false;
	}
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
	/* A service that was taken over would get a login that stays, and ids for namespaces. */
	if (caller->uid <= SYSTEM_UID_MAX && (call->operation->op == OP_ACCOUNT_ADD || call->operation->op == OP_RANGE_ADD))
		return call_fail(call, FAILURE_NOT_PERMITTED, caller->name, "a system user takes no ids by himself",
				 "have an administrator do it, with --owner");
	if (asks_for_all(&call->request) || (owner[0] != '\0' && strcmp(owner, caller->name) != 0))
		return call_fail(call, FAILURE_NOT_PERMITTED, owner[0] != '\0' ? owner : "all owners",
				 "only root and members of the admin group act for others",
				 "leave the owner out to act on your own accounts");
	return FAILURE_NONE;
}

/* About an owner as a whole; something may be left of one who no longer exists. */
static bool asks_of_owner(uint32_t op)
{
	return op == OP_ACCOUNT_LIST || op == OP_RANGE_LIST || op == OP_CHECK || op == OP_LIMIT_GET || op == OP_LIMIT_SET;
}

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
static bool goes_on_in_doubt(const struct call *call)
{
	switch (call->request.op) {
	case OP_ACCOUNT_GET:
	case OP_ACCOUNT_LIST:
	case OP_ACCOUNT_LOCK:
	case OP_KEY_LIST:
	case OP_KEY_REMOVE:
	case OP_RANGE_LIST:
	case OP_LIMIT_GET:
	case OP_AUDIT_LIST:
	case OP_CHECK:
	case OP_RUN_LIST:
		return call->caller.admin;
	default:
		return false;
	}
}

static enum failure owner_in_doubt(struct call *call, const char *name, int error)
{
	if (!goes_on_in_doubt(call))
		return call_fail_doubt(call, error);
	owner_named(call, name);
	return FAILURE_NONE;
}

static enum failure owner_gone(struct call *call, const char *name)
{
	if (call->operation->needs_owner)
		return call_fail(call, FAILURE_NOT_FOUND, name, "there is no such account on this host",
				 "check the name of the owner");
	owner_named(call, name);
	return asks_of_owner(call->request.op) ? owner_known(call, name) : FAILURE_NONE;
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
	if (failure == FAILURE_NONE && room_needed(call->request.op))
		failure = room_there(call);
	if (failure != FAILURE_NONE)
		return failure;
	if (call->operation->gives && evidence_holds(call, call_goes_on))
		return CALL_PENDING;
	if (call->operation->changes)
		failure = churn_change(call);
	if (failure != FAILURE_NONE)
		return failure;
	if (call->operation->changes) {
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
