/* SPDX-License-Identifier: ISC */
/*
 * Locks and removed keys that could not be written into the store: whatever it says, the index shows the account as
 * locked (key 0), or without the key. A short list, usually empty.
 */
#ifndef SUBUIDD_WITHHELD_H
#define SUBUIDD_WITHHELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ssh_key;

struct withheld {
	struct withheld_entry {
		uint32_t uid, key;
	} * entries;
	size_t count;
};

bool withheld_has(const struct withheld *withheld, uint32_t uid, uint32_t key);
/* An owner's own key (ssh_key.owner): these are numbered apart, and follow their owner to another uid. */
#define WITHHELD_OWNERS UINT32_MAX /* in the place of the uid */
bool withheld_key(const struct withheld *withheld, const struct ssh_key *key);

int withheld_add(struct withheld *withheld, uint32_t uid, uint32_t key); /* 0 or -ENOMEM */
void withheld_remove(struct withheld *withheld, uint32_t uid, uint32_t key);

/* An account that is to go, whose removal could not be written either: in the place of a key, which has no such number
 * (KEY_ID_KEPT_MAX), with how it goes in the lowest bits. */
#define WITHHELD_REMOVAL 0xfffffff0u
bool withheld_removal(const struct withheld *withheld, uint32_t uid, uint32_t *how); /* how may be NULL */

void withheld_free(struct withheld *withheld);

#endif
