/* SPDX-License-Identifier: ISC */
/*
 * The keys with which owners manage their accounts over ssh. Run by the broker. Such a key belongs to a user of the
 * host: no process is ended when it goes, since those of its uid may be anything of theirs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "account/fingerprint.h"
#include "account/role.h"
#include "confine/cleanup.h"
#include "subuidd/change/key.h"
#include "subuidd/door/operation.h"
#include "subuidd/life/urgent.h"
#include "subuidd/op/key.h"
#include "subuidd/publish/publish.h"

/* Of call->owner, by its name and this uid (0: any): the one with this id, fingerprint or blob (0 and NULL: none).
 * *count: how many there are. */
static int find(struct call *call, uint32_t uid, uint32_t id, const char *fingerprint, const char *blob,
		uint32_t *count)
{
	cleanup_free struct ssh_key *rows = calloc(WIRE_KEY_BATCH, sizeof(*rows));
	uint32_t after = 0;
	int n, r = -ENOENT;

	if (rows == NULL)
		return -ENOMEM;
	*count = 0;
	while ((n = store_manage_list(call->store, call->owner.name, uid, after, rows, WIRE_KEY_BATCH)) > 0)
		for (int i = 0; i < n; i++) {
			after = rows[i].id;
			*count += 1;
			if ((id != 0 && rows[i].id == id) ||
			    (fingerprint != NULL && strcmp(rows[i].fingerprint, fingerprint) == 0) ||
			    (blob != NULL && strcmp(rows[i].blob, blob) == 0)) {
				call->key = rows[i];
				r = 0;
			}
		}
	return n < 0 ? n : r;
}

static enum failure there_already(struct call *call)
{
	const struct ssh_key *asked = &call->request.key_add.key;
	enum failure failure = key_stays(call, &call->key);

	if (failure != FAILURE_NONE)
		return failure;
	if (strcmp(call->key.from, asked->from) != 0 || call->key.expires != asked->expires)
		return call_fail(call, FAILURE_EXISTS, NULL, "this key already exists, with another from or expires",
				 "remove the key and add it anew");
	call->answer.key = call->key;
	return FAILURE_NONE;
}

static enum failure body_add(struct call *call)
{
	int r = store_manage_insert(call->store, &call->key);

	if (r == -EEXIST)
		return call_fail(call, FAILURE_EXISTS, NULL, "another user of this uid has this key",
				 "give another key, or remove that one");
	if (r < 0)
		return call_fail_store(call, r);
	key_describe(&call->key, call->detail, sizeof(call->detail));
	call->answer.key = call->key;
	return FAILURE_NONE;
}

static enum failure added(struct call *call, enum failure failure)
{
	if (failure != FAILURE_NONE)
		return failure;
	return call_published(call, "the key is saved", publish_key(call->broker->publication, &call->key));
}

enum failure op_manage_key_add(struct call *call)
{
	uint32_t count = 0;
	int r = find(call, call->owner.uid, 0, NULL, call->request.key_add.key.blob, &count);
	enum failure failure;

	if (r == 0)
		return there_already(call);
	if (r != -ENOENT)
		return call_fail_store(call, r);
	failure = key_limit_check(call, call->owner.name, count);
	if (failure != FAILURE_NONE)
		return failure;
	call->key = call->request.key_add.key;
	call->key.uid = call->owner.uid;
	memcpy(call->key.owner, call->owner.name, sizeof(call->key.owner));
	call->key.created = time(NULL);
	if (key_fingerprint(&call->key) < 0)
		return call_fail(call, FAILURE_INVALID, "key", "it has no fingerprint", KEY_LINE_TODO);
	return call_act(call, call->operation->action, body_add, added);
}

/* Keys that a former user of the name has left are nothing to the one who has it now: another uid. Those who act for
 * others see them, and can remove them. */
static uint32_t uid_of(const struct call *call)
{
	return call->caller.admin ? 0 : call->caller.uid;
}

enum failure op_manage_key_list(struct call *call)
{
	cleanup_free struct ssh_key *rows = calloc(WIRE_KEY_BATCH, sizeof(*rows));
	cleanup_free struct answer *row = calloc(1, sizeof(*row));
	const struct request_list *list = &call->request.list;
	int n;

	if (rows == NULL || row == NULL)
		return call_fail_system(call, "the list", -ENOMEM);
	if (list->cursor > UINT32_MAX)
		return call_fail(call, FAILURE_INVALID, "cursor", "not one of this list", "");
	n = store_manage_list(call->store, list->all ? NULL : call->owner.name, uid_of(call), (uint32_t)list->cursor,
			      rows, WIRE_KEY_BATCH);
	if (n < 0)
		return call_fail_store(call, n);
	for (int i = 0; i < n; i++) {
		memset(row, 0, sizeof(*row));
		row->key = rows[i];
		call->answer.cursor = rows[i].id;
		call_row(call, row);
	}
	call->answer.more = n == WIRE_KEY_BATCH;
	return FAILURE_NONE;
}

static enum failure body_remove(struct call *call)
{
	int r = store_manage_delete(call->store, call->key.id);

	key_describe(&call->key, call->detail, sizeof(call->detail));
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure removed(struct call *call, enum failure failure)
{
	int r, noted = 0;

	if (failure == FAILURE_NONE)
		urgent_done(call->broker, WITHHELD_OWNERS, call->key.id);
	else /* before the index may be rebuilt from a store that still has it */
		noted = urgent_add(call->broker, WITHHELD_OWNERS, call->key.id);
	r = publish_key_gone(call->broker->publication, &call->key);
	if (failure == FAILURE_NONE)
		return call_published(call, "the key is removed", r);
	return key_unrecorded(call, r < 0 ? "the key can log in again" : "the key is refused from now on", noted);
}

enum failure op_manage_key_remove(struct call *call)
{
	const struct request_key_remove *request = &call->request.key_remove;
	uint32_t count;
	const char *fingerprint = request->id == 0 ? request->fingerprint : NULL;
	int r = call->owner_exists ? find(call, call->owner.uid, request->id, fingerprint, NULL, &count) : -ENOENT;

	if (r == -ENOENT)
		r = find(call, uid_of(call), request->id, fingerprint, NULL, &count);

	if (r == -ENOENT)
		return call_fail(call, FAILURE_NOT_FOUND, NULL, "there is no such key", "see subuid manage-key list");
	if (r < 0)
		return call_fail_store(call, r);
	return call_act(call, call->operation->action, body_remove, removed);
}
