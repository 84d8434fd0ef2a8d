/* SPDX-License-Identifier: ISC */
/*
 * One run that changes DIR at a time: a lock on the directory itself, which rsync's
 * processes inherit and hold to the last of them. A convenience for well-meaning clients; no
 * confinement rests on it.
 */
#ifndef BACKUP_GATE_LOCK_H
#define BACKUP_GATE_LOCK_H

#include <stddef.h>

/* What must be opened before Landlock, to name a holder later. A descriptor, or -1. */
int gate_lock_prepare(void);

/* Takes the lock on root and lets rsync inherit it. 0; -EWOULDBLOCK: who has it into holder; other negative errno. */
int gate_lock(int root, int locks, char *holder, size_t size);

#endif
