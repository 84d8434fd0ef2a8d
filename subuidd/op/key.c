/* SPDX-License-Identifier: ISC */
/* Keys of an account. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "account/fingerprint.h"
#include "account/role.h"
#include "confine/cleanup.h"
#include "subuidd/op/limit.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/op/key.h"
#include "subuidd/publish/publish.h"
#include "subuidd/life/urgent.h"
#include "subuidd/door/operation.h"

int key_prepare(const struct ssh_key *asked, uint32_t uid, struct ssh_key *key)
{
	*key = *asked;
	key->id = 0;
	key->uid = uid;
	key->created = time(NULL);
	return key_fingerprint(key);
}

/* A key for a tool that does not exist would admit and then refuse. The name has been checked. */
enum failure key_tools_there(struct call *call, const struct ssh_key *key)
{
	static const char *const places[] = { TOOLS_ADMIN_DIR, TOOLS_SHIPPED_DIR };
	const char *next = key->tools, *name;
	char path[256], why[FAILURE_TEXT_MAX + 1];
	size_t length;

	while ((length = tools_next(&next, &name)) > 0) {
		bool found = false;

		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && !found; i++) {
			snprintf(path, sizeof(path), "%s/%.*s.conf", places[i], (int)length, name);
			found = access(path, F_OK) == 0;
		}
		if (found)
			continue;
		snprintf(why, sizeof(why), "there is neither a role nor a tool %.*s", (int)length, name);
		return call_fail(call, FAILURE_INVALID, "role", why,
				 "use push, blind, pull, sync, forward or a tool of " TOOLS_ADMIN_DIR);
	}
	return FAILURE_NONE;
}

bool keys_equal(const struct ssh_key *a, const struct ssh_key *b)
{
	return strcmp(a->type, b->type) == 0 && strcmp(a->blob, b->blob) == 0 && a->role == b->role &&
	       strcmp(a->tools, b->tools) == 0 && strcmp(a->forward, b->forward) == 0 &&
	       a->storage_quota == b->storage_quota &&
	       a->options == b->options && a->expires == b->expires && strcmp(a->from, b->from) == 0;
}

void key_describe(const struct ssh_key *key, char *text, size_t size)
{
	char roles[ROLES_TEXT_MAX + 1];

	snprintf(text, size, "key %u %s, role %.90s, options %u%s%.50s%s%.50s", key->id, key->fingerprint,
		 roles_format(key, roles) > 0 ? roles : "?", key->options,
		 key->forward[0] != '\0' ? ", forward " : "", key->forward, key->from[0] != '\0' ? ", from " : "",
		 key->from);
}

int key_find(struct store *store, uint32_t uid, const char *blob, const char *fingerprint, struct ssh_key *key,
	     uint32_t *count)
{
	cleanup_free struct ssh_key *rows = calloc(WIRE_KEY_BATCH, sizeof(*rows));
	uint32_t after = 0;
	int n, r = -ENOENT;

	if (rows == NULL)
		return -ENOMEM;
	*count = 0;
	while ((n = store_key_list(store, uid, after, rows, WIRE_KEY_BATCH)) > 0)
		for (int i = 0; i < n; i++) {
			after = rows[i].id;
			*count += 1;
			if ((blob != NULL && strcmp(rows[i].blob, blob) == 0) ||
			    (fingerprint != NULL && strcmp(rows[i].fingerprint, fingerprint) == 0)) {
				*key = rows[i];
				r = 0;
			}
		}
	return n < 0 ? n : r;
}

enum failure key_insert(struct call *call, uint32_t id)
{
	char why[FAILURE_TEXT_MAX + 1];
	uint32_t highest = 0;
	int r = id != 0 ? store_key_highest(call->broker->store, &highest) : 0;

	if (r == 0)
		r = store_key_insert_as(call->broker->store, &call->key, id > highest && id <= KEY_ID_KEPT_MAX ? id : 0);
	if (r == -EEXIST) {
		snprintf(why, sizeof(why), "the key %s already exists", call->key.fingerprint);
		return call_fail(call, FAILURE_EXISTS, NULL, why, "remove it first to change what it may do");
	}
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

/* The limit and the conflict, then the row: all in one transaction. */
static enum failure body_key_add(struct call *call)
{
	struct ssh_key present;
	struct limit limit;
	char why[FAILURE_TEXT_MAX + 1];
	uint32_t count = 0;
	enum failure failure;
	int r = limit_of(call, call->account.owner, &limit);

	if (r >= 0)
		r = key_find(call->broker->store, call->account.uid, call->key.blob, NULL, &present, &count);
	if (r < 0 && r != -ENOENT)
		return call_fail_store(call, r);
	if (r == -ENOENT && count >= limit.keys) {
		snprintf(why, sizeof(why), "%u of %u keys are in use", count, limit.keys);
		return call_fail(call, FAILURE_LIMIT_REACHED, NULL, why, "remove one, or ask for a higher limit");
	}
	failure = key_insert(call, 0);
	key_describe(&call->key, call->detail, sizeof(call->detail));
	return failure;
}

enum failure op_key_add(struct call *call)
{
	enum failure failure = call_account(call, TO_CHANGE);
	struct ssh_key present;
	uint32_t count = 0;
	int r;

	if (failure == FAILURE_NONE)
		failure = call_owner_same(call);
	if (failure != FAILURE_NONE)
		return failure;
	if (key_prepare(&call->request.key_add.key, call->account.uid, &call->key) < 0)
		return call_fail(call, FAILURE_INVALID, "key", "it has no fingerprint", "");
	failure = key_tools_there(call, &call->key);
	if (failure != FAILURE_NONE)
		return failure;
	/* The same key once more, for the same use, is no change. */
	if (key_find(call->broker->store, call->account.uid, call->key.blob, NULL, &present, &count) == 0 &&
	    keys_equal(&present, &call->key)) {
		call->answer.key = present;
		return FAILURE_NONE;
	}
	failure = call_transaction(call, call->operation->action, body_key_add);
	if (failure != FAILURE_NONE)
		return failure;
	r = publish_key(call->broker->publication, &call->key);
	if (r >= 0 && call->key.forward[0] != '\0')
		r = publish_account(call->broker->publication, &call->account);
	if (r < 0)
		return call_fail_system(call, "the key is saved, but the index cannot be written", r);
	call->answer.key = call->key;
	return FAILURE_NONE;
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
	n = store_key_list(call->broker->store, call->account.uid, (uint32_t)cursor, rows, WIRE_KEY_BATCH);
	if (n < 0)
		return call_fail_store(call, n);
	for (int i = 0; i < n; i++) {
		memset(row, 0, sizeof(*row));
		row->key = rows[i];
		r = store_key_used(call->broker->store, rows[i].id, &row->key_used);
		if (r < 0 && r != -ENOENT)
			return call_fail_store(call, r);
		call->answer.cursor = rows[i].id;
		call_row(call, row);
	}
	call->answer.more = n == WIRE_KEY_BATCH;
	return FAILURE_NONE;
}

static enum failure body_key_remove(struct call *call)
{
	int r = store_key_delete(call->broker->store, call->key.id);

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

/* The store does not take it: it counts all the same. published, noted: the results of that. */
static enum failure key_unrecorded(struct call *call, int published, int noted)
{
	char reason[FAILURE_TEXT_MAX + 1], why[FAILURE_TEXT_MAX + 1];

	snprintf(reason, sizeof(reason), "%s", call->answer.failure.why);
	snprintf(why, sizeof(why), "%s, but its removal is not recorded: %.100s",
		 published < 0 ? "the sessions end, and the key can log in again" : "the key is refused from now on", reason);
	return call_fail(call, FAILURE_FAILED, NULL, why,
			 noted < 0 ? "it is tried again; a restart of subuidd would forget it" : "it is tried again");
}

/* A key of another account is not found, as one that does not exist. The account's sessions end: sshd asks for a
 * key when a connection begins, so an open connection could go on for ever with a key that is gone. */
enum failure op_key_remove(struct call *call)
{
	const struct request_key_remove *request = &call->request.key_remove;
	struct store *store = call->broker->store;
	enum failure failure = call_account(call, TO_CHANGE);
	uint32_t count = 0;
	int r, noted = 0;

	if (failure != FAILURE_NONE)
		return failure;
	if (request->id != 0)
		r = store_key_get(store, request->id, &call->key);
	else
		r = key_find(store, call->account.uid, NULL, request->fingerprint, &call->key, &count);
	if (r < 0 && r != -ENOENT)
		return call_fail_store(call, r);
	if (r < 0 || call->key.uid != call->account.uid)
		return call_fail(call, FAILURE_NOT_FOUND, NULL, "it has no such key", "see subuid key list");
	failure = call_transaction(call, call->operation->action, body_key_remove);
	if (failure == FAILURE_NONE)
		urgent_done(call->broker, call->account.uid, call->key.id);
	else /* before the index may be rebuilt from a store that still has it */
		noted = urgent_add(call->broker, call->account.uid, call->key.id);
	r = publish_key_gone(call->broker->publication, &call->key);
	if (r >= 0 && call->key.forward[0] != '\0')
		r = publish_account_locked(call->broker->publication, &call->account); /* as it is: without that key */
	if (failure != FAILURE_NONE)
		failure = key_unrecorded(call, r, noted);
	else if (r < 0)
		failure = call_fail_system(call, "the key is removed, but the index cannot be written", r);
	call->answer.failure.failure = failure;
	r = removal_sessions_end(call->broker, call->account.uid, key_ended, call);
	return r == 1 ? CALL_PENDING : key_sessions(call, failure, r);
}
