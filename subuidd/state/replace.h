/* SPDX-License-Identifier: ISC */
/*
 * Replaces the present store by another one so that after a kill -9 or a loss of power at any point one of the two is
 * there whole. Run by the state program (root), with the lock, no store open.
 */
#ifndef SUBUIDD_STATE_REPLACE_H
#define SUBUIDD_STATE_REPLACE_H

#include "subuidd/state/copy.h"
#include "subuidd/state/host.h"

/* Opens the present store. 0; -ENOENT: it does not exist; -EUCLEAN: it exists and cannot be read, and why says
 * more; or another negative errno and why: it must not be touched. */
int present_open(struct store **store, char *why, size_t size);

/* Copies state.db (and its log, if state.db cannot be read) to state.db<suffix>, one of each. 0 or negative errno;
 * -ENOENT: it does not exist. */
int present_keep(int state_fd, const char *suffix);

/* Puts the settled copy in the place of state.db. 0 or negative errno. */
int present_replace(int state_fd, struct copy *copy);

/* Raises the marks in both files, and makes them this store's; the generation stays. Makes the homes directory if it is
 * missing. 0, or negative errno and a sentence in why. */
int marks_raise(struct place *place, uint64_t identity, const uint32_t marks[HIGH_WATER_REGIONS], char *why,
		size_t size);

#endif
