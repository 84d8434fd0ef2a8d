/* SPDX-License-Identifier: ISC */
/*
 * A process between sshd and a run, for accounts with a bound of bandwidth: what comes in and what goes out passes it
 * at so many bytes a second each way. Part of the login shell, with the uid of the account.
 */
#ifndef BACKUP_THROTTLE_H
#define BACKUP_THROTTLE_H

#include <stdint.h>
#include <sys/types.h>

/*
 * From here on our standard descriptors are pipes, with that process at their other ends. Where one of the first two is
 * neither a pipe nor a socket (a terminal, whose user sees what happens), nothing is done and *pid is 0. 0 or negative
 * errno: the descriptors are as they were.
 */
int throttle_begin(uint64_t rate, pid_t *pid);

/* Gives up our standard error, and waits until all that was written has passed, or its reader is gone. The first two
 * descriptors have been given up already. */
void throttle_end(pid_t pid);

#endif
