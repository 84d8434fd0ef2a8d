/* SPDX-License-Identifier: ISC */
/* Keys as the store has them. */
#ifndef SUBUIDD_CHANGE_KEY_H
#define SUBUIDD_CHANGE_KEY_H

#include "subuidd/call/call.h"

#define KEY_LINE_TODO "give the whole line of the .pub file, as ssh-keygen writes it"

/* For the audit trail. */
void key_describe(const struct ssh_key *key, char *text, size_t size);

/* The account's key with this blob or this fingerprint (the other one NULL), and how many
 * keys it has. 0, -ENOENT (count is set), or another negative errno. */
int key_find(struct store *store, uint32_t uid, const char *blob, const char *fingerprint, struct ssh_key *key,
	     uint32_t *count);

/* Fails for a key that is refused since its removal could not be recorded yet. */
enum failure key_stays(struct call *call, const struct ssh_key *key);

/* Whether one more may be added where there are so many, by the limit of this owner. */
enum failure key_limit_check(struct call *call, const char *owner, uint32_t count);

#endif
