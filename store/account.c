/* SPDX-License-Identifier: ISC */
/* Rows of accounts. The alarm is a column of watches, where the last runs are; it is set by store_watch_alarm(). */
#include <errno.h>
#include <string.h>

#include "store/sqlite.h"

#define ALARM_COLUMN 7 /* and after it the facts */

/* The column behind those of the account, or negative errno. */
static int account_columns(sqlite3_stmt *row, struct account *out)
{
	struct account account = { .created = sqlite3_column_int64(row, 4) };
	int next, r = 0;

	r = r ?: column_u32(row, 0, &account.uid);
	r = r ?: column_u32(row, 1, &account.owner_uid);
	r = r ?: column_u32(row, 2, &account.state);
	r = r ?: column_u32(row, 3, &account.flags);
	r = r ?: column_owner(row, 5, account.owner);
	r = r ?: column_label(row, 6, account.label);
	account.facts.alarm = (uint64_t)sqlite3_column_int64(row, ALARM_COLUMN);
	next = r ?: store_facts_read(row, ALARM_COLUMN + 1, &account.facts);
	r = next < 0 ? next : 0;
	if (r == 0 && (id_special(account.uid) || account.uid == account.owner_uid || account.state < ACCOUNT_INTENT ||
		       account.state > ACCOUNT_REMOVING))
		r = -EUCLEAN;
	if (r == 0)
		*out = account;
	return r < 0 ? r : next;
}

int store_account_read(sqlite3_stmt *row, void *out)
{
	int r = account_columns(row, out);

	return r < 0 ? r : 0;
}

int store_account_get(struct store *store, const char *owner, const char *label, struct account *account)
{
	return store_one(store, SQL_ACCOUNT_GET, VALUES(TEXT(owner), TEXT(label)), store_account_read, account);
}

int store_account_by_uid(struct store *store, uint32_t uid, struct account *account)
{
	return store_one(store, SQL_ACCOUNT_BY_UID, VALUES(NUMBER(uid)), store_account_read, account);
}

int store_kept_account(struct store *store, uint32_t uid, struct account *account)
{
	return store_one(store, SQL_KEPT_ACCOUNT, VALUES(NUMBER(uid)), store_account_read, account);
}

static int insert(struct store *store, const struct account *a)
{
	struct store_value values[7 + FACTS] = { NUMBER(a->uid),   NUMBER(a->owner_uid), NUMBER(a->state),
						 NUMBER(a->flags), NUMBER(a->created),   TEXT(a->owner),
						 TEXT(a->label) };
	size_t count = 7 + store_facts_values(&a->facts, &values[7]);
	int r = store_id_insert(store, a->uid, a->uid, "account", a->created);

	return r < 0 ? r : store_run(store, SQL_ACCOUNT_INSERT, values, count);
}

int store_account_insert(struct store *store, const struct account *account)
{
	int r = id_special(account->uid) ? -EINVAL : store_save(store);

	return r < 0 ? r : store_save_publish(store, insert(store, account));
}

int store_account_update(struct store *store, const struct account *a)
{
	struct store_value values[4 + FACTS] = { NUMBER(a->uid), NUMBER(a->owner_uid), NUMBER(a->state),
						 NUMBER(a->flags) };
	size_t count = 4 + store_facts_values(&a->facts, &values[4]);
	int r = store_save(store);

	if (r < 0)
		return r;
	r = store_run(store, SQL_ACCOUNT_UPDATE, values, count);
	if (r == 0 && store_changes(store) == 0)
		r = -ENOENT;
	return store_save_publish(store, r);
}

/* Ranges first, whose rows point to the account; keys go by ON DELETE CASCADE. */
static int delete (struct store *store, uint32_t uid, int64_t when)
{
	struct account account = { 0 };
	struct id_range held = { .first = uid };
	int64_t first = 0;
	int r = store_account_by_uid(store, uid, &account);

	if (r < 0)
		return r;
	while ((r = store_one(store, SQL_RANGE_OF_ACCOUNT, VALUES(NUMBER(uid)), number_read, &first)) == 0) {
		r = store_range_delete(store, (uint32_t)first, when);
		if (r < 0)
			return r;
	}
	if (r != -ENOENT)
		return r;
	held.owner_uid = account.owner_uid;
	memcpy(held.owner, account.owner, sizeof(held.owner));
	memcpy(held.label, account.label, sizeof(held.label));
	return store_retire(store, SQL_ACCOUNT_DELETE, &held, when);
}

int store_account_delete(struct store *store, uint32_t uid, int64_t when)
{
	int r = store_save(store);

	return r < 0 ? r : store_save_publish(store, delete (store, uid, when));
}

int store_account_list(struct store *store, const char *owner, uint32_t after_uid, struct account *rows, int max)
{
	enum store_statement id = owner == NULL ? SQL_ACCOUNT_LIST : SQL_ACCOUNT_LIST_OWNER;
	const struct store_value values[] = { NUMBER(after_uid), NUMBER(max), TEXT(owner) };
	int n = store_list(store, id, values, owner == NULL ? 2 : 3, store_account_read, rows, sizeof(*rows));

	return store_ascending(n, &rows->uid, sizeof(*rows), after_uid);
}

/* Like store_ascending(): a caller that goes on after the last row comes to an end. */
static int owners_ascending(const struct account *rows, int n, const char *owner, uint32_t after_uid)
{
	for (int i = 0; i < n; i++) {
		int order = strcmp(rows[i].owner, owner);

		if (order < 0 || (order == 0 && rows[i].uid <= after_uid))
			return -EUCLEAN;
		owner = rows[i].owner;
		after_uid = rows[i].uid;
	}
	return n;
}

int store_account_list_by_owner(struct store *store, const char *owner, uint32_t after_uid, struct account *rows,
				int max)
{
	int n = store_list(store, SQL_ACCOUNT_LIST_BY_OWNER, VALUES(NUMBER(after_uid), NUMBER(max), TEXT(owner)),
			   store_account_read, rows, sizeof(*rows));

	return owners_ascending(rows, n, owner, after_uid);
}

int store_account_unfinished(struct store *store, uint32_t after_uid, struct account *rows, int max)
{
	int n = store_list(store, SQL_ACCOUNT_LIST_UNFINISHED, VALUES(NUMBER(after_uid), NUMBER(max)),
			   store_account_read, rows, sizeof(*rows));

	return store_ascending(n, &rows->uid, sizeof(*rows), after_uid);
}

static int belongings_columns(sqlite3_stmt *row, int from, uint32_t uid, struct belongings *out)
{
	struct belongings found = { .watch.uid = uid };
	int r = column_u32(row, from, &found.keys);

	r = r ?: column_u32(row, from + 1, &found.ranges);
	r = r ?: store_watch_columns(row, from + 2, &found.watch);
	if (r == 0)
		*out = found;
	return r;
}

static int listed_read(sqlite3_stmt *row, void *out)
{
	struct listed_account *listed = out;
	int next = account_columns(row, &listed->account);

	return next < 0 ? next : belongings_columns(row, next, listed->account.uid, &listed->belongings);
}

static int belongings_read(sqlite3_stmt *row, void *out)
{
	struct belongings *belongings = out;

	return belongings_columns(row, 0, belongings->watch.uid, belongings);
}

int store_account_listed(struct store *store, const char *owner, uint32_t after_uid, struct listed_account *rows,
			 int max)
{
	enum store_statement id = owner == NULL ? SQL_ACCOUNT_LISTED : SQL_ACCOUNT_LISTED_OWNER;
	const struct store_value values[] = { NUMBER(after_uid), NUMBER(max), TEXT(owner) };
	int n = store_list(store, id, values, owner == NULL ? 2 : 3, listed_read, rows, sizeof(*rows));

	return store_ascending(n, &rows->account.uid, sizeof(*rows), after_uid);
}

int store_account_belongings(struct store *store, uint32_t uid, struct belongings *belongings)
{
	struct belongings found = { .watch.uid = uid };
	int r = store_one(store, SQL_ACCOUNT_BELONGINGS, VALUES(NUMBER(uid)), belongings_read, &found);

	if (r == 0 || r == -ENOENT)
		*belongings = found;
	return r == -ENOENT ? 0 : r;
}

struct usage {
	uint32_t accounts, units;
};

static int usage_read(sqlite3_stmt *row, void *out)
{
	struct usage usage = { 0 };
	int r = column_u32(row, 0, &usage.accounts) ?: column_u32(row, 1, &usage.units);

	if (r == 0)
		*(struct usage *)out = usage;
	return r;
}

/* An owner who has nothing has no row. owner NULL: everybody. */
static int usage_of(struct store *store, const char *owner, struct usage *usage)
{
	int r = store_one(store, SQL_USAGE, VALUES(TEXT(owner == NULL ? "" : owner)), usage_read, usage);

	return r == -ENOENT ? 0 : r;
}

int store_account_count(struct store *store, const char *owner, uint32_t *count)
{
	struct usage usage = { 0 };
	int r = usage_of(store, owner, &usage);

	if (r == 0)
		*count = usage.accounts;
	return r;
}

int store_range_units(struct store *store, const char *owner, uint32_t *units)
{
	struct usage usage = { 0 };
	int r = usage_of(store, owner, &usage);

	if (r == 0)
		*units = usage.units;
	return r;
}
