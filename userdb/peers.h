/* SPDX-License-Identifier: ISC */
/*
 * The connections of the user database: who keeps a place when there are more than places. Pure, but for the
 * descriptors that it closes.
 *
 * Each holder has a share: a uid, or all uids together that somebody can have many of (sub-accounts, ids inside
 * ranges), or one user would be as many holders as they like. A connection more than there are places ends the one of
 * the largest share that has been quiet for longest; so nobody is kept out by somebody else.
 */
#ifndef USERDB_PEERS_H
#define USERDB_PEERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "varlink/stream.h"

#define PEERS_MAX 256u
#define HOLDER_TOGETHER ((uid_t)-1) /* of uids that somebody can have many of */

struct peer {
	struct varlink_stream stream; /* fd -1: a free place */
	uid_t holder;
	uint32_t account;    /* whose it is; 0: anybody else's */
	int64_t quiet_since; /* milliseconds of a clock that never goes back */
	bool more;           /* bytes are in the stream's buffer that may be a call */
};

struct peers {
	struct peer peer[PEERS_MAX];
};

void peers_init(struct peers *peers);
/* A place for the connection, which is the table's from now on; another one may have made way for it. */
struct peer *peers_take(struct peers *peers, int fd, uid_t holder, int64_t now);
void peers_drop(struct peer *peer);
/* Ends all that have been quiet for this long. */
void peers_expire(struct peers *peers, int64_t now, int64_t quiet_ms);

#endif
