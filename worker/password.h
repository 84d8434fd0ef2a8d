/* SPDX-License-Identifier: ISC */
/* Makes app passwords. The worker hashes them, where there is nothing to steal: the broker would wait for it, and has
 * no use for the password. */
#ifndef SUBUIDD_WORKER_PASSWORD_H
#define SUBUIDD_WORKER_PASSWORD_H

#include "account/password.h"
#include "subuidd/wire/wire.h"

/* How much work a hash is to be; 0: this host takes no passwords. As the broker says with the connection. */
void worker_password_cost(uint32_t cost);

/* Makes one into type, blob and hash of *key, and remembers it. 0, or -EINVAL and why. */
int worker_password_make(struct ssh_key *key, struct failure_text *failure);

/* The same password once more, into a hash as they are made now (PASSWORD_HASH_MAX + 1 bytes): "" if it is not the one
 * of the hash `was`. */
void worker_password_again(const char letters[PASSWORD_LETTERS + 1], const char *was, char *hash);

void worker_password_forget(void);

/* The one that was made last, once: the caller wipes it. False: there is none. */
bool worker_password_take(char text[PASSWORD_TEXT_MAX + 1]);

#endif
