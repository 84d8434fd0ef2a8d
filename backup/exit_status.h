/* SPDX-License-Identifier: ISC */
/* Exit statuses of the gates when they have run nothing. */
#ifndef BACKUP_EXIT_STATUS_H
#define BACKUP_EXIT_STATUS_H

#define EXIT_REFUSED 1
#define EXIT_UNCONFINED 78 /* EX_CONFIG: this host cannot enforce what was promised */

#endif
