/* SPDX-License-Identifier: ISC */
/*
 * Publishes committed changes of the store: they are put into the index files, and only then acknowledged. When
 * a file cannot be written (a full disk), readers go on seeing the old state, and nothing is acknowledged until
 * all have been rebuilt.
 */
#ifndef SUBUIDD_PUBLISH_H
#define SUBUIDD_PUBLISH_H

#include <stddef.h>

#include "account/account.h"
#include "subuidd/base/settings.h"
#include "store/store.h"

struct publication;
struct withheld;

/* Opens the files, or builds them when they are not of this boot, host and generation.
 * store, state_fd and what is withheld are borrowed. 0, or negative errno and a sentence in why. */
int publication_open(struct store *store, const struct settings *settings, int state_fd,
		     const struct withheld *withheld, struct publication **ret, char *why, size_t size);
void publication_close(struct publication *publication);

/* Settings that are in the files' headers may have changed. */
int publication_settings(struct publication *publication, const struct settings *settings);

/* Each after its transaction was committed, before anything else is. 0, or negative
 * errno: the readers do not see it, publication_repair() will. */
int publish_account(struct publication *publication, const struct account *account); /* the row itself */
/* With its keys and ranges; the second while its rows are still there, and as publish_account_locked(). */
int publish_account_whole(struct publication *publication, const struct account *account);
int publish_account_gone(struct publication *publication, const struct account *account);
int publish_key(struct publication *publication, const struct ssh_key *key);
int publish_key_gone(struct publication *publication, const struct ssh_key *key); /* as publish_account_locked() */
int publish_range(struct publication *publication, const struct id_range *range);
int publish_limit(struct publication *publication, const char *owner); /* its bounds of accounts */
int publish_range_gone(struct publication *publication, const struct id_range *range);

/* The readers see everything that has been committed: says so in the files. */
void publication_commit(struct publication *publication);

/* The changes for /etc/subuid and /etc/subgid since the last call: or-ed, and then forgotten. */
enum { PUBLISHED_RANGES = 1u << 0, PUBLISHED_ACCOUNTS = 1u << 1 };
unsigned publication_changes(struct publication *publication);

/* Rebuilds both files, whatever their state. */
int publication_rebuild(struct publication *publication);

/* Rebuilds both files if something is missing in them, or one of them is gone. 0 when they are whole. */
int publication_repair(struct publication *publication);

/* For access that has to end now, whether or not the files can be made whole: the view of the readers is changed in
 * place. 0: nobody logs in with it any more; or negative errno. The account as locked, without its keys where even
 * that cannot be written; the key; the account and all of its. */
int publish_account_locked(struct publication *publication, const struct account *account);

#endif
