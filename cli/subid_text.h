/* SPDX-License-Identifier: ISC */
/* /etc/subuid and /etc/subgid as root's `subuid adopt` reads and shortens them. */
#ifndef CLI_SUBID_TEXT_H
#define CLI_SUBID_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/name.h"
#include "subid/line.h"
#include "subid/lines.h"

struct subid_entry {
	struct subid_line line;    /* in the file's text */
	size_t length;             /* of the line, from its name on */
	char owner[OWNER_MAX + 1]; /* of passwd(5); "": no such user */
	bool taken;                /* it is in the daemon's table */
};

struct subid_entries {
	char *text;
	struct subid_entry *list;
	size_t count, room;
};

/* The entries of a file. No such file: none. 0 or negative errno. */
int subid_entries_read(const char *path, struct subid_entries *entries);
void subid_entries_free(struct subid_entries *entries);

/* The lines that the daemon itself keeps there, for root alone: -EACCES. */
int subid_entries_published(struct subid_lines *published);
bool subid_entry_published(const struct subid_lines *published, const struct subid_entry *entry);

/* Asks passwd(5) for the owners of all. 0, or negative errno: it does not answer for one of them. */
int subid_entries_owners(struct subid_entries *entries);

/* The owner's name, or the name of the line if no such user exists; `length` bytes, which no NUL need end. */
const char *subid_entry_holder(const struct subid_entry *entry, size_t *length);

/* Orders by owner and ids: entries of one range of one owner become neighbours, whether they have name or uid and
 * wherever they were. */
int subid_entry_order(const struct subid_entry *a, const struct subid_entry *b);

/* Takes the lines of `taken` entries out of the one file and the other, both or none, under the locks of shadow's
 * tools; every other byte stays, and so do lines that the daemon itself keeps there. 0, or negative errno: -EBUSY
 * another program holds the locks, -EPERM others than root can write the files. */
int subid_entries_remove(const struct subid_entries *uids, const struct subid_entries *gids);

#endif
