/* SPDX-License-Identifier: ISC */
/*
 * Shares of the connections. A user with accounts has a share of their own; all uids that can have no accounts (a
 * user has 65536 of them and more: subordinate ids, sub-accounts) have one together, or one user could take
 * every connection there is. Between listen.c, workers.c and worker_channel.c only; run by the broker.
 */
#ifndef SUBUIDD_SHARES_H
#define SUBUIDD_SHARES_H

#include <stdbool.h>
#include <sys/types.h>

#include "subuidd/call/caller.h"

struct share {
	struct share *next;
	uid_t uid;
	bool together;   /* of the uids that can have no accounts */
	bool contained;  /* of a user's containers, which do not use up the user's own */
	unsigned held;   /* connections that are served or wait for a worker */
	unsigned served; /* of these, by a worker */
};

struct shares {
	struct share *first;
	unsigned held; /* by all */
};

/* One connection more of this caller, who is named (caller_name). NULL: no memory. */
struct share *share_take(struct shares *shares, const struct caller *caller);
/* One connection less; the share goes with its last one. */
void share_drop(struct shares *shares, struct share *share);

/* How many connections the caller's share has. */
unsigned share_held(const struct shares *shares, const struct caller *caller);
/* The same before the caller's name is known: at least this many; also 0 for uids that are counted together. */
unsigned share_held_uid(const struct shares *shares, const struct caller *caller);

/* Whether a connection of the share `from` makes way for one of a user who has `mine`: the larger share makes way, and
 * every share does for a user without connections, once the connection has been quiet. */
bool share_yields(const struct share *from, unsigned mine, bool quiet);

#endif
