/* SPDX-License-Identifier: ISC */
/*
 * Lines of ours that stood in the files before they were ours: what useradd wrote, of a range that was adopted since.
 * They are kept like all others as long as we publish, and stay where they are when we cease to: a host that is
 * switched off gives everybody what it gave him before. STATE_DIR/subid-lines-found has them. Run by root, under
 * shadow's locks.
 */
#ifndef SUBUIDD_SUBID_FOUND_H
#define SUBUIDD_SUBID_FOUND_H

#include "subuidd/subid/lines.h"

#define SUBID_FOUND_NAME "subid-lines-found"

/* All that are put down. *found must be empty. 0 or negative errno. */
int subid_found_read(int state_fd, struct subid_lines *found);

/* Before anything is written: those of `wanted` that a file has and that are not in `before` are put down. */
int subid_found_note(int state_fd, int etc_fd, const struct subid_lines *before, const struct subid_lines *wanted);

/* `before` without those: what is to be taken out when nothing is published any more. 0 or negative errno. */
int subid_found_spare(int state_fd, const struct subid_lines *before, struct subid_lines *ours);

#endif
