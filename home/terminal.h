/* SPDX-License-Identifier: ISC */
/* A word to somebody who sits at a terminal. Run by a child of the broker (root). */
#ifndef SUBUIDD_HOME_TERMINAL_H
#define SUBUIDD_HOME_TERMINAL_H

#include "home/sessions.h"

/* Writes the text to the terminal of this process (proc: of /proc), if it leads a session on a pseudo terminal that
 * belongs to its real uid. Waits for nobody: a terminal that takes nothing is told nothing. 1; 0: it has none; or
 * negative errno. */
int terminal_tell(int proc, const struct session *session, const char *text);

#endif
