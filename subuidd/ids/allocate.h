/* SPDX-License-Identifier: ISC */
/*
 * Chooses ids: the next that the store has never given out, tested against the rest of the host. Called inside a
 * store transaction, in which the caller then inserts the account or range: the chosen ids are taken, or rolled
 * back.
 */
#ifndef SUBUIDD_ALLOCATE_H
#define SUBUIDD_ALLOCATE_H

#include <stdint.h>

#include "subuidd/base/settings.h"
#include "store/store.h"

/* Does the rest of the host hold it? Each returns 1 yes, 0 no, or a negative errno: cannot be said, and then
 * nothing is allocated. */
struct allocate_probe {
	int (*start)(void *data); /* once for each allocation, first; 0 or negative errno; may be NULL */
	int (*uid_taken)(void *data, uint32_t uid);
	int (*gid_taken)(void *data, uint32_t gid);
	/* Any id of first..last, as uid or gid. *holder: the whole block that is held, as far as known; it is
	 * first..last when called. */
	int (*block_taken)(void *data, uint32_t first, uint32_t last, struct id_block *holder);
	void *data;
};

/* 0; -ENOENT: the blocks of the settings are used up; else the probe's or the store's negative errno.
 * Ids that others hold are marked in the store (store_id_foreign) and not tried again. */
int allocate_uid(struct store *store, const struct settings *settings, const struct allocate_probe *probe, int64_t when,
		 uint32_t *uid);

/* count ids, rounded up to RANGE_UNIT, aligned to RANGE_UNIT. *count becomes the rounded number. */
int allocate_range(struct store *store, const struct settings *settings, const struct allocate_probe *probe,
		   int64_t when, uint32_t *count, uint32_t *first);

/* One small block (range_small()). */
int allocate_small(struct store *store, const struct settings *settings, const struct allocate_probe *probe,
		   int64_t when, uint32_t size, uint32_t *first);

/* As allocate_range(), at this place and nowhere else. -EEXIST: others hold an id of it, or did; -ENOENT: outside of
 * the blocks of the settings, or not at a multiple of RANGE_UNIT. */
int allocate_range_at(struct store *store, const struct settings *settings, const struct allocate_probe *probe,
		      uint32_t first, uint32_t *count);

#endif
