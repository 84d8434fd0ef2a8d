/* SPDX-License-Identifier: ISC */
/*
 * Commands that come to nothing (refused, failed, `true`), of all connections of an account: some are free, then one a
 * second is allowed; and the refusals of a minute are one line in the log. Run by the login shell, with the account's
 * uid.
 */
#ifndef BACKUP_PACE_H
#define BACKUP_PACE_H

#include <stdbool.h>

/* Waits for its turn. True: this refusal is to be logged, and *more before it were not. */
bool pace(bool refused, unsigned *more);

#endif
