/* SPDX-License-Identifier: ISC */
/*
 * Lines of ours that were in the files before they were ours: useradd wrote them, and the range was adopted since.
 * They are kept like all others as long as we publish, and stay where they are when we cease to: a host that is
 * switched off gives all users what it gave them before. STATE_DIR/subid-lines-found has them. Run by root, under
 * shadow's locks.
 */
#ifndef SUBID_FOUND_H
#define SUBID_FOUND_H

#include "subid/lines.h"

#define SUBID_LINES_NAME "subid-lines"
#define SUBID_FOUND_NAME "subid-lines-found"

/* The lines that the files may have from us, sorted. No such record: none. 0 or negative errno. */
int subid_lines_recorded(int state_fd, struct subid_lines *lines);

/* All that are put down as found, sorted. 0 or negative errno. */
int subid_found_read(int state_fd, struct subid_lines *found);

/* Before anything is written: those of `wanted` that a file has and that are not in `before` are put down. */
int subid_found_note(int state_fd, int etc_fd, const struct subid_lines *before, const struct subid_lines *wanted);

/* `before` without those: the lines to be taken out when nothing is published any more. 0 or negative errno. */
int subid_found_spare(int state_fd, const struct subid_lines *before, struct subid_lines *ours);

#endif
