/* SPDX-License-Identifier: ISC */
/*
 * Shows what the numbers of owners meant on the server that was backed up: the backup's own etc/passwd and etc/group,
 * shown only to the rsync that sends the backup back. With the names, a client's rsync finds the numbers of its own
 * host; without them (and with --numeric-ids) owners come by number.
 *
 * Never for a receiver: a backup keeps the numbers as they came.
 */
#ifndef BACKUP_GATE_NAMES_H
#define BACKUP_GATE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define GATE_NAMES_SIZE_MAX (1u << 20) /* of either file: some 15,000 users; libc reads it once for each owner */

/* /etc/passwd and /etc/group of a private root, empty, open for writing; -1: there are none. */
struct gate_names {
	int passwd, group;
};

/* clang-format off */
#define GATE_NAMES_NONE { -1, -1 }
/* clang-format on */

/*
 * Fills and closes them from the nearest directory at or above source that has an etc/passwd. Run confined, with
 * DIR as the working directory. fake_super: an attribute says what a file is. 0 (also if there is no such file);
 * negative errno: there is one and it cannot be used, *path (of size) names it, and no names are available.
 */
int gate_names_place(struct gate_names *names, const char *source, bool fake_super, char *path, size_t size);

/* Closes what is open: no names. */
void gate_names_close(struct gate_names *names);

#endif
