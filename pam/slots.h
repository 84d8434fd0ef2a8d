/* SPDX-License-Identifier: ISC */
/*
 * How many sessions an account and its keys have at this moment, and how many refusals were not logged. Runs in the
 * process of sshd that stays root and lives as long as the connection. A session is a lock of that process (fcntl(2),
 * by process) on a byte of a file that nobody but root can open: the process that becomes the account inherits no such
 * lock and cannot release one, and no lock outlives its process, however that ends.
 */
#ifndef PAM_SLOTS_H
#define PAM_SLOTS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define SLOTS_REFUSED 4 /* connections of a key that wait to be told why they are turned away */

/* The file RUN/sessions/UID of this account; missing parts of the path are made. Descriptor or negative errno. */
int slots_open(const char *run, uint32_t uid);

/* Counts a login that was refused: the first number of RUN/denied/OWNER_UID and of RUN/denied/all, since the host was
 * started, which the daemon reads for metrics (subuidd/call/denied.h). One that cannot be counted is not. */
void slots_denied(const char *run, uint32_t owner_uid);

/* RUN/pace/UID: a lock on it is the turn among commands that come to nothing (backup/pace.c). The account may open and
 * lock it. */
void slots_pace(const char *run, uint32_t uid);

/* Takes one of `most` places, unless this process has one: 0; -EBUSY; negative errno. */
int slots_take_account(int fd, unsigned most);
int slots_take_key(int fd, uint32_t key_id, unsigned most);
int slots_take_refused(int fd, uint32_t key_id);
void slots_leave_account(int fd);

/* A login more, if there were fewer than `most` in the last minute. 0; -EBUSY: *wait seconds until there is room for
 * one; negative errno. A clock that is set does not matter, nor another `most` than the last time. */
int slots_login(int fd, unsigned most, unsigned *wait);

/* Whether to log a refusal: only the first in a minute is. *more: how many before it were not. */
bool slots_tell(int fd, time_t now, unsigned *more);

#endif
