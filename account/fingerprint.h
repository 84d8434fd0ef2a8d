/* SPDX-License-Identifier: ISC */
#ifndef ACCOUNT_FINGERPRINT_H
#define ACCOUNT_FINGERPRINT_H

#include "account/account.h"

/* Writes key->fingerprint from key->blob, as `ssh-keygen -l` prints it
 * ("SHA256:…" without padding). Links libmd: not for guests. 0 or -EINVAL. */
int key_fingerprint(struct ssh_key *key);

#endif
