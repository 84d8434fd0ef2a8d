/* SPDX-License-Identifier: ISC */
/* Accounts and ranges as every program of the host sees them: from the index, also while the daemon is down. */
#ifndef CLI_LOOKUP_H
#define CLI_LOOKUP_H

#include <stddef.h>

#include "index/index.h"

/* NAME of a command line, "web1" (the caller's own) or "alice+web1". Returns an exit status; failures have been
 * reported. */
int lookup_account(const char *name, struct index_account *account, struct index_host *host);

/* The ranges of an owner: those given to the sub-account account_uid, or with 0 the owner's own. In the order of their
 * lists; *ranges is on the heap, the caller frees it. Returns an exit status; a failure has been reported. */
int lookup_ranges(uint32_t owner_uid, uint32_t account_uid, struct id_range **ranges, size_t *count);

/* An owner by name; NULL: the caller. Returns an exit status; failures have been reported. */
int lookup_owner(const char *name, uint32_t *uid);

#endif
