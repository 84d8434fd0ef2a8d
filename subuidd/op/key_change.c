/* SPDX-License-Identifier: ISC */
/*
 * Changes a key of an account in place: what it may do, or the key itself. Its row keeps its id, and the new state
 * replaces the old one in one transaction and in the index at once, so that there is no moment without a valid key. Run
 * by the broker.
 */
#include <errno.h>
#include <string.h>

#include "account/password.h"
#include "account/role.h"
#include "subuidd/change/change.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/op/key.h"
#include "subuidd/door/operation.h"
#include "subuidd/wire/request.h"

/* The key that it becomes. */
static struct ssh_key changed_key(const struct ssh_key *was, const struct request_key_change *change)
{
	struct ssh_key key = *was;
	uint32_t options = change->clear_options ? 0 : was->options;

	record_take(&key_record, &key, &change->key, change->set);
	key.options = options | ((change->set & 1u << KEY_ROW_OPTIONS) != 0 ? change->key.options : 0);
	return key;
}

static bool tools_within(const char *tools, const char *of)
{
	const char *name;
	size_t length;

	while ((length = tools_next(&tools, &name)) > 0)
		if (!tools_have(of, name, length))
			return false;
	return true;
}

/* What the role of rsync and the options take away. Only the plain cases: else it counts as less. */
static bool role_widens(const struct ssh_key *was, const struct ssh_key *key)
{
	const uint32_t takes = KEY_OPTIONS_END - 1u - KEY_NO_FAKE_SUPER - KEY_TTY;
	bool role =
		key->role == was->role || was->role == ROLE_NONE || (key->role == ROLE_SYNC && was->role != ROLE_BLIND);

	return role && ((key->options & ~was->options) & takes) == 0 &&
	       ((key->options ^ was->options) & KEY_NO_FAKE_SUPER) == 0 && tools_within(was->tools, key->tools) &&
	       (was->options & ~key->options & KEY_TTY) == 0 && strcmp(was->command, key->command) == 0 &&
	       (was->net[0] == '\0' || strcmp(was->net, key->net) == 0) &&
	       (was->forward[0] == '\0' || strcmp(was->forward, key->forward) == 0);
}

/* It may do all that it could before: what runs on it may go on. */
static bool widens(const struct ssh_key *was, const struct ssh_key *key)
{
	return strcmp(was->blob, key->blob) == 0 && role_widens(was, key) &&
	       (key->from[0] == '\0' || strcmp(was->from, key->from) == 0) &&
	       (key->expires == 0 || (was->expires != 0 && key->expires >= was->expires)) &&
	       (key->storage_quota == 0 || (was->storage_quota != 0 && key->storage_quota >= was->storage_quota));
}

static enum failure sessions_ended(struct call *call, enum failure failure, int ended)
{
	if (ended < 0 && failure == FAILURE_NONE)
		failure = call_fail_system(call, "the key is changed, but the sessions of its account cannot be ended",
					   ended);
	return failure;
}

static void key_ended(void *data, int status)
{
	struct call *call = data;

	call_finish(call, sessions_ended(call, call->answer.failure.failure, status));
}

/* sshd asks for a key when a connection begins: one that is open would keep the rights that it had, as with a key that
 * is removed. */
static enum failure key_answer(struct call *call)
{
	const struct change_row *row = &call->change->rows[0];
	enum failure failure = change_failed(call);
	bool made = row->outcome == IMPORT_MADE || row->action[0] != '\0';
	int r;

	if (failure == FAILURE_NONE)
		call->answer.key = row->request.key;
	if (!made || call->request.dry_run || widens(&call->key, &row->request.key))
		return failure;
	call->answer.failure.failure = failure;
	r = removal_sessions_end(call->broker, call->account.uid, key_ended, call);
	return r == 1 ? CALL_PENDING : sessions_ended(call, failure, r);
}

enum failure op_key_change(struct call *call)
{
	const struct request_key_change *change = &call->request.key_change;
	enum failure failure = call_account(call, TO_CHANGE);
	struct change_row *row;
	struct ssh_key key;

	if (failure == FAILURE_NONE)
		failure = key_named(call, change->id, change->fingerprint);
	if (failure == FAILURE_NONE && withheld_has(&call->broker->withheld, call->account.uid, call->key.id))
		failure = call_fail(call, FAILURE_BUSY, NULL, "the removal of the key is pending",
				    "add the key anew when it is gone");
	if (failure == FAILURE_NONE && key_is_password(&call->key) && (change->set & KEY_ROWS_ITSELF) != 0)
		failure = call_fail(call, FAILURE_INVALID, "key", "a password does not become a key",
				    "add the key, and remove the password");
	if (failure != FAILURE_NONE)
		return failure;
	key = changed_key(&call->key, change);
	failure = request_key_shape(&key, &call->answer.failure);
	if (failure != FAILURE_NONE)
		return failure;
	if (change_open(call, 1, key_answer) < 0)
		return call_fail_system(call, "the key", -ENOMEM);
	row = change_add(call, IMPORT_KEY, change->name.label);
	row->request.key = key;
	row->changes = call->key.id;
	return change_run(call);
}
