/* SPDX-License-Identifier: ISC */
/* The store's identity, the highest ids that it gave out, and the floor below which it chooses none: facts that are
 * compared with the high-water mark. Run by the broker and the state program (root). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/sqlite.h"

#define REGION(id) ((uint32_t)((id) >> HIGH_WATER_REGION_BITS))
#define REGION_END(region) ((region) << HIGH_WATER_REGION_BITS | ((1u << HIGH_WATER_REGION_BITS) - 1))

uint64_t store_identity(const struct store *store)
{
	return store->identity;
}

bool store_first_open(const struct store *store)
{
	return store->first_open;
}

void store_witness_set(struct store *store, const struct store_witness *witness)
{
	store->witness = witness;
}

void store_ids_given(struct store *store, uint32_t first, uint32_t last)
{
	for (uint32_t region = REGION(first); region <= REGION(last); region++) {
		uint32_t highest = last < REGION_END(region) ? last : REGION_END(region);

		if (highest > store->given_marks[region])
			store->given_marks[region] = highest;
	}
	store->given = true;
}

int store_marks(struct store *store, uint32_t marks[HIGH_WATER_REGIONS])
{
	uint32_t found[HIGH_WATER_REGIONS] = { 0 }, region, last;
	int r = 0;
	sqlite3_stmt *row = store_query(store, SQL_MARKS, NULL, 0, &r);

	if (row == NULL)
		return r;
	while ((r = store_next(store, row)) == 1) {
		if (column_u32(row, 0, &region) < 0 || column_u32(row, 1, &last) < 0 || region >= HIGH_WATER_REGIONS) {
			r = -EUCLEAN;
			break;
		}
		found[region] = last;
	}
	store_end(row);
	if (r == 0)
		memcpy(marks, found, sizeof(found));
	return r;
}

int store_generation_raise(struct store *store, uint64_t at_least)
{
	int r;

	if (at_least > INT64_MAX / 2) /* no number that counting could ever reach */
		return -EINVAL;
	r = store_change(store, SQL_GENERATION_AT_LEAST, VALUES(NUMBER(at_least)));
	/* ids that were free to be chosen again when this store was saved may have been given out since */
	if (r == 0)
		r = store_change(store, SQL_RELEASED_FORGET, NULL, 0);
	store->raised |= r == 0;
	return r;
}

/* ---- the floor ---- */

void store_floor(struct store *store, const uint32_t floor[HIGH_WATER_REGIONS])
{
	memcpy(store->floor, floor, sizeof(store->floor));
}

/* The highest id of first..last that is at or below the floor of its region. */
static bool below_floor(const struct store *store, uint32_t first, uint32_t last, uint32_t *highest)
{
	for (uint32_t region = REGION(last) + 1; region-- > REGION(first);) {
		uint32_t begin = region << HIGH_WATER_REGION_BITS, floor = store->floor[region];

		if (floor == 0 || floor < (begin > first ? begin : first))
			continue;
		*highest = floor < last ? floor : last;
		return true;
	}
	return false;
}

static int block_read(sqlite3_stmt *row, void *out)
{
	struct id_block *block = out;

	return column_u32(row, 0, &block->first) ?: column_u32(row, 1, &block->last);
}

/* Adjacent blocks that were released one by one count as one. 1: all of it; 0: not; negative errno. */
static int all_released(struct store *store, uint32_t first, uint32_t last)
{
	struct id_block block = { 0 };

	for (uint64_t at = first; at <= last; at = (uint64_t)block.last + 1) {
		int r = store_one(store, SQL_RELEASED_AT, VALUES(NUMBER(at)), block_read, &block);

		if (r < 0)
			return r == -ENOENT ? 0 : r;
		if (block.last < at)
			return 0;
	}
	return 1;
}

int store_floor_allows(struct store *store, uint32_t first, uint64_t size, uint64_t *next)
{
	uint32_t last = first + (uint32_t)(size - 1), highest = 0;
	struct id_block block = { 0 };
	int r;

	if (!below_floor(store, first, last, &highest))
		return 1;
	r = all_released(store, first, highest);
	if (r != 0)
		return r;
	/* go on after the floor, or where something lower was released */
	*next = (uint64_t)store->floor[REGION(first)] >= first ? (uint64_t)store->floor[REGION(first)] + 1 :
								 (uint64_t)highest + 1;
	r = store_one(store, SQL_RELEASED_AFTER, VALUES(NUMBER(first)), block_read, &block);
	if (r == 0 && block.first < *next)
		*next = block.first;
	return r == -ENOENT ? 0 : r;
}
