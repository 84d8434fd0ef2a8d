/* SPDX-License-Identifier: ISC */
/*
 * The names of accounts, which may change: the rows say the new name at once, and a row of former_names the one that
 * directory and link have still. Run by the broker (root).
 */
#include <errno.h>
#include <string.h>

#include "store/sqlite.h"

static int former_read(sqlite3_stmt *row, void *out)
{
	struct former_name former = { .seq = (uint64_t)sqlite3_column_int64(row, 0),
				      .when = sqlite3_column_int64(row, 5),
				      .known = sqlite3_column_int64(row, 6) };
	int r = 0;

	r = r ?: column_owner(row, 1, former.owner);
	r = r ?: column_label(row, 2, former.label);
	r = r ?: column_u32(row, 3, &former.uid);
	r = r ?: column_u32(row, 4, &former.owner_uid);
	r = r ?: column_u32(row, 7, &former.moving);
	if (r == 0)
		*(struct former_name *)out = former;
	return r;
}

/* ---- the change */

static int rename_one(struct store *store, uint32_t uid, const char *label, int64_t when, int64_t known)
{
	int r = store_run(store, SQL_FORMER_PRESENT, VALUES(NUMBER(uid)));

	if (r == 0)
		r = store_run(store, SQL_FORMER_BEGIN, VALUES(NUMBER(uid), NUMBER(when), NUMBER(known)));
	if (r == 0 && store_changes(store) != 1)
		r = -ENOENT;
	if (r == 0)
		r = store_run(store, SQL_ACCOUNT_RENAME, VALUES(NUMBER(uid), TEXT(label)));
	return r < 0 ? r : store_run(store, SQL_FORMER_PRESENT, VALUES(NUMBER(uid)));
}

int store_account_rename(struct store *store, uint32_t uid, const char *label, int64_t when, int64_t known)
{
	int r = store_save(store);

	return r < 0 ? r : store_save_publish(store, rename_one(store, uid, label, when, known));
}

/* In this order: ranges belong to the owner of their account, and what was set aside is found by its tombstone. */
static int change_rows(struct store *store, const struct owner_change *c)
{
	static const enum store_statement statements[] = { SQL_OWNER_ACCOUNTS, SQL_OWNER_RANGES, SQL_OWNER_REMOVED,
							   SQL_OWNER_IDS };
	int r = store_run(store, SQL_OWNER_BEGIN, VALUES(TEXT(c->to), NUMBER(c->to_uid)));

	for (size_t i = 0; r == 0 && i < sizeof(statements) / sizeof(statements[0]); i++)
		r = store_run(store, statements[i],
			      (const struct store_value[]){ TEXT(c->from), NUMBER(c->from_uid), TEXT(c->to),
							    NUMBER(c->to_uid) },
			      statements[i] == SQL_OWNER_REMOVED ? 3 : 4);
	return r < 0 ? r : store_run(store, SQL_OWNER_END, NULL, 0);
}

/* Those of a person whom another one follows are gone: with them that one would be the other. */
static int change_manage_keys(struct store *store, const struct owner_change *c)
{
	if (c->given || (strcmp(c->from, c->to) != 0 && c->from_uid != c->to_uid))
		return store_run(store, SQL_MANAGE_LEAVE, VALUES(TEXT(c->from), NUMBER(c->from_uid)));
	return store_run(store, SQL_MANAGE_FOLLOW,
			 VALUES(TEXT(c->from), NUMBER(c->from_uid), TEXT(c->to), NUMBER(c->to_uid)));
}

static int change_limit(struct store *store, const struct owner_change *c)
{
	int r = store_run(store, SQL_OWNER_LIMIT, VALUES(TEXT(c->from), TEXT(c->to)));

	if (r == 0 && store_changes(store) == 0) /* none, or the new owner has limits already */
		r = store_run(store, SQL_LIMIT_DELETE, VALUES(TEXT(c->from)));
	return r;
}

static int all_active(struct store *store, const struct owner_change *c)
{
	struct account row;
	uint32_t after = 0;
	int n;

	while ((n = store_account_list(store, c->from, after, &row, 1)) == 1) {
		if (row.owner_uid == c->from_uid && row.state != ACCOUNT_ACTIVE)
			return -EBUSY;
		after = row.uid;
	}
	return n;
}

static int owner_change(struct store *store, const struct owner_change *c)
{
	int r = all_active(store, c);

	if (r == 0)
		r = store_run(store, SQL_FORMER_PRESENT_OWNER, VALUES(TEXT(c->from), NUMBER(c->from_uid)));
	if (r == 0)
		r = store_run(store, SQL_FORMER_BEGIN_OWNER,
			      VALUES(TEXT(c->from), NUMBER(c->from_uid), NUMBER(c->when), NUMBER(c->known)));
	if (r == 0)
		r = change_rows(store, c);
	if (r == 0)
		r = change_manage_keys(store, c);
	return r == 0 && strcmp(c->from, c->to) != 0 ? change_limit(store, c) : r;
}

int store_owner_change(struct store *store, const struct owner_change *change)
{
	int r = store_save(store);

	return r < 0 ? r : store_save_publish(store, owner_change(store, change));
}

static int moved(struct store *store, uint32_t uid)
{
	int r = store_run(store, SQL_FORMER_DONE, VALUES(NUMBER(uid)));

	if (r == 0)
		r = store_run(store, SQL_ACCOUNT_MOVED, VALUES(NUMBER(uid)));
	if (r == 0 && store_changes(store) != 1)
		r = -ENOENT;
	return r < 0 ? r : store_run(store, SQL_FORMER_PRESENT, VALUES(NUMBER(uid)));
}

int store_account_moved(struct store *store, uint32_t uid)
{
	int r = store_save(store);

	return r < 0 ? r : store_save_publish(store, moved(store, uid));
}

/* ---- what is known of it */

int store_owner_clashes(struct store *store, const char *owner, const char *other, uint32_t after_uid,
			struct account *rows, int max)
{
	int n = store_list(store, SQL_OWNER_CLASH, VALUES(NUMBER(after_uid), NUMBER(max), TEXT(owner), TEXT(other)),
			   store_account_read, rows, sizeof(*rows));

	return store_ascending(n, &rows->uid, sizeof(*rows), after_uid);
}

int store_former_moving(struct store *store, uint32_t uid, struct former_name *former)
{
	return store_one(store, SQL_FORMER_MOVING, VALUES(NUMBER(uid)), former_read, former);
}

int store_former_get(struct store *store, const char *owner, const char *label, struct former_name *former)
{
	return store_one(store, SQL_FORMER_GET, VALUES(TEXT(owner), TEXT(label)), former_read, former);
}

int store_former_of(struct store *store, const char *owner, const char *label, uint32_t uid, struct former_name *former)
{
	return store_one(store, SQL_FORMER_OF, VALUES(TEXT(owner), TEXT(label), NUMBER(uid)), former_read, former);
}

int store_former_key(struct store *store, const char *owner, const char *label, uint32_t uid, const char *blob,
		     struct former_name *former)
{
	const struct store_value values[] = { TEXT(owner), TEXT(label), NUMBER(uid), TEXT(blob) };

	return store_one(store, blob != NULL ? SQL_FORMER_KEY : SQL_FORMER_KEYS, values, blob != NULL ? 4 : 3,
			 former_read, former);
}

int store_former_taken(struct store *store, uint32_t uid, struct former_name *former)
{
	return store_one(store, SQL_FORMER_TAKEN, VALUES(NUMBER(uid)), former_read, former);
}

int store_former_keep(struct store *store, const struct former_name *f)
{
	return store_change(store, SQL_FORMER_INSERT,
			    VALUES(TEXT(f->owner), TEXT(f->label), NUMBER(f->uid), NUMBER(f->owner_uid),
				   NUMBER(f->when), NUMBER(f->known)));
}

int store_former_list(struct store *store, uint64_t after, struct former_name *rows, int max)
{
	int64_t from = after > INT64_MAX ? INT64_MAX : (int64_t)after;
	int n = store_list(store, SQL_FORMER_LIST, VALUES(NUMBER(from), NUMBER(max)), former_read, rows, sizeof(*rows));

	for (int i = 0; i < n; i++) {
		if (rows[i].seq <= after)
			return -EUCLEAN;
		after = rows[i].seq;
	}
	return n;
}

static int forget(struct store *store, const struct former_name *rows, int n)
{
	int r = 0;

	for (int i = 0; r == 0 && i < n; i++)
		r = store_run(store, SQL_FORMER_FORGET, VALUES(NUMBER(rows[i].seq)));
	return r;
}

int store_former_forget(struct store *store, int64_t before, int64_t known_before, int max)
{
	struct former_name rows[16];
	int n, r;

	if (max > (int)(sizeof(rows) / sizeof(rows[0])))
		max = (int)(sizeof(rows) / sizeof(rows[0]));
	n = store_list(store, SQL_FORMER_DUE, VALUES(NUMBER(before), NUMBER(known_before), NUMBER(max)), former_read,
		       rows, sizeof(*rows));
	if (n <= 0)
		return n;
	r = store_save(store);
	r = r < 0 ? r : store_save_end(store, forget(store, rows, n));
	return r < 0 ? r : n;
}
