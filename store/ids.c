/* SPDX-License-Identifier: ISC */
/* Which ids are free, and what became of those that are not; see schema_steps.c. */
#include <errno.h>
#include <string.h>

#include "store/sqlite.h"

int store_id_insert(struct store *store, uint32_t first, uint32_t last, const char *kind, int64_t when)
{
	int r = store_run(store, SQL_ID_INSERT, VALUES(NUMBER(first), NUMBER(last), TEXT(kind), NUMBER(when)));

	if (r == 0 && strcmp(kind, "foreign") != 0)
		store_ids_given(store, first, last);
	return r;
}

int store_retire(struct store *store, enum store_statement delete, const struct id_range *held, int64_t when)
{
	int r = store_run(store, delete, VALUES(NUMBER(held->first)));

	if (r == 0)
		r = store_run(store, SQL_ID_RETIRE,
			      VALUES(NUMBER(held->first), NUMBER(when), TEXT(held->owner), TEXT(held->label),
				     NUMBER(held->owner_uid), NUMBER(held->account_uid)));
	return r == 0 && store_changes(store) != 1 ? -EUCLEAN : r;
}

int store_id_foreign(struct store *store, uint32_t first, uint32_t count, int64_t when)
{
	int r;

	if (!id_range_valid(first, count))
		return -EINVAL;
	r = store_save(store);
	return r < 0 ? r : store_save_end(store, store_id_insert(store, first, first + count - 1, "foreign", when));
}

int store_tombstone_release(struct store *store, uint32_t first)
{
	int r = store_save(store);

	if (r < 0)
		return r;
	r = store_run(store, SQL_ID_DELETE, VALUES(NUMBER(first)));
	if (r == -ENOENT || r == -EEXIST)
		r = -EBUSY; /* the foreign key of `removed`, or the trigger for its ranges: data is still set aside */
	else if (r == 0 && store_changes(store) == 0)
		r = -ENOENT;
	return store_save_end(store, r);
}

int store_tombstone_list(struct store *store, uint32_t after_first, struct id_range *rows, int max)
{
	int n = store_list(store, SQL_TOMBSTONE_LIST, VALUES(NUMBER(after_first), NUMBER(max)), store_range_read, rows,
			   sizeof(*rows));

	return store_ascending(n, &rows->first, sizeof(*rows), after_first);
}

int store_tombstone_list_account(struct store *store, uint32_t account_uid, uint32_t after_first, struct id_range *rows,
				 int max)
{
	int n = store_list(store, SQL_TOMBSTONE_LIST_ACCOUNT,
			   VALUES(NUMBER(account_uid), NUMBER(after_first), NUMBER(max)), store_range_read, rows,
			   sizeof(*rows));

	return store_ascending(n, &rows->first, sizeof(*rows), after_first);
}

int store_id_holder(struct store *store, uint32_t first, uint32_t last, struct id_range *holder, enum id_kind *kind)
{
	static const char *const kinds[] = {
		[ID_ACCOUNT] = "account", [ID_RANGE] = "range", [ID_TOMBSTONE] = "tombstone", [ID_FOREIGN] = "foreign"
	};
	struct id_range found;
	char text[16] = "";
	int r = 0;
	sqlite3_stmt *row = store_query(store, SQL_ID_HOLDER, VALUES(NUMBER(last)), &r);

	if (row == NULL)
		return r;
	r = store_next(store, row);
	if (r == 1)
		r = store_range_read(row, &found) ?: column_text(row, 7, text, sizeof(text)) ?: 1;
	store_end(row);
	if (r < 0)
		return r;
	if (r == 0 || found.first + found.count - 1 < first)
		return -ENOENT;
	for (unsigned i = ID_ACCOUNT; i <= ID_FOREIGN; i++)
		if (strcmp(text, kinds[i]) == 0) {
			*kind = (enum id_kind)i;
			*holder = found;
			return 0;
		}
	return -EUCLEAN;
}

int store_tombstone_insert(struct store *store, const struct id_range *range)
{
	uint32_t last = range->first + (range->count - 1);
	int r;

	if (!id_range_valid(range->first, range->count))
		return -EINVAL;
	r = store_change(store, SQL_TOMBSTONE_INSERT,
			 VALUES(NUMBER(range->first), NUMBER(last), NUMBER(range->created), TEXT(range->owner),
				TEXT(range->label), NUMBER(range->owner_uid), NUMBER(range->account_uid)));
	if (r == 0)
		store_ids_given(store, range->first, last);
	return r;
}

/* ---- what is free ---- */

int store_ids_next(struct store *store, struct id_block block, uint32_t *next)
{
	int64_t last = 0;
	int r = store_one(store, SQL_ID_HIGHEST, VALUES(NUMBER(block.last)), number_read, &last);

	if (r < 0 && r != -ENOENT)
		return r;
	for (uint32_t region = block.first >> HIGH_WATER_REGION_BITS; region <= block.last >> HIGH_WATER_REGION_BITS;
	     region++)
		if (store->floor[region] >= block.first && store->floor[region] > last)
			last = store->floor[region] < block.last ? store->floor[region] : block.last;
	if (last >= block.last)
		return -ENOENT;
	*next = last < block.first ? block.first : (uint32_t)last + 1;
	return 0;
}

/* The first `size` ids at or above from that are both in the gap and in the block, at a multiple of align. */
static bool fits(struct id_block gap, struct id_block block, uint32_t from, uint64_t size, uint32_t align,
		 uint32_t *first)
{
	uint64_t low = gap.first > from ? gap.first : from;
	uint64_t high = gap.last < block.last ? gap.last : block.last;

	low = (low + align - 1) / align * align;
	if (low > high || high - low + 1 < size)
		return false;
	*first = (uint32_t)low;
	return true;
}

static int gap_read(sqlite3_stmt *row, struct id_block *gap)
{
	int r = column_u32(row, 0, &gap->first);

	return r ?: column_u32(row, 1, &gap->last);
}

/* 1: found; 0: no gap from the query fits. */
static int search(struct store *store, enum store_statement id, const struct store_value *values, size_t count,
		  struct id_block block, uint32_t from, uint64_t size, uint32_t *first)
{
	uint32_t align = size < RANGE_UNIT ? (uint32_t)size : RANGE_UNIT;
	struct id_block gap;
	bool found = false;
	int r = 0;
	sqlite3_stmt *row = store_query(store, id, values, count, &r);

	if (row == NULL)
		return r;
	while (!found && (r = store_next(store, row)) == 1) {
		r = gap_read(row, &gap);
		if (r < 0)
			break;
		found = fits(gap, block, from, size, align, first);
	}
	store_end(row);
	return r < 0 ? r : found;
}

/*
 * The gap that holds `from`, then those after it. One id: at most two looks. Ranges: the partial index passes
 * over gaps without one whole unit, so one unit takes two looks as well; for more units, gaps that are too small
 * are read, of which there are few: ids are not used again, so that they come from released and foreign blocks
 * only. Small blocks look at every gap: what they left of a unit is one, and the next of them takes it.
 */
static int free_from(struct store *store, struct id_block block, uint32_t from, uint64_t size, uint32_t *found)
{
	int r = search(store, SQL_FREE_AT, VALUES(NUMBER(from)), block, from, size, found);

	if (r == 0 && size == 1)
		r = search(store, SQL_FREE_AFTER, VALUES(NUMBER(from)), block, from, size, found);
	else if (r == 0)
		r = search(store, size < RANGE_UNIT ? SQL_FREE_SMALL_AFTER : SQL_FREE_UNIT_AFTER,
			   VALUES(NUMBER(from), NUMBER(block.last)), block, from, size, found);
	return r < 0 ? r : r == 0 ? -ENOENT : 0;
}

/* size: 1, a small block, or whole units. */
static int free_find(struct store *store, struct id_block block, uint32_t from, uint64_t size, uint32_t *first)
{
	uint64_t next = from < block.first ? block.first : from;
	uint32_t found = 0;

	if (block.first > block.last)
		return -EINVAL;
	while (next <= block.last) {
		int r = free_from(store, block, (uint32_t)next, size, &found);

		if (r == 0)
			r = store_floor_allows(store, found, size, &next);
		if (r == 1)
			*first = found;
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return -ENOENT;
}

int store_ids_free(struct store *store, struct id_block block, uint32_t from, uint32_t count, uint32_t *first)
{
	uint64_t size = count > 1 ? ((uint64_t)count + RANGE_UNIT - 1) / RANGE_UNIT * RANGE_UNIT : 1;

	return count == 0 ? -EINVAL : free_find(store, block, from, size, first);
}

int store_ids_free_small(struct store *store, struct id_block block, uint32_t from, uint32_t size, uint32_t *first)
{
	return range_small(size) ? free_find(store, block, from, size, first) : -EINVAL;
}
