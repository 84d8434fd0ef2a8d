/* SPDX-License-Identifier: ISC */
/*
 * Only one run at a time may change a directory; runs into different directories go on side by side. Locks on the
 * directories themselves, from DIR down to the destination, which rsync's processes inherit and hold to the last of
 * them. A convenience for well-meaning clients; no confinement rests on it.
 */
#ifndef BACKUP_GATE_LOCK_H
#define BACKUP_GATE_LOCK_H

#include <stddef.h>

/*
 * path: the directory that is to change, relative to the working directory ("." itself), whose last components need
 * not exist yet. 0; -EWOULDBLOCK, and holder says who has it and since when; another negative errno.
 */
int gate_lock(const char *path, char *holder, size_t size);

#endif
