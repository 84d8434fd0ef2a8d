/* SPDX-License-Identifier: ISC */
/* The things of an owner, who may be gone: accounts, ranges and removed accounts. Run by the broker. */
#include "subuidd/op/owner_has.h"

#include <errno.h>

#include "subuidd/life/lifecycle.h"

#define BATCH 16

int owner_made_for(struct store *store, const char *name, uint32_t *owner_uid)
{
	struct account account;
	struct removed removed;
	struct id_range range;
	int n = store_account_list(store, name, 0, &account, 1);

	if (n == 1)
		*owner_uid = account.owner_uid;
	if (n != 0)
		return n;
	n = store_range_list(store, name, 0, &range, 1);
	if (n == 1)
		*owner_uid = range.owner_uid;
	if (n != 0)
		return n;
	n = store_removed_listed(store, name, 0, &removed, 1);
	if (n == 1)
		n = removal_owner(store, removed.uid, owner_uid) ?: 1;
	return n == -ENOENT ? 0 : n;
}

static int ranges_count(struct store *store, const char *owner, uint32_t *ranges)
{
	struct id_range rows[BATCH];
	uint32_t after = 0;
	int n;

	while ((n = store_range_list(store, owner, after, rows, BATCH)) > 0) {
		*ranges += (uint32_t)n;
		after = rows[n - 1].first;
	}
	return n;
}

static int removed_count(struct store *store, const char *owner, uint32_t uid, uint32_t *removed)
{
	struct removed rows[BATCH];
	uint32_t after = 0, owner_uid;
	int n, r = 0;

	while (r == 0 && (n = store_removed_listed(store, owner, after, rows, BATCH)) != 0) {
		for (int i = 0; r == 0 && i < n; i++) {
			r = removal_owner(store, rows[i].uid, &owner_uid);
			*removed += r == 0 && owner_uid == uid;
			r = r == -ENOENT ? 0 : r;
			after = rows[i].uid;
		}
		r = n < 0 ? n : r;
	}
	return r;
}

int owner_has(struct store *store, const char *owner, uint32_t uid, struct owner_view *view)
{
	int r = store_account_count(store, owner, &view->accounts);

	if (r == 0)
		r = ranges_count(store, owner, &view->ranges);
	return r == 0 ? removed_count(store, owner, uid, &view->removed) : r;
}
