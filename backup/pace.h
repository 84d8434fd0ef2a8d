/* SPDX-License-Identifier: ISC */
/*
 * Commands that come to nothing (refused, failed, `true`), of all connections of an account: some are free, then there is
 * one a second; and those refused are one line in the log for a minute. Run by the login shell, with the account's uid.
 */
#ifndef BACKUP_PACE_H
#define BACKUP_PACE_H

#include <stdbool.h>

/* Waits for its turn. True: a refusal is to be told of, and *more before it were not. */
bool pace(bool refused, unsigned *more);

#endif
