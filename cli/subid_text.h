/* SPDX-License-Identifier: ISC */
/* /etc/subuid and /etc/subgid as root's `subuid adopt` reads and shortens them. */
#ifndef CLI_SUBID_TEXT_H
#define CLI_SUBID_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/name.h"

#define SUBID_LINES STATE_DIR "/subid-lines" /* the daemon's own, subuidd/subid/write.h */

struct subid_entry {
	char name[64]; /* as it stands there: a name, or a uid */
	char owner[OWNER_MAX + 1]; /* of passwd(5); "": no such user */
	uint32_t first, count;
	bool taken; /* it is in the daemon's table */
};

struct subid_entries {
	struct subid_entry *list;
	size_t count, room;
};

/* name:first:count of one line without its end. Pure. 0 or -EINVAL. */
int subid_entry_parse(const char *line, size_t length, struct subid_entry *entry);

/* The entries of a file. No such file: none. 0 or negative errno. */
int subid_entries_read(const char *path, struct subid_entries *entries);
void subid_entries_free(struct subid_entries *entries);

/* Finds an entry by its text (name and ids), not by the user it means. Sorts once; returns the entry or NULL. */
void subid_entries_sort(struct subid_entries *entries);
const struct subid_entry *subid_entries_find(const struct subid_entries *entries, const struct subid_entry *entry);

/* Asks passwd(5) for the owners of all. 0, or negative errno: it does not answer for one of them. */
int subid_entries_owners(struct subid_entries *entries);

/* Order by owner and ids: those of one range of one owner are neighbours, whether they say name or uid and wherever
 * they stand. */
int subid_entry_order(const struct subid_entry *a, const struct subid_entry *b);

/* Takes the lines of `taken` entries out of the one file and the other, both or none, under the locks of shadow's
 * tools; every other byte stays, and so do lines that the daemon itself keeps there. Sorts both lists again.
 * 0, or negative errno: -EBUSY another program holds the locks. */
int subid_entries_remove(struct subid_entries *uids, struct subid_entries *gids);

#endif
