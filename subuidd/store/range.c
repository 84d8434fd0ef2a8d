/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <string.h>

#include "subuidd/store/sqlite.h"

static int range_read(sqlite3_stmt *row, struct id_range *range)
{
	uint32_t last = 0;
	int r = 0;

	*range = (struct id_range){.created = sqlite3_column_int64(row, 4)};
	r = r ?: column_u32(row, 0, &range->first);
	r = r ?: column_u32(row, 1, &last);
	r = r ?: column_u32(row, 2, &range->owner_uid);
	r = r ?: column_u32(row, 3, &range->account_uid); /* NULL reads as 0 */
	r = r ?: column_text(row, 5, range->owner, sizeof(range->owner));
	r = r ?: column_text(row, 6, range->label, sizeof(range->label));
	range->count = last - range->first + 1;
	return r;
}

static int insert(struct store *store, const struct id_range *range)
{
	uint32_t last = range->first + range->count - 1;
	int r = store_id_insert(store, range->first, last, "range", range->created);

	if (r < 0)
		return r;
	return store_run(store, SQL_RANGE_INSERT,
			 VALUES(NUMBER(range->first), TEXT(range->owner), NUMBER(range->owner_uid),
				NUMBER_OR_NULL(range->account_uid), NUMBER(range->created)));
}

int store_range_insert(struct store *store, const struct id_range *range)
{
	int r;

	if (!id_range_valid(range->first, range->count))
		return -EINVAL;
	r = store_save(store);
	if (r == 0)
		r = store_save_end(store, insert(store, range));
	store->changed |= r == 0;
	return r;
}

int store_range_get(struct store *store, uint32_t first, struct id_range *range)
{
	struct id_range found;
	int r = 0;
	sqlite3_stmt *row = store_query(store, SQL_RANGE_GET, VALUES(NUMBER(first)), &r);

	if (row == NULL)
		return r;
	r = store_next(store, row);
	if (r == 1)
		r = range_read(row, &found) ?: 1;
	store_end(row);
	if (r < 0)
		return r;
	if (r == 0)
		return -ENOENT;
	*range = found;
	return 0;
}

static int delete (struct store *store, uint32_t first, int64_t when)
{
	struct id_range range = {0};
	int r = store_range_get(store, first, &range);

	if (r == 0)
		r = store_run(store, SQL_RANGE_DELETE, VALUES(NUMBER(first)));
	if (r == 0)
		r = store_id_retire(store, first, when, range.owner, range.label, range.owner_uid);
	return r;
}

int store_range_delete(struct store *store, uint32_t first, int64_t when)
{
	int r = store_save(store);

	if (r == 0)
		r = store_save_end(store, delete (store, first, when));
	store->changed |= r == 0;
	return r;
}

static int list(struct store *store, enum store_statement id, const struct store_value *values, size_t count,
		struct id_range *rows)
{
	int n = 0, r = 0;
	sqlite3_stmt *row = store_query(store, id, values, count, &r);

	if (row == NULL)
		return r;
	while ((r = store_next(store, row)) == 1) {
		r = range_read(row, &rows[n]);
		if (r < 0)
			break;
		n++;
	}
	store_end(row);
	return r < 0 ? r : n;
}

int store_range_list(struct store *store, const char *owner, uint32_t after_first, struct id_range *rows, int max)
{
	if (owner == NULL)
		return list(store, SQL_RANGE_LIST, VALUES(NUMBER(after_first), NUMBER(max)), rows);
	return list(store, SQL_RANGE_LIST_OWNER, VALUES(NUMBER(after_first), NUMBER(max), TEXT(owner)), rows);
}

int store_range_list_account(struct store *store, uint32_t account_uid, uint32_t after_first, struct id_range *rows,
			     int max)
{
	return list(store, SQL_RANGE_LIST_ACCOUNT, VALUES(NUMBER(after_first), NUMBER(max), NUMBER(account_uid)), rows);
}

int store_range_units(struct store *store, const char *owner, uint32_t *units)
{
	uint32_t accounts;

	return store_usage(store, owner == NULL ? "" : owner, &accounts, units);
}
