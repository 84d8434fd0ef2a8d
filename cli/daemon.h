/* SPDX-License-Identifier: ISC */
/* The daemon of this host: whether it runs, why it does not, and how it is stopped and started again the way it ran. */
#ifndef CLI_DAEMON_H
#define CLI_DAEMON_H

#include <stdbool.h>
#include <stddef.h>

bool systemd_runs(void);

/* True when something listens on the daemon's socket; *pid: the process that made it listen. */
bool daemon_listens(int *pid);

/* True if its last start was refused and it has not run since; *line: why. */
bool daemon_refused(char *line, size_t size);

struct stopped {
	int service, socket; /* units that were active */
	int by_hand;         /* a daemon that somebody had started */
};
/* Stops it, if it runs, and waits until it has ended. STATUS_DONE, or another status after saying why. */
int daemon_stop(struct stopped *stopped);
bool daemon_ran(const struct stopped *stopped);
/* For a daemon that did not run because it refused to start: true if systemd is to start it. */
bool daemon_enabled(struct stopped *stopped);
/* Starts it again. Returns the same. */
int daemon_start(const struct stopped *stopped);

#endif
