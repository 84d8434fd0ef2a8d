/* SPDX-License-Identifier: ISC */
/* Things that the index does not show although the store has them. Part of the broker. */
#include "subuidd/publish/withheld.h"

#include <errno.h>
#include <stdlib.h>

#include "account/account.h"

bool withheld_has(const struct withheld *withheld, uint32_t uid, uint32_t key)
{
	for (size_t i = 0; i < withheld->count; i++)
		if (withheld->entries[i].uid == uid && withheld->entries[i].key == key)
			return true;
	return false;
}

bool withheld_key(const struct withheld *withheld, const struct ssh_key *key)
{
	return withheld_has(withheld, key->owner[0] != '\0' ? WITHHELD_OWNERS : key->uid, key->id);
}

bool withheld_removal(const struct withheld *withheld, uint32_t uid, uint32_t *how)
{
	for (size_t i = 0; i < withheld->count; i++) {
		const struct withheld_entry *entry = &withheld->entries[i];

		if (entry->uid != uid || entry->key < WITHHELD_REMOVAL)
			continue;
		if (how != NULL)
			*how = entry->key & ~WITHHELD_REMOVAL;
		return true;
	}
	return false;
}

int withheld_add(struct withheld *withheld, uint32_t uid, uint32_t key)
{
	struct withheld_entry *grown;

	if (withheld_has(withheld, uid, key))
		return 0;
	grown = reallocarray(withheld->entries, withheld->count + 1, sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	grown[withheld->count++] = (struct withheld_entry){ uid, key };
	withheld->entries = grown;
	return 0;
}

void withheld_remove(struct withheld *withheld, uint32_t uid, uint32_t key)
{
	for (size_t i = 0; i < withheld->count; i++)
		if (withheld->entries[i].uid == uid && withheld->entries[i].key == key)
			withheld->entries[i--] = withheld->entries[--withheld->count];
}

void withheld_free(struct withheld *withheld)
{
	free(withheld->entries);
	*withheld = (struct withheld){ 0 };
}
