/* SPDX-License-Identifier: ISC */
/*
 * The processes of an account that stood already when it was frozen (^Z, a debugger): a thaw leaves them as they were.
 * Beside the sockets in RUN_DIR, so that a restart of the daemon knows them and a boot, which ends them, does not. Run
 * by children of the broker (root).
 */
#ifndef SUBUIDD_HOME_STOPPED_H
#define SUBUIDD_HOME_STOPPED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "home/sessions.h"

#define STOPPED_MAX 512u /* an account that has more of them finds the rest continued */

struct stopped {
	size_t count;
	struct stopped_one {
		int64_t pid;
		uint64_t start; /* a number is given out again: with this it is one process */
	} ones[STOPPED_MAX];
};

void stopped_add(struct stopped *stopped, int proc, const struct session *session);
bool stopped_has(const struct stopped *stopped, int proc, const struct session *session);

/* -EEXIST: some are kept already, since a thaw has not come to its end. 0 or negative errno. */
int stopped_keep(uint32_t uid, const struct stopped *stopped);
void stopped_forget(uint32_t uid);
/* None where nothing is kept. */
void stopped_load(uint32_t uid, struct stopped *stopped);

#endif
