/* SPDX-License-Identifier: ISC */
/* The directory of the store, and the lock on it: one process at a time changes what is in it. Root. */
#ifndef SUBUIDD_STATE_DIRECTORY_H
#define SUBUIDD_STATE_DIRECTORY_H

#include <stddef.h>

/* Opens STATE_DIR, and makes it (0755) where it is missing. A descriptor, or negative errno and a sentence in why
 * (-EPERM: others can write it). */
int state_directory_open(char *why, size_t size);

/* Takes the lock, for as long as the descriptor is open and this process lives. A descriptor, or negative errno and
 * a sentence in why; -EBUSY: a daemon, or the state program, has it. */
int state_directory_lock(int state_fd, char *why, size_t size);

#endif
