/* SPDX-License-Identifier: ISC */
/* The loop of the user database: one process, one thread, which waits for nobody. */
#ifndef USERDB_SERVE_H
#define USERDB_SERVE_H

#include "index/index.h"

/* Serves on the listening socket for ever, and tells the service manager's watchdog so on `manager` (-1: there is
 * none) each beat_ms. Returns the negative errno that ended it. */
int userdb_serve(int listener, int manager, int beat_ms, struct index_reader *reader);

#endif
