/* SPDX-License-Identifier: ISC */
/* The rows of ranges. */
#include <errno.h>
#include <string.h>

#include "store/sqlite.h"

int store_range_read(sqlite3_stmt *row, void *out)
{
	struct id_range range = { .created = sqlite3_column_int64(row, 4) };
	uint32_t last = 0;
	int r = 0;

	r = r ?: column_u32(row, 0, &range.first);
	r = r ?: column_u32(row, 1, &last);
	r = r ?: column_u32(row, 2, &range.owner_uid);
	r = r ?: column_u32(row, 3, &range.account_uid); /* NULL reads as 0 */
	r = r ?: column_text(row, 5, range.owner, sizeof(range.owner));
	r = r ?: column_text(row, 6, range.label, sizeof(range.label));
	range.count = last - range.first + 1;
	if (r == 0 && (last < range.first || !id_range_valid(range.first, range.count)))
		r = -EUCLEAN;
	if (r == 0 && range.owner[0] != '\0' && !owner_name_valid(range.owner, '\0'))
		r = -EUCLEAN;
	if (r == 0 && range.label[0] != '\0' && !label_valid(range.label))
		r = -EUCLEAN;
	if (r == 0)
		*(struct id_range *)out = range;
	return r;
}

/* Of one that is held: by an owner, or by an account, which has a label. */
static int range_read(sqlite3_stmt *row, void *out)
{
	struct id_range range = { 0 };
	uint32_t behind[2] = { 0 };
	int r = store_range_read(row, &range);

	r = r ?: column_u32(row, 7, &range.place);
	for (int i = 0; i < 2; i++)
		r = r ?: column_u32(row, 8 + i, &behind[i]) ?: behind[i] > UINT16_MAX ? -EUCLEAN : 0;
	for (int i = 0; i < 2; i++)
		range.behind[i] = (uint16_t)behind[i];
	if (r == 0 &&
	    (range.owner[0] == '\0' || (range.label[0] == '\0' && sqlite3_column_type(row, 6) != SQLITE_NULL)))
		r = -EUCLEAN;
	if (r == 0)
		*(struct id_range *)out = range;
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
				NUMBER_OR_NULL(range->account_uid), NUMBER(range->created), NUMBER(range->place),
				NUMBER(range->behind[0]), NUMBER(range->behind[1])));
}

int store_range_insert(struct store *store, const struct id_range *range)
{
	int r = !id_range_valid(range->first, range->count) ? -EINVAL : store_save(store);

	return r < 0 ? r : store_save_publish(store, insert(store, range));
}

int store_range_place(struct store *store, const char *owner, uint32_t account_uid, uint32_t *place)
{
	int64_t next = 0;
	int r = store_one(store, SQL_RANGE_PLACE, VALUES(TEXT(owner), NUMBER_OR_NULL(account_uid)), number_read, &next);

	if (r == 0)
		*place = (uint32_t)next;
	return r;
}

int store_range_make_way(struct store *store, const char *owner, unsigned lines, uint32_t *place)
{
	int64_t first = -1;
	int r = store_one(store, SQL_RANGE_BEHIND, VALUES(TEXT(owner), NUMBER(lines)), number_read, &first);

	if (r < 0 || first < 0)
		return r < 0 ? r : store_range_place(store, owner, 0, place);
	*place = (uint32_t)first;
	return store_run(store, SQL_RANGE_SHIFT, VALUES(TEXT(owner), NUMBER(first)));
}

int store_range_unsettled(struct store *store, uint32_t after_first, struct id_range *rows, int max)
{
	return store_list(store, SQL_RANGE_UNSETTLED, VALUES(NUMBER(after_first), NUMBER(max)), range_read, rows,
			  sizeof(*rows));
}

int store_range_settle(struct store *store, const struct id_range *range)
{
	int r = store_save(store);

	if (r < 0)
		return r;
	r = store_run(store, SQL_RANGE_SETTLE,
		      VALUES(NUMBER(range->first), NUMBER(range->behind[0]), NUMBER(range->behind[1])));
	return store_save_publish(store, r);
}

int store_range_get(struct store *store, uint32_t first, struct id_range *range)
{
	return store_one(store, SQL_RANGE_GET, VALUES(NUMBER(first)), range_read, range);
}

int store_range_delete(struct store *store, uint32_t first, int64_t when)
{
	struct id_range range = { 0 };
	int r = store_save(store);

	if (r < 0)
		return r;
	r = store_range_get(store, first, &range);
	if (r == 0)
		r = store_retire(store, SQL_RANGE_DELETE, &range, when);
	return store_save_publish(store, r);
}

int store_range_list(struct store *store, const char *owner, uint32_t after_first, struct id_range *rows, int max)
{
	enum store_statement id = owner == NULL ? SQL_RANGE_LIST : SQL_RANGE_LIST_OWNER;
	const struct store_value values[] = { NUMBER(after_first), NUMBER(max), TEXT(owner) };
	int n = store_list(store, id, values, owner == NULL ? 2 : 3, range_read, rows, sizeof(*rows));

	return store_ascending(n, &rows->first, sizeof(*rows), after_first);
}

int store_range_list_account(struct store *store, uint32_t account_uid, uint32_t after_first, struct id_range *rows,
			     int max)
{
	int n = store_list(store, SQL_RANGE_LIST_ACCOUNT, VALUES(NUMBER(after_first), NUMBER(max), NUMBER(account_uid)),
			   range_read, rows, sizeof(*rows));

	return store_ascending(n, &rows->first, sizeof(*rows), after_first);
}

int store_kept_ranges(struct store *store, uint32_t uid, uint32_t after_first, struct id_range *rows, int max)
{
	int n = store_list(store, SQL_KEPT_RANGES, VALUES(NUMBER(uid), NUMBER(after_first), NUMBER(max)), range_read,
			   rows, sizeof(*rows));

	return store_ascending(n, &rows->first, sizeof(*rows), after_first);
}
