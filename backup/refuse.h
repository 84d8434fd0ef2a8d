/* SPDX-License-Identifier: ISC */
/* How the gates say no: once to the person at the other end, once to the log; control bytes escaped. */
#ifndef BACKUP_REFUSE_H
#define BACKUP_REFUSE_H

#include "backup/exit_status.h"

/* "program: what: why". Returns status, so that a check can `return refuse(…)`. */
int refuse(const char *program, const char *what, const char *why, int status);

/* "program: text", to the person alone. */
void refuse_text(const char *program, const char *text);

/* Only to the person: a note on something that is passed over. */
void refuse_part(const char *program, const char *what, const char *why);

/* Under the login shell, which says in the log what was refused. */
void refuse_without_log(void);

/* A step of the confinement that this host does not have: nothing was run. Returns EXIT_UNCONFINED. */
int refuse_unconfined(const char *program, const char *step, int error);

#endif
