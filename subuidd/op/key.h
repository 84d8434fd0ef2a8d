/* SPDX-License-Identifier: ISC */
/* What the operations on one key share. */
#ifndef SUBUIDD_OP_KEY_H
#define SUBUIDD_OP_KEY_H

#include "subuidd/call/call.h"

/* The key of call->account that has this id (not 0) or else this fingerprint, into call->key. A key of another account
 * is not found, as one that does not exist. */
enum failure key_named(struct call *call, uint32_t id, const char *fingerprint);

/* The store does not take the removal of a key, which counts all the same: what is so now, and whether a restart knows
 * (the result of urgent_add()). */
enum failure key_unrecorded(struct call *call, const char *so, int noted);

#endif
