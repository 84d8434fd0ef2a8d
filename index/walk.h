/* SPDX-License-Identifier: ISC */
/* Walks a whole index file, for code that proves it; not for guests. */
#ifndef ACCOUNT_INDEX_WALK_H
#define ACCOUNT_INDEX_WALK_H

#include "index/index.h"

/* Keys in the order of the table; *cursor starts at 0. Returns as the look-ups of index/index.h; -ENOENT at the end. */
int index_key_next(struct index_reader *reader, uint64_t *cursor, struct ssh_key *key);

#endif
