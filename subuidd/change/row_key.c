/* SPDX-License-Identifier: ISC */
/* A row that is a key of an account. Run by the broker, in the open transaction. */
#include "subuidd/change/key.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "account/date.h"
#include "account/fingerprint.h"
#include "account/password.h"
#include "account/role.h"
#include "account/shell.h"
#include "confine/cleanup.h"
#include "subuidd/change/change.h"
#include "subuidd/change/name.h"
#include "subuidd/change/churn.h"
#include "subuidd/publish/publish.h"

/* A key for a tool that does not exist would admit and then refuse. The name has been checked. */
static enum failure tools_there(struct call *call, const struct ssh_key *key)
{
	static const char *const places[] = { TOOLS_ADMIN_DIR, TOOLS_SHIPPED_DIR };
	const char *next = key->tools, *name;
	char path[256], why[FAILURE_TEXT_MAX + 1];
	size_t length;

	while ((length = tools_next(&next, &name)) > 0) {
		bool found = role_built_in(name, length);

		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && !found; i++) {
			snprintf(path, sizeof(path), "%s/%.*s.conf", places[i], (int)length, name);
			found = access(path, F_OK) == 0;
		}
		if (found)
			continue;
		snprintf(why, sizeof(why), "there is neither a role nor a tool %.*s", (int)length, name);
		return call_fail(call, FAILURE_INVALID, "role", why,
				 "use push, blind, pull, sync, shell, command, forward or a tool of " TOOLS_ADMIN_DIR);
	}
	return FAILURE_NONE;
}

/* The same key for the same use; comments may differ. */
static bool keys_equal(const struct ssh_key *there, const struct ssh_key *asked)
{
	struct ssh_key same = *asked;

	memcpy(same.comment, there->comment, sizeof(same.comment));
	return strcmp(there->type, asked->type) == 0 && strcmp(there->blob, asked->blob) == 0 &&
	       record_equal(&key_record, there, &same);
}

void key_describe(const struct ssh_key *key, char *text, size_t size)
{
	char roles[ROLES_TEXT_MAX + 1], options[KEY_OPTIONS_TEXT_MAX], end[DATE_MINUTE_MAX + 1] = "never";

	if (key->expires != 0)
		date_format_minute(key->expires, end);
	snprintf(text, size, "%s %u %s, role %.90s%s, expires %s%s%.50s%s%.30s%s%.50s%s%.80s",
		 key_is_password(key) ? PASSWORD_TYPE : "key", key->id, key->fingerprint,
		 roles_format(key, roles) > 0 ? roles : "?", key_options_text(key->options, options), end,
		 key->forward[0] != '\0' ? ", forward " : "", key->forward, key->net[0] != '\0' ? ", net " : "",
		 key->net, key->from[0] != '\0' ? ", from " : "", key->from,
		 key->command[0] != '\0' ? ", command " : "", key->command);
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

enum failure key_limit_check(struct call *call, const char *owner, uint32_t count)
{
	struct limit limit;
	char why[FAILURE_TEXT_MAX + 1];
	int r = limit_of(call, owner, &limit);

	if (r < 0)
		return call_fail_store(call, r);
	if (count < limit.keys)
		return FAILURE_NONE;
	snprintf(why, sizeof(why), "%u of %u keys are in use", count, limit.keys);
	return call_fail(call, FAILURE_LIMIT_REACHED, NULL, why, "remove one, or ask for a higher limit");
}

/* Of an account with passwords sshd forwards nothing: it decides that before it knows with which of them, or with which
 * key, somebody comes. */
static enum failure password_fits(struct call *call, const struct ssh_key *key)
{
	const uint32_t uid = call->account.uid, cost = passwords_cost(&call->broker->settings);
	int other = key_is_password(key)    ? store_key_forwards(call->store, uid) :
		    key->forward[0] != '\0' ? store_key_passwords(call->store, uid) :
					      0;

	if (other < 0)
		return call_fail_store(call, other);
	if (other > 0)
		return call_fail(call, FAILURE_CONFLICT, "role",
				 "an account has either passwords or keys of the role forward",
				 "use another account for one of them");
	if (!key_is_password(key) || key->hash[0] == '\0') /* one that is changed keeps its hash */
		return FAILURE_NONE;
	if (cost == 0)
		return call_fail(call, FAILURE_INVALID, "password", "this host takes no passwords",
				 "root may switch them on: [passwords] of subuidd.conf(5)");
	if (!password_hash_shaped(key->hash, cost))
		return call_fail(call, FAILURE_INVALID, "password", "not made as this host makes them", "try it again");
	return FAILURE_NONE;
}

enum failure key_stays(struct call *call, const struct ssh_key *key)
{
	if (!withheld_key(&call->broker->withheld, key))
		return FAILURE_NONE;
	return call_fail(call, FAILURE_BUSY, NULL, "the removal of the key is pending",
			 "add the key anew when it is gone");
}

static enum failure there_already(struct call *call, struct change_row *row, const struct ssh_key *there)
{
	enum failure failure = key_stays(call, there);

	if (failure != FAILURE_NONE)
		return failure;
	if (!keys_equal(there, &row->request.key))
		return call_fail(call, FAILURE_EXISTS, NULL, "this key already exists, and may do something else",
				 "remove the key and add it anew to change what it may do");
	row->request.key = *there;
	return row_present(row);
}

/* With the id that it had elsewhere, if no key ever had it here; and with the broker's own time and fingerprint. */
static enum failure insert(struct call *call, struct change_row *row)
{
	const struct request_import *asked = &row->request;
	struct store *store = call->store;
	struct ssh_key *key = &call->key;
	uint32_t highest = 0, id;
	int r = asked->key_id != 0 ? store_key_highest(store, &highest) : 0;

	*key = asked->key;
	key->uid = call->account.uid;
	key->created = asked->created != 0 ? asked->created : time(NULL);
	if (key_fingerprint(key) < 0)
		return call_fail(call, FAILURE_INVALID, "key", "it has no fingerprint", KEY_LINE_TODO);
	id = asked->key_id > highest && asked->key_id <= KEY_ID_KEPT_MAX ? asked->key_id : 0;
	if (r == 0)
		r = store_key_insert_as(store, key, id);
	explicit_bzero(key->hash, sizeof(key->hash)); /* the store has it, for the verifier alone */
	if (r == 0 && asked->used != 0)
		r = store_key_use(store, key->id, key->uid, asked->used);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

/* What the trail says beside key_describe() when a key is changed. */
static void describe_change(const struct ssh_key *was, const struct ssh_key *key, char *text, size_t size)
{
	size_t used;

	key_describe(key, text, size);
	used = strlen(text);
	if (strcmp(key->blob, was->blob) != 0)
		snprintf(text + used, size - used, ", before %s", was->fingerprint);
}

/* As any other of its account it may be there once only. */
static enum failure blob_free(struct call *call, const struct ssh_key *key)
{
	struct ssh_key there;
	char why[FAILURE_TEXT_MAX + 1];
	uint32_t count;
	int r = key_find(call->store, call->account.uid, key->blob, NULL, &there, &count);

	if (r == -ENOENT || (r == 0 && there.id == key->id))
		return FAILURE_NONE;
	if (r < 0)
		return call_fail_store(call, r);
	snprintf(why, sizeof(why), "this key already exists, as key %u of the account", there.id);
	return call_fail(call, FAILURE_EXISTS, NULL, why, "give another key, or remove that one first");
}

/* call->key is the key as it was: what follows goes by both. */
static enum failure change(struct call *call, struct change_row *row)
{
	struct ssh_key *key = &row->request.key;
	const struct ssh_key *was = &call->key;
	enum failure failure;
	int r;

	if (strcmp(key->blob, was->blob) == 0 && record_equal(&key_record, key, was))
		return row_present(row);
	failure = blob_free(call, key);
	if (failure == FAILURE_NONE && strcmp(key->blob, was->blob) != 0)
		failure = former_key_free(call, call->account.owner, call->account.label, call->account.uid, key->blob);
	if (failure == FAILURE_NONE && strcmp(key->tools, was->tools) != 0)
		failure = tools_there(call, key);
	if (failure == FAILURE_NONE)
		failure = password_fits(call, key);
	if (failure != FAILURE_NONE)
		return failure;
	if (key_fingerprint(key) < 0)
		return call_fail(call, FAILURE_INVALID, "key", "it has no fingerprint", KEY_LINE_TODO);
	r = store_key_update(call->store, key);
	if (r < 0)
		return call_fail_store(call, r);
	describe_change(was, key, call->detail, sizeof(call->detail));
	return row_made(call, row, "key.change");
}

enum failure key_run(struct call *call, struct change_row *row)
{
	struct ssh_key there;
	uint32_t count = 0;
	enum failure failure = row_account(call, row);
	int r;

	if (failure != FAILURE_NONE)
		return failure;
	if (row->changes != 0)
		return change(call, row);
	r = key_find(call->store, call->account.uid, row->request.key.blob, NULL, &there, &count);
	if (r == 0)
		return there_already(call, row, &there);
	if (r != -ENOENT)
		return call_fail_store(call, r);
	if (row_apart(call, row))
		return call_fail(call, FAILURE_EXISTS, NULL, "there already, without this key",
				 "choose another label, or use subuid key add");
	failure = former_key_free(call, call->account.owner, call->account.label, call->account.uid,
				  row->request.key.blob);
	if (failure == FAILURE_NONE)
		failure = key_limit_check(call, call->account.owner, count);
	if (failure == FAILURE_NONE)
		failure = tools_there(call, &row->request.key);
	if (failure == FAILURE_NONE)
		failure = password_fits(call, &row->request.key);
	if (failure == FAILURE_NONE)
		failure = insert(call, row);
	if (failure != FAILURE_NONE)
		return failure;
	row->request.key = call->key;
	key_describe(&call->key, call->detail, sizeof(call->detail));
	return row_made(call, row, "key.add");
}

/* Of one that is changed, what it was is in call->key: another blob is gone once the new one is there. */
int key_publish(struct call *call, const struct change_row *row)
{
	struct publication *publication = call->broker->publication;
	const struct ssh_key *key = &row->request.key, *was = row->changes != 0 ? &call->key : key;
	int r = publish_key(publication, key);

	if (r >= 0 && strcmp(was->blob, key->blob) != 0)
		r = publish_key_gone(publication, was);
	return r >= 0 && (key->forward[0] != '\0' || was->forward[0] != '\0' || key_is_password(key)) ?
		       publish_account(publication, &row->account) :
		       r;
}
