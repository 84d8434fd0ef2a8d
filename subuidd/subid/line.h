/* SPDX-License-Identifier: ISC */
/* Finds the holder of a block of ids in /etc/subuid or /etc/subgid. Run by the broker on files that root edits. */
#ifndef SUBUIDD_SUBID_LINE_H
#define SUBUIDD_SUBID_LINE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* 1: one line gives exactly these ids to this owner (by name or by uid), and no other line any of them; 0: none
 * gives any of them; -EEXIST: others, or otherwise; or another negative errno of reading the file. */
int subid_line_held(const char *path, const char *owner, uid_t owner_uid, uint32_t first, uint32_t count);

/* Pure: the same of a text, which ends with NUL and is cut up. */
int subid_line_find(char *text, const char *owner, uid_t owner_uid, uint32_t first, uint32_t count);

#endif
