/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <string.h>

#include "subuidd/store/sqlite.h"

static int account_read(sqlite3_stmt *row, struct account *account)
{
	int64_t expires = sqlite3_column_int64(row, 5), quota = sqlite3_column_int64(row, 6);
	int r = 0;

	*account = (struct account){
		.created = sqlite3_column_int64(row, 4), .expires_day = (int32_t)expires, .quota = (uint64_t)quota};
	if (expires < -1 || expires > INT32_MAX || quota < 0)
		return -EUCLEAN;
	r = r ?: column_u32(row, 0, &account->uid);
	r = r ?: column_u32(row, 1, &account->owner_uid);
	r = r ?: column_u32(row, 2, &account->state);
	r = r ?: column_u32(row, 3, &account->flags);
	r = r ?: column_text(row, 7, account->owner, sizeof(account->owner));
	r = r ?: column_text(row, 8, account->label, sizeof(account->label));
	r = r ?: column_text(row, 9, account->comment, sizeof(account->comment));
	return r;
}

static int account_one(struct store *store, enum store_statement id, const struct store_value *values, size_t count,
		       struct account *account)
{
	struct account found;
	int r = 0;
	sqlite3_stmt *row = store_query(store, id, values, count, &r);

	if (row == NULL)
		return r;
	r = store_next(store, row);
	if (r == 1)
		r = account_read(row, &found) ?: 1;
	store_end(row);
	if (r < 0)
		return r;
	if (r == 0)
		return -ENOENT;
	*account = found;
	return 0;
}

int store_account_get(struct store *store, const char *owner, const char *label, struct account *account)
{
	return account_one(store, SQL_ACCOUNT_GET, VALUES(TEXT(owner), TEXT(label)), account);
}

int store_account_by_uid(struct store *store, uint32_t uid, struct account *account)
{
	return account_one(store, SQL_ACCOUNT_BY_UID, VALUES(NUMBER(uid)), account);
}

static int insert(struct store *store, const struct account *a)
{
	int r = store_id_insert(store, a->uid, a->uid, "account", a->created);

	if (r < 0)
		return r;
	return store_run(store, SQL_ACCOUNT_INSERT,
			 VALUES(NUMBER(a->uid), NUMBER(a->owner_uid), NUMBER(a->state), NUMBER(a->flags),
				NUMBER(a->created), NUMBER(a->expires_day), NUMBER(a->quota), TEXT(a->owner),
				TEXT(a->label), TEXT(a->comment)));
}

int store_account_insert(struct store *store, const struct account *account)
{
	int r;

	if (id_special(account->uid))
		return -EINVAL;
	r = store_save(store);
	if (r == 0)
		r = store_save_end(store, insert(store, account));
	store->changed |= r == 0;
	return r;
}

int store_account_update(struct store *store, const struct account *a)
{
	int r = store_save(store);

	if (r < 0)
		return r;
	r = store_run(store, SQL_ACCOUNT_UPDATE,
		      VALUES(NUMBER(a->uid), NUMBER(a->owner_uid), NUMBER(a->state), NUMBER(a->flags),
			     NUMBER(a->expires_day), NUMBER(a->quota), TEXT(a->comment)));
	if (r == 0 && store_changes(store) == 0)
		r = -ENOENT;
	r = store_save_end(store, r);
	store->changed |= r == 0;
	return r;
}

static int range_of_account(struct store *store, uint32_t uid, uint32_t *first)
{
	int r = 0;
	sqlite3_stmt *row = store_query(store, SQL_RANGE_OF_ACCOUNT, VALUES(NUMBER(uid)), &r);

	if (row == NULL)
		return r;
	r = store_next(store, row);
	if (r == 1)
		r = column_u32(row, 0, first) ?: 1;
	store_end(row);
	return r;
}

/* Ranges first, whose rows point to the account; keys go by ON DELETE CASCADE. */
static int delete (struct store *store, uint32_t uid, int64_t when)
{
	struct account account = {0};
	uint32_t first = 0;
	int r = store_account_by_uid(store, uid, &account);

	while (r == 0) {
		r = range_of_account(store, uid, &first);
		if (r != 1)
			break;
		r = store_range_delete(store, first, when);
	}
	if (r == 0)
		r = store_run(store, SQL_ACCOUNT_DELETE, VALUES(NUMBER(uid)));
	if (r == 0)
		r = store_id_retire(store, uid, when, account.owner, account.label, account.owner_uid);
	return r;
}

int store_account_delete(struct store *store, uint32_t uid, int64_t when)
{
	int r = store_save(store);

	if (r == 0)
		r = store_save_end(store, delete (store, uid, when));
	store->changed |= r == 0;
	return r;
}

static int list(struct store *store, enum store_statement id, const struct store_value *values, size_t count,
		struct account *rows)
{
	int n = 0, r = 0;
	sqlite3_stmt *row = store_query(store, id, values, count, &r);

	if (row == NULL)
		return r;
	while ((r = store_next(store, row)) == 1) {
		r = account_read(row, &rows[n]);
		if (r < 0)
			break;
		n++;
	}
	store_end(row);
	return r < 0 ? r : n;
}

int store_account_list(struct store *store, const char *owner, uint32_t after_uid, struct account *rows, int max)
{
	const struct store_value values[] = {NUMBER(after_uid), NUMBER(max), TEXT(owner)};

	if (owner == NULL)
		return list(store, SQL_ACCOUNT_LIST, values, 2, rows);
	return list(store, SQL_ACCOUNT_LIST_OWNER, values, 3, rows);
}

int store_account_unfinished(struct store *store, uint32_t after_uid, struct account *rows, int max)
{
	return list(store, SQL_ACCOUNT_LIST_UNFINISHED, VALUES(NUMBER(after_uid), NUMBER(max)), rows);
}

int store_usage(struct store *store, const char *owner, uint32_t *accounts, uint32_t *units)
{
	uint32_t a = 0, u = 0;
	int r = 0;
	sqlite3_stmt *row = store_query(store, SQL_USAGE, VALUES(TEXT(owner)), &r);

	if (row == NULL)
		return r;
	r = store_next(store, row);
	if (r == 1)
		r = column_u32(row, 0, &a) ?: column_u32(row, 1, &u);
	store_end(row);
	if (r < 0)
		return r;
	*accounts = a;
	*units = u;
	return 0;
}

int store_account_count(struct store *store, const char *owner, uint32_t *count)
{
	uint32_t units;

	return store_usage(store, owner == NULL ? "" : owner, count, &units);
}
