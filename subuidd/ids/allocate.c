/* SPDX-License-Identifier: ISC */
/*
 * Chooses ids: walks the configured blocks for ids that the store never gave out and nobody else on the host
 * holds.
 */
#include <errno.h>
#include <stdbool.h>

#include "subuidd/ids/allocate.h"

struct search {
	struct store *store;
	const struct allocate_probe *probe;
	int64_t when;
	uint32_t size;  /* 1, a small block, or a multiple of RANGE_UNIT */
	uint32_t align; /* 1, the size of the small block, or RANGE_UNIT */
};

/* 1: somebody holds ids of candidate..candidate+size-1, *holder says which. */
static int taken(const struct search *search, uint32_t candidate, struct id_block *holder)
{
	const struct allocate_probe *probe = search->probe;
	uint32_t last = candidate + search->size - 1;
	int r = 0;

	*holder = (struct id_block){ candidate, last };
	if (search->size == 1) {
		r = probe->uid_taken(probe->data, candidate);
		if (r == 0)
			r = probe->gid_taken(probe->data, candidate);
	}
	if (r == 0)
		r = probe->block_taken(probe->data, candidate, last, holder);
	return r;
}

static bool special_inside(uint32_t first, uint32_t size)
{
	static const uint32_t special[] = { 0, 65534, 65535, UINT32_MAX };

	for (unsigned i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if (special[i] >= first && special[i] - first < size)
			return true;
	return false;
}

/*
 * Marks what is held, so that it is not tried again, and says where to go on. All
 * of a large foreign block is marked in one go (one line of /etc/subuid can cover
 * thousands of candidates), or, where we gave a part of it away before that line
 * was written, what of it lies in the candidate.
 */
static int pass_over(const struct search *search, struct id_block block, uint32_t candidate, struct id_block holder,
		     uint64_t *from)
{
	uint64_t last = (uint64_t)candidate + search->size - 1;
	uint64_t begin = holder.first / search->align * search->align;
	uint64_t end = ((uint64_t)holder.last / search->align + 1) * search->align - 1;
	int r = -EEXIST;

	if (begin < candidate)
		begin = candidate;
	if (end > block.last)
		end = block.last;
	if (begin > last || end < begin)
		return -EINVAL; /* the probe speaks of something else */
	if (end > last)
		r = store_id_foreign(search->store, (uint32_t)begin, (uint32_t)(end - begin + 1), search->when);
	if (r == -EEXIST) {
		end = end < last ? end : last;
		r = store_id_foreign(search->store, (uint32_t)begin, (uint32_t)(end - begin + 1), search->when);
	}
	*from = end + 1;
	return r;
}

/* The first free ids at or above from in the block. 0, -ENOENT: none there, or negative errno. */
static int search_from(const struct search *search, struct id_block block, uint64_t from, uint32_t *first)
{
	while (from <= block.last) {
		struct id_block holder;
		uint32_t candidate = 0;
		int r = range_small(search->size) ?
				store_ids_free_small(search->store, block, (uint32_t)from, search->size, &candidate) :
				store_ids_free(search->store, block, (uint32_t)from, search->size, &candidate);

		if (r < 0)
			return r;
		if (special_inside(candidate, search->size)) {
			from = (uint64_t)candidate + search->align;
			continue;
		}
		r = taken(search, candidate, &holder);
		if (r == 0)
			*first = candidate;
		if (r <= 0)
			return r;
		r = pass_over(search, block, candidate, holder, &from);
		if (r < 0)
			return r;
	}
	return -ENOENT;
}

/* Ids rise: first above all that was given out in the block, then what was left out below. Small blocks begin below:
 * they fill what earlier ones left of a unit. */
static int search_block(const struct search *search, struct id_block block, uint32_t *first)
{
	uint32_t next = 0;
	int r = range_small(search->size) ? -ENOENT : store_ids_next(search->store, block, &next);

	if (r == 0)
		r = search_from(search, block, next, first);
	if (r == -ENOENT)
		r = search_from(search, block, block.first, first);
	return r;
}

static int search_blocks(const struct search *search, const struct id_block *blocks, unsigned count, uint32_t *first)
{
	int r = search->probe->start != NULL ? search->probe->start(search->probe->data) : 0;

	if (r < 0)
		return r;
	r = -ENOENT;
	for (unsigned i = 0; r == -ENOENT && i < count; i++)
		r = search_block(search, blocks[i], first);
	return r;
}

int allocate_uid(struct store *store, const struct settings *settings, const struct allocate_probe *probe, int64_t when,
		 uint32_t *uid)
{
	const struct search search = { store, probe, when, 1, 1 };

	return search_blocks(&search, settings->accounts, settings->accounts_count, uid);
}

int allocate_range(struct store *store, const struct settings *settings, const struct allocate_probe *probe,
		   int64_t when, uint32_t *count, uint32_t *first)
{
	uint64_t size = ((uint64_t)*count + RANGE_UNIT - 1) / RANGE_UNIT * RANGE_UNIT;
	struct search search = { store, probe, when, (uint32_t)size, RANGE_UNIT };
	int r;

	if (size == 0 || size > UINT32_MAX)
		return -EINVAL;
	r = search_blocks(&search, settings->ranges, settings->ranges_count, first);
	if (r == 0)
		*count = (uint32_t)size;
	return r;
}

int allocate_small(struct store *store, const struct settings *settings, const struct allocate_probe *probe,
		   int64_t when, uint32_t size, uint32_t *first)
{
	const struct search search = { store, probe, when, size, size };

	return range_small(size) ? search_blocks(&search, settings->ranges, settings->ranges_count, first) : -EINVAL;
}

static const struct id_block *block_around(const struct settings *settings, uint64_t first, uint64_t last)
{
	for (unsigned i = 0; i < settings->ranges_count; i++)
		if (first >= settings->ranges[i].first && last <= settings->ranges[i].last)
			return &settings->ranges[i];
	return NULL;
}

int allocate_range_at(struct store *store, const struct settings *settings, const struct allocate_probe *probe,
		      uint32_t first, uint32_t *count)
{
	uint64_t size = ((uint64_t)*count + RANGE_UNIT - 1) / RANGE_UNIT * RANGE_UNIT, last = first + size - 1;
	struct search search = { store, probe, 0, (uint32_t)size, RANGE_UNIT };
	const struct id_block *block = block_around(settings, first, last);
	struct id_block holder;
	uint32_t found = 0;
	int r;

	if (size == 0 || first % RANGE_UNIT != 0 || block == NULL)
		return -ENOENT;
	r = store_ids_free(store, (struct id_block){ first, (uint32_t)last }, first, (uint32_t)size, &found);
	if (r == -ENOENT || (r == 0 && special_inside(first, (uint32_t)size)))
		return -EEXIST;
	if (r == 0 && probe->start != NULL)
		r = probe->start(probe->data);
	if (r == 0)
		r = taken(&search, first, &holder);
	if (r != 0)
		return r < 0 ? r : -EEXIST;
	*count = (uint32_t)size;
	return 0;
}
