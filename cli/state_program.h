/* SPDX-License-Identifier: ISC */
/* The program that works on the state of this host while no daemon has it: /usr/libexec/subuidd/state. */
#ifndef CLI_STATE_PROGRAM_H
#define CLI_STATE_PROGRAM_H

#include <stdbool.h>

/* Runs it with these words (the first is the verb, NULL ends), --json where that was asked for, and our own
 * standard descriptors. Its exit status, which is one of subuid(1) (75 of `collect`: there is no save), or
 * STATUS_UNREACHABLE (it is not there) or STATUS_FAILED and it was said why. */
int state_program_run(const char *const words[]);

/* ---- state_restart.c: the daemon, stopped and started again the way it runs */
struct stopped {
	int service, socket; /* units that were active */
	int by_hand;	     /* a daemon that somebody had started */
};
/* Stops it, if it runs, and waits until it has ended. STATUS_DONE, or another status and it was said why. */
int daemon_stop(struct stopped *stopped);
bool daemon_ran(const struct stopped *stopped);
/* One that did not run, because it refused to start, is to be started: true where systemd is to do that. */
bool daemon_enabled(struct stopped *stopped);
/* The same returns. */
int daemon_start(const struct stopped *stopped);

#endif
