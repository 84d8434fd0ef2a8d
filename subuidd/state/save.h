/* SPDX-License-Identifier: ISC */
/*
 * Writes a saved state (format.h). Run by a child of the broker, while changes go on in the log of the frozen store,
 * and by the state program when no daemon runs. Root.
 */
#ifndef SUBUIDD_STATE_SAVE_H
#define SUBUIDD_STATE_SAVE_H

#include <stddef.h>
#include <stdint.h>

#include "store/high_water.h"

#define STATE_DB "state.db"
#define STATE_DB_PATH STATE_DIR "/" STATE_DB
#define STATE_SAVE "save" /* below STATE_DIR: the daemon writes it and the state program removes it */
#define STATE_SAVE_SECONDS 3600u

/* high_water_read(), also where there are no homes (-1). */
int state_high_water(int state_fd, int homes_fd, struct high_water *mark, unsigned *files);

/* The store in state_fd, which is frozen (store_freeze()) or which nobody has open, its log empty, to out_fd (any
 * kind). homes_fd: for the high-water mark; -1: there are none. 0, or negative errno and a sentence in why. */
int state_save(int state_fd, int homes_fd, int out_fd, char *why, size_t size);

/* The same as STATE_DIR/save (0600): written beside it, synced, renamed. */
int state_save_beside(int state_fd, int homes_fd, char *why, size_t size);

#endif
