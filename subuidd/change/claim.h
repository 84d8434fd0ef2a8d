/* SPDX-License-Identifier: ISC */
/* Ids that are asked for by number: an import of what another host gave out, and ranges that are adopted. */
#ifndef SUBUIDD_CLAIM_H
#define SUBUIDD_CLAIM_H

#include "subuidd/call/call.h"

/* In the open transaction: the id is in the settings' blocks and free, or the failure says who has it. Ids that
 * only the very same account (call->account) or owner had before are theirs again; so is data set aside for the
 * account (account->flags, from the look at the disk): the flags from now on hold what the store knew of it. */
enum failure claim_uid(struct call *call, struct account *account);
enum failure claim_range(struct call *call, uint32_t first, uint32_t count);

/* The same for an account that comes back, and for a range that it had: by their tombstones alone, which say whose they
 * were, wherever they are. */
enum failure claim_uid_back(struct call *call, struct account *account);
enum failure claim_range_back(struct call *call, uint32_t account_uid, uint32_t first, uint32_t count);

/* The range is in one of the blocks that the daemon gives out. */
bool claim_range_inside(const struct settings *settings, uint32_t first, uint32_t count);

/* Wherever it is, but for ids of the system: a range that /etc/subuid and /etc/subgid both give to call->owner, just
 * so, or that neither gives to anybody (another host's, whose export is imported); and that nobody else has. */
enum failure claim_adopted(struct call *call, uint32_t first, uint32_t count);

/* Ids of a tombstone: free in the store, or a tombstone's already: *present. */
enum failure claim_tombstone(struct call *call, uint32_t first, uint32_t count, bool *present);

#endif
