/* SPDX-License-Identifier: ISC */
/* What adding an account and adding a key have in common. */
#ifndef SUBUIDD_OP_KEY_H
#define SUBUIDD_OP_KEY_H

#include "subuidd/call/call.h"

/* The key as it will be stored: with the broker's own time and fingerprint. 0 or -EINVAL. */
int key_prepare(const struct ssh_key *asked, uint32_t uid, struct ssh_key *key);

/* Its tools have profiles on this host, or the answer says which has none. */
enum failure key_tools_there(struct call *call, const struct ssh_key *key);

/* The same key for the same use; comments may differ. */
bool keys_equal(const struct ssh_key *a, const struct ssh_key *b);

/* For the audit trail. */
void key_describe(const struct ssh_key *key, char *text, size_t size);

/* The account's key with this blob or this fingerprint (the other one NULL), and how many
 * keys it has. 0, -ENOENT (count is set), or another negative errno. */
int key_find(struct store *store, uint32_t uid, const char *blob, const char *fingerprint, struct ssh_key *key,
	     uint32_t *count);

/* call->key into the open transaction; with this id, if no key ever had it (0: any). */
enum failure key_insert(struct call *call, uint32_t id);

#endif
