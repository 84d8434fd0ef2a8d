/* SPDX-License-Identifier: ISC */
/*
 * Our lines in /etc/subuid and /etc/subgid, written by a child process of the broker (root).
 *
 * What lines these files may have from us is in STATE_DIR/subid-lines, written before they are and
 * cut down after: whoever comes back from a crash knows which lines to take away, and never takes
 * one that somebody else wrote. Order: shadow's locks, the union of old and new lines into
 * subid-lines, both files (each beside the old one, synced, renamed), the new lines into subid-lines.
 */
#ifndef SUBUIDD_SUBID_WRITE_H
#define SUBUIDD_SUBID_WRITE_H

#include <stddef.h>
#include <sys/types.h>

#include "subuidd/settings.h"
#include "subuidd/subid/lines.h"

#define SUBID_LINES_NAME "subid-lines"

/* What the files should have, from the index, whole and sorted; nothing of an owner whose name and uid do not belong
 * together any more. 0 or negative errno. */
int subid_lines_wanted(enum publish_to publish, struct subid_lines *lines);
/* What they may have from us. No such file: none. */
int subid_lines_recorded(int state_fd, struct subid_lines *lines);

/* Text of a file that root alone can write. No such file: empty. 0, or negative errno (-EPERM not such a file). */
int subid_text_read(int dirfd, const char *name, char **text, size_t *length);

/* Beside the old one, under the name `temporary`, and renamed over it; with the old one's mode, or `mode`. */
int subid_text_write(int dirfd, const char *name, const char *temporary, mode_t mode, const char *text, size_t length);

/* 0, or negative errno and a sentence in why. */
int subid_write(int state_fd, int etc_fd, enum publish_to publish, char *why, size_t size);

#endif
