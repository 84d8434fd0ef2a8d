/* SPDX-License-Identifier: ISC */
/* Daily copies of the state: state-YYYY-MM-DD (UTC) in the setting's directory. Run by the state program (root). */
#ifndef SUBUIDD_STATE_DAILY_H
#define SUBUIDD_STATE_DAILY_H

#include "subuidd/state/format.h"
#include "subuidd/state/program.h"

#define DAILY_NAME_MAX 16 /* "state-2026-11-28" */

/* The name of the copy of this second. out: DAILY_NAME_MAX + 1 bytes. */
int daily_name(int64_t saved, char *out);

/* The directory, 0700, made if it is missing. A descriptor, or negative errno and a sentence in why. */
int daily_open(const struct settings *settings, bool make, char *why, size_t size);

/* True for a file that a daily save has made: a plain file of root with the header of a saved state of the day in its
 * name. */
bool daily_made(int dirfd, const char *name, struct state_header *header);

/* Removes those of them that are older, by the change that they have reached, than the newest `keep`; never the one
 * that was just made. How many are left, or negative errno. */
int daily_prune(int dirfd, unsigned keep, const char *made);

/* The newest: its name (DAILY_NAME_MAX + 1 bytes) and header. 0 or -ENOENT, or another negative errno. */
int daily_newest(int dirfd, char *name, struct state_header *header);

#endif
