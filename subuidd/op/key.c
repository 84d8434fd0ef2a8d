/* SPDX-License-Identifier: ISC */
/* Keys of an account. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/password.h"
#include "confine/cleanup.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/change/change.h"
#include "subuidd/change/key.h"
#include "subuidd/op/key.h"
#include "subuidd/publish/publish.h"
#include "subuidd/life/urgent.h"
#include "subuidd/door/operation.h"

static enum failure key_answer(struct call *call)
{
	enum failure failure = change_failed(call);

	if (failure == FAILURE_NONE)
		call->answer.key = call->change->rows[0].request.key;
	return failure;
}

enum failure op_key_add(struct call *call)
{
	const struct request_key_add *add = &call->request.key_add;

	if (change_open(call, 1, key_answer) < 0)
		return call_fail_system(call, "the key", -ENOMEM);
	change_add(call, IMPORT_KEY, add->name.label)->request.key = add->key;
	return change_run(call);
}

enum failure op_key_list(struct call *call)
{
	cleanup_free struct ssh_key *rows = calloc(WIRE_KEY_BATCH, sizeof(*rows));
	cleanup_free struct answer *row = calloc(1, sizeof(*row));
	bool all = call->request.list.all; /* of everybody: account.uid stays 0 */
	enum failure failure = all ? FAILURE_NONE : call_account(call, TO_READ);
	uint64_t cursor = call->request.list.cursor;
	int n, r;

	if (failure != FAILURE_NONE)
		return failure;
	if (rows == NULL || row == NULL)
		return call_fail_system(call, "the list", -ENOMEM);
	if (cursor > UINT32_MAX)
		return call_fail(call, FAILURE_INVALID, "cursor", "not one of this list", "");
	n = store_key_list(call->store, call->account.uid, (uint32_t)cursor, rows, WIRE_KEY_BATCH);
	if (n < 0)
		return call_fail_store(call, n);
	for (int i = 0; i < n; i++) {
		memset(row, 0, sizeof(*row));
		row->key = rows[i];
		r = store_key_used(call->store, rows[i].id, &row->key_used);
		if (r < 0 && r != -ENOENT)
			return call_fail_store(call, r);
		call->answer.cursor = rows[i].id;
		call_row(call, row);
	}
	call->answer.more = n == WIRE_KEY_BATCH;
	return FAILURE_NONE;
}

enum failure key_named(struct call *call, uint32_t id, const char *fingerprint)
{
	uint32_t count = 0;
	int r = id != 0 ? store_key_get(call->store, id, &call->key) :
			  key_find(call->store, call->account.uid, NULL, fingerprint, &call->key, &count);

	if (r < 0 && r != -ENOENT)
		return call_fail_store(call, r);
	if (r < 0 || call->key.uid != call->account.uid)
		return call_fail(call, FAILURE_NOT_FOUND, NULL, "it has no such key", "see subuid key list");
	return FAILURE_NONE;
}

static enum failure body_key_remove(struct call *call)
{
	int r = store_key_delete(call->store, call->key.id);

	key_describe(&call->key, call->detail, sizeof(call->detail));
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure key_sessions(struct call *call, enum failure failure, int ended)
{
	if (ended < 0 && failure == FAILURE_NONE)
		failure = call_fail_system(call, "the key is removed, but the sessions of its account cannot be ended",
					   ended);
	return failure;
}

static void key_ended(void *data, int status)
{
	struct call *call = data;

	call_finish(call, key_sessions(call, call->answer.failure.failure, status));
}

enum failure key_unrecorded(struct call *call, const char *so, int noted)
{
	char reason[FAILURE_TEXT_MAX + 1], why[FAILURE_TEXT_MAX + 1];

	snprintf(reason, sizeof(reason), "%s", call->answer.failure.why);
	snprintf(why, sizeof(why), "%s, but its removal is not recorded: %.100s", so, reason);
	return call_fail(call, FAILURE_FAILED, NULL, why,
			 noted < 0 ? "it is tried again; a restart of subuidd would forget it" : "it is tried again");
}

/* The account's sessions end: sshd asks for a key when a connection begins, so an open connection could go on for ever
 * with a key that is gone. */
static enum failure key_removed(struct call *call, enum failure failure)
{
	int r, noted = 0;

	if (failure == FAILURE_NONE)
		urgent_done(call->broker, call->account.uid, call->key.id);
	else /* before the index may be rebuilt from a store that still has it */
		noted = urgent_add(call->broker, call->account.uid, call->key.id);
	r = publish_key_gone(call->broker->publication, &call->key);
	if (r >= 0 && (call->key.forward[0] != '\0' || key_is_password(&call->key)))
		r = publish_account_locked(call->broker->publication, &call->account); /* as it is: without that key */
	if (failure != FAILURE_NONE)
		failure = key_unrecorded(call,
					 r < 0 ? "the sessions end, and the key can log in again" :
						 "the key is refused from now on",
					 noted);
	else
		failure = call_published(call, "the key is removed", r);
	call->answer.failure.failure = failure;
	r = removal_sessions_end(call->broker, call->account.uid, key_ended, call);
	return r == 1 ? CALL_PENDING : key_sessions(call, failure, r);
}

/* A key of another account is not found, as one that does not exist. */
enum failure op_key_remove(struct call *call)
{
	const struct request_key_remove *request = &call->request.key_remove;
	enum failure failure = call_account(call, TO_CHANGE);

	if (failure == FAILURE_NONE)
		failure = key_named(call, request->id, request->fingerprint);
	if (failure != FAILURE_NONE)
		return failure;
	return call_act(call, call->operation->action, body_key_remove, key_removed);
}
