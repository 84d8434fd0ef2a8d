/* SPDX-License-Identifier: ISC */
/*
 * What saving, loading and repairing a state need of the store beyond store.h. Run by the broker's children on a
 * frozen store, and by the state program (root) while no daemon runs. Returns as store.h says.
 */
#ifndef SUBUIDD_STORE_STATE_H
#define SUBUIDD_STORE_STATE_H

#include "subuidd/store/store.h"

/* The version of the schema of every open store. */
int store_schema(void);

struct store_counts {
	uint64_t accounts, keys, ranges, limits;
	uint64_t tombstones; /* foreign ids too */
	uint64_t runs, audit;
};
int store_counts(struct store *store, struct store_counts *counts);

/* In a transaction: the store is this one from now on (it takes another one's place); its marks are at least these.
 */
int store_identity_set(struct store *store, uint64_t identity);
int store_marks_raise(struct store *store, const uint32_t marks[HIGH_WATER_REGIONS]);

/* All data that is set aside, in the order of uid, those above after_uid. Returns how many were filled. */
int store_removed_list(struct store *store, uint32_t after_uid, struct removed *rows, int max);

/* Another file of this program's schema, which nobody has open, beside this one: outside of a transaction. */
int store_other_attach(struct store *store, const char *path);
void store_other_detach(struct store *store);
/* In a transaction, into this store, what happened according to the other one and is not known here: the audit
 * trail, and the runs, last runs and uses of keys of accounts and keys that are just so in both. same: they are of
 * one identity, so that numbers above the highest of this one are what is new; else all of the trail is, and no
 * run. Data that is set aside there, and whose id is a tombstone here, is set aside here as well. */
int store_other_take(struct store *store, bool same);

#endif
