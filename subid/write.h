/* SPDX-License-Identifier: ISC */
/*
 * Our lines in /etc/subuid and /etc/subgid, written by a child process of the broker (root).
 *
 * STATE_DIR/subid-lines has the lines that these files may have from us. It is written before they are and cut down
 * after: after a crash we know which lines to take away, and never take one that somebody else wrote. Order:
 * shadow's locks, the union of old and new lines into subid-lines, both files (each beside the old one, synced,
 * renamed), the new lines into subid-lines.
 *
 * Somebody else's line is taken away in one case, whatever `publish` says: it gives ids of the index to a name that has
 * gone to another user (plan.h).
 */
#ifndef SUBID_WRITE_H
#define SUBID_WRITE_H

#include <stddef.h>
#include <sys/stat.h>

#include "subid/publish_to.h"

/* 0, or negative errno and a sentence in why. 0 with a sentence: some owners are in doubt, so that their lines are
 * as they were. Takes no lock when there is nothing to write. seen (may be NULL): both files as they were when they
 * were last read or written, zeroes for one that does not exist; all zeroes when others wrote them in between, so
 * that not all of it has been judged. */
int subid_write(int state_fd, int etc_fd, enum publish_to publish, struct stat seen[2], char *why, size_t size);

#endif
