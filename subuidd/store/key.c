/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <string.h>

#include "subuidd/store/sqlite.h"

static int key_read(sqlite3_stmt *row, struct ssh_key *key)
{
	int r = 0;

	*key = (struct ssh_key){.created = sqlite3_column_int64(row, 4), .expires = sqlite3_column_int64(row, 5)};
	r = r ?: column_u32(row, 0, &key->id);
	r = r ?: column_u32(row, 1, &key->uid);
	r = r ?: column_u32(row, 2, &key->role);
	r = r ?: column_u32(row, 3, &key->options);
	r = r ?: column_text(row, 6, key->from, sizeof(key->from));
	r = r ?: column_text(row, 7, key->type, sizeof(key->type));
	r = r ?: column_text(row, 8, key->comment, sizeof(key->comment));
	r = r ?: column_text(row, 9, key->fingerprint, sizeof(key->fingerprint));
	r = r ?: column_text(row, 10, key->blob, sizeof(key->blob));
	r = r ?: column_text(row, 11, key->tools, sizeof(key->tools));
	r = r ?: column_text(row, 12, key->forward, sizeof(key->forward));
	key->storage_quota = (uint64_t)sqlite3_column_int64(row, 13); /* CHECKed not to be negative */
	return r;
}

int store_key_insert(struct store *store, struct ssh_key *k)
{
	int r = store_save(store);

	if (r < 0)
		return r;
	r = store_run(store, SQL_KEY_INSERT,
		      VALUES(NUMBER(k->uid), NUMBER(k->role), NUMBER(k->options), NUMBER(k->created),
			     NUMBER(k->expires), TEXT(k->from), TEXT(k->type), TEXT(k->comment),
			     TEXT(k->fingerprint), TEXT(k->blob), TEXT(k->tools), TEXT(k->forward),
			     NUMBER(k->storage_quota)));
	r = store_save_end(store, r);
	if (r < 0)
		return r;
	k->id = (uint32_t)sqlite3_last_insert_rowid(store->db); /* CHECKed to be 32 bits wide */
	store->changed = true;
	return 0;
}

int store_key_get(struct store *store, uint32_t id, struct ssh_key *key)
{
	struct ssh_key found;
	int r = 0;
	sqlite3_stmt *row = store_query(store, SQL_KEY_GET, VALUES(NUMBER(id)), &r);

	if (row == NULL)
		return r;
	r = store_next(store, row);
	if (r == 1)
		r = key_read(row, &found) ?: 1;
	store_end(row);
	if (r < 0)
		return r;
	if (r == 0)
		return -ENOENT;
	*key = found;
	return 0;
}

int store_key_delete(struct store *store, uint32_t id)
{
	int r = store_save(store);

	if (r < 0)
		return r;
	r = store_run(store, SQL_KEY_DELETE, VALUES(NUMBER(id)));
	if (r == 0 && store_changes(store) == 0)
		r = -ENOENT;
	r = store_save_end(store, r);
	store->changed |= r == 0;
	return r;
}

int store_key_list(struct store *store, uint32_t uid, uint32_t after_id, struct ssh_key *rows, int max)
{
	enum store_statement id = uid == 0 ? SQL_KEY_LIST : SQL_KEY_LIST_UID;
	const struct store_value values[] = {NUMBER(after_id), NUMBER(max), NUMBER(uid)};
	int n = 0, r = 0;
	sqlite3_stmt *row = store_query(store, id, values, uid == 0 ? 2 : 3, &r);

	if (row == NULL)
		return r;
	while ((r = store_next(store, row)) == 1) {
		r = key_read(row, &rows[n]);
		if (r < 0)
			break;
		n++;
	}
	store_end(row);
	return r < 0 ? r : n;
}

int store_key_forwards(struct store *store, uint32_t uid)
{
	int r = 0;
	sqlite3_stmt *row = store_query(store, SQL_KEY_FORWARDS, VALUES(NUMBER(uid)), &r);

	if (row == NULL)
		return r;
	r = store_next(store, row);
	store_end(row);
	return r;
}
