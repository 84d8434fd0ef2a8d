/* SPDX-License-Identifier: ISC */
/*
 * Traces that other programs of the host keep under the name or the ids of an account, and would use again if the name
 * came back: lingering (logind), crontabs, at jobs. They are removed with the account's data.
 */
#ifndef SUBUIDD_HOME_TRACES_H
#define SUBUIDD_HOME_TRACES_H

#include <sys/types.h>

#include "account/account.h"
#include "home/sessions.h"

struct traces {
	struct session_ids ids;
	const char *owner, *label;
	char separator;
	int named_anew; /* by now another account has the name, and the traces under it */
};

/* Starts the child that removes them: regular files only, of exactly these names or ids. 0 and pid, pidfd
 * (close-on-exec), or negative errno. Its exit status: 0, or 1 when something stays. */
#define TRACES_SECONDS 10
int traces_start(const struct traces *traces, pid_t *pid, int *pidfd);

#endif
