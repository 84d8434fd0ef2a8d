/* SPDX-License-Identifier: ISC */
/*
 * The bounds that hold for an account, out of what it says itself, what its owner's limit says and what this host says.
 * Pure, libc only: guests use it.
 */
#ifndef ACCOUNT_BOUNDS_H
#define ACCOUNT_BOUNDS_H

#include <stdbool.h>

#include "account/account.h"

enum bound_source { BOUND_OF_HOST, BOUND_OF_OWNER, BOUND_OF_ACCOUNT };

/* The most that an account of this owner may be given; 0: as much as it likes. */
uint64_t bound_most(const struct bounds *host, const struct bounds *owner, enum bound bound);

/* What holds: the account's own where it says one, never above the most that its owner has to give; 0: no bound.
 * source, if not NULL: where each comes from. */
void bounds_resolve(const struct bounds *host, const struct bounds *owner, const struct bounds *account,
		    struct bounds *effective, enum bound_source source[BOUNDS]);

/* Bytes for each process, where account or owner say a bound of memory; else 0, and `process` holds, the host's own
 * setting of that. An owner's limit takes its place, an account can only lower it. */
uint64_t bounds_process_memory(uint64_t process, const struct bounds *owner, const struct bounds *account,
			       const struct bounds *effective);

#define BOUND_OWN_PROCESSES 4u /* of a session, which are not its commands': those of sshd and the login shell */

/* All processes of all sessions together; 0: no bound. */
uint64_t bounds_tasks(const struct bounds *effective);

/* None of them is said. */
bool bounds_none(const struct bounds *bounds);

#endif
