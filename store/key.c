/* SPDX-License-Identifier: ISC */
/* The rows of ssh keys. */
#include <errno.h>
#include <string.h>

#include "store/sqlite.h"

static int key_read(sqlite3_stmt *row, void *out)
{
	static const char type[] = "abcdefghijklmnopqrstuvwxyz0123456789@.-";
	static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
	struct ssh_key key = { .created = sqlite3_column_int64(row, 4), .expires = sqlite3_column_int64(row, 5) };
	int r = 0;

	r = r ?: column_u32(row, 0, &key.id);
	r = r ?: column_u32(row, 1, &key.uid);
	r = r ?: column_u32(row, 2, &key.role);
	r = r ?: column_u32(row, 3, &key.options);
	r = r ?: column_text(row, 6, key.from, sizeof(key.from));
	r = r ?: column_of(row, 7, key.type, sizeof(key.type), type);
	r = r ?: column_text(row, 8, key.comment, sizeof(key.comment));
	r = r ?: column_text(row, 9, key.fingerprint, sizeof(key.fingerprint));
	r = r ?: column_of(row, 10, key.blob, sizeof(key.blob), base64);
	r = r ?: column_text(row, 11, key.tools, sizeof(key.tools));
	r = r ?: column_text(row, 12, key.forward, sizeof(key.forward));
	r = r ?: column_text(row, 14, key.command, sizeof(key.command));
	r = r ?: column_text(row, 15, key.net, sizeof(key.net));
	key.storage_quota = (uint64_t)sqlite3_column_int64(row, 13);
	if (r == 0 && (key.type[0] == '\0' || key.blob[0] == '\0' || key.expires < 0 || key.storage_quota > INT64_MAX))
		r = -EUCLEAN;
	if (r == 0)
		*(struct ssh_key *)out = key;
	return r;
}

int store_key_insert(struct store *store, struct ssh_key *key)
{
	return store_key_insert_as(store, key, 0);
}

int store_key_insert_as(struct store *store, struct ssh_key *k, uint32_t id)
{
	int r = store_save(store);

	if (r < 0)
		return r;
	r = store_run(store, SQL_KEY_INSERT,
		      VALUES(NUMBER(k->uid), NUMBER(k->role), NUMBER(k->options), NUMBER(k->created),
			     NUMBER(k->expires), TEXT(k->from), TEXT(k->type), TEXT(k->comment), TEXT(k->fingerprint),
			     TEXT(k->blob), TEXT(k->tools), TEXT(k->forward), NUMBER(k->storage_quota),
			     TEXT(k->command), TEXT(k->net), NUMBER_OR_NULL(id), TEXT(k->hash)));
	r = store_save_publish(store, r);
	if (r == 0)
		k->id = (uint32_t)sqlite3_last_insert_rowid(store->db); /* CHECKed to be 32 bits wide */
	return r;
}

int store_key_highest(struct store *store, uint32_t *id)
{
	int64_t highest = 0;
	int r = store_one(store, SQL_KEY_HIGHEST, NULL, 0, number_read, &highest);

	if (r == 0 || r == -ENOENT)
		*id = (uint32_t)highest; /* CHECKed to be 32 bits wide, and never raised by anything wider */
	return r == -ENOENT ? 0 : r;
}

int store_key_use(struct store *store, uint32_t id, uint32_t uid, int64_t when)
{
	return store_change(store, SQL_KEY_USE, VALUES(NUMBER(id), NUMBER(uid), NUMBER(when)));
}

int store_key_get(struct store *store, uint32_t id, struct ssh_key *key)
{
	return store_one(store, SQL_KEY_GET, VALUES(NUMBER(id)), key_read, key);
}

static int update(struct store *store, const struct ssh_key *k)
{
	int r = store_run(store, SQL_KEY_UPDATE,
			  VALUES(NUMBER(k->id), NUMBER(k->role), NUMBER(k->options), NUMBER(k->expires), TEXT(k->from),
				 TEXT(k->type), TEXT(k->comment), TEXT(k->fingerprint), TEXT(k->blob), TEXT(k->tools),
				 TEXT(k->forward), NUMBER(k->storage_quota), TEXT(k->command), TEXT(k->net)));

	return r == 0 && store_changes(store) == 0 ? -ENOENT : r;
}

int store_key_update(struct store *store, const struct ssh_key *key)
{
	int r = store_save(store);

	return r < 0 ? r : store_save_publish(store, update(store, key));
}

int store_key_delete(struct store *store, uint32_t id)
{
	int r = store_change_one(store, SQL_KEY_DELETE, VALUES(NUMBER(id)));

	store->changed |= r == 0;
	return r;
}

int store_key_list(struct store *store, uint32_t uid, uint32_t after_id, struct ssh_key *rows, int max)
{
	enum store_statement id = uid == 0 ? SQL_KEY_LIST : SQL_KEY_LIST_UID;
	const struct store_value values[] = { NUMBER(after_id), NUMBER(max), NUMBER(uid) };
	int n = store_list(store, id, values, uid == 0 ? 2 : 3, key_read, rows, sizeof(*rows));

	return store_ascending(n, &rows->id, sizeof(*rows), after_id);
}

static int has_one(struct store *store, enum store_statement statement, uint32_t uid)
{
	int64_t one;
	int r = store_one(store, statement, VALUES(NUMBER(uid)), number_read, &one);

	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

int store_key_forwards(struct store *store, uint32_t uid)
{
	return has_one(store, SQL_KEY_FORWARDS, uid);
}

int store_key_passwords(struct store *store, uint32_t uid)
{
	return has_one(store, SQL_KEY_PASSWORDS, uid);
}

static int hash_read(sqlite3_stmt *row, void *out)
{
	return column_text(row, 0, out, PASSWORD_HASH_MAX + 1);
}

int store_key_hash(struct store *store, uint32_t id, char hash[PASSWORD_HASH_MAX + 1])
{
	return store_one(store, SQL_KEY_HASH, VALUES(NUMBER(id)), hash_read, hash);
}

int store_key_rehash(struct store *store, uint32_t id, const char *was, const char *hash)
{
	int r = store_save(store);

	if (r < 0)
		return r;
	r = store_run(store, SQL_KEY_REHASH, VALUES(NUMBER(id), TEXT(was), TEXT(hash)));
	return store_save_publish(store, r == 0 && store_changes(store) == 0 ? -ENOENT : r);
}

/* ---- keys with which owners manage their accounts */

static int manage_read(sqlite3_stmt *row, void *out)
{
	struct ssh_key key;
	int r = key_read(row, &key);

	if (r == 0)
		r = column_owner(row, 16, key.owner);
	key.role = ROLE_MANAGE;
	if (r == 0)
		*(struct ssh_key *)out = key;
	return r;
}

int store_manage_insert(struct store *store, struct ssh_key *k)
{
	int r = store_save(store);

	if (r < 0)
		return r;
	r = store_run(store, SQL_MANAGE_INSERT,
		      VALUES(TEXT(k->owner), NUMBER(k->uid), NUMBER(k->created), NUMBER(k->expires), TEXT(k->from),
			     TEXT(k->type), TEXT(k->comment), TEXT(k->fingerprint), TEXT(k->blob)));
	r = store_save_publish(store, r);
	if (r == 0)
		k->id = (uint32_t)sqlite3_last_insert_rowid(store->db); /* CHECKed to be 32 bits wide */
	return r;
}

int store_manage_get(struct store *store, uint32_t id, struct ssh_key *key)
{
	return store_one(store, SQL_MANAGE_GET, VALUES(NUMBER(id)), manage_read, key);
}

int store_manage_delete(struct store *store, uint32_t id)
{
	int r = store_change_one(store, SQL_MANAGE_DELETE, VALUES(NUMBER(id)));

	store->changed |= r == 0;
	return r;
}

int store_manage_list(struct store *store, const char *owner, uint32_t uid, uint32_t after_id, struct ssh_key *rows,
		      int max)
{
	const struct store_value values[] = { NUMBER(after_id), NUMBER(max), TEXT(owner != NULL ? owner : ""),
					      NUMBER(uid) };
	int n = store_list(store, owner == NULL ? SQL_MANAGE_LIST : SQL_MANAGE_LIST_OWNER, values,
			   owner == NULL ? 2 : 4, manage_read, rows, sizeof(*rows));

	return store_ascending(n, &rows->id, sizeof(*rows), after_id);
}
