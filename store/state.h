/* SPDX-License-Identifier: ISC */
/*
 * Functions of the store, beyond store.h, for saving, loading and repairing a state. Run by the broker's children on a
 * frozen store, and by the state program (root) while no daemon runs. Returns as store.h says.
 */
#ifndef SUBUIDD_STORE_STATE_H
#define SUBUIDD_STORE_STATE_H

#include "store/store.h"

/* The version of the schema of every open store. */
int store_schema(void);

struct store_counts {
	uint64_t accounts, keys, ranges, limits;
	uint64_t tombstones; /* foreign ids too */
	uint64_t runs, audit;
};
int store_counts(struct store *store, struct store_counts *counts);

/* In a transaction: gives the store this identity (it replaces another one); its marks become at least these.
 */
int store_identity_set(struct store *store, uint64_t identity);
int store_marks_raise(struct store *store, const uint32_t marks[HIGH_WATER_REGIONS]);

/* All data that is set aside, in the order of uid, those above after_uid. Returns how many were filled. */
int store_removed_list(struct store *store, uint32_t after_uid, struct removed *rows, int max);

/* Another file of this program's schema, which nobody has open, beside this one: outside of a transaction. */
int store_other_attach(struct store *store, const char *path);
void store_other_detach(struct store *store);
/* In a transaction, copies history into this store that only the other one has: the audit trail, and the runs, last
 * runs and uses of keys of accounts and keys that are the same in both. same: both have one identity, so that numbers
 * above the highest of this one are new; otherwise all of the trail is new, and no run. Data that is set aside there,
 * and whose id is a tombstone here, is set aside here as well. */
int store_other_take(struct store *store, bool same);

#endif
