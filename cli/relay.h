/* SPDX-License-Identifier: ISC */
/* Carries bytes between the connections of a listening socket and one of the daemon's for each. Runs as the caller. */
#ifndef CLI_RELAY_H
#define CLI_RELAY_H

/* Connections at a time: a part of those that the daemon grants the user, who still has some left for themselves. */
#define RELAY_MOST 8

/* Until `stop` (a descriptor; a byte, or a signal of signalfd(2)) can be read: 0. Or negative errno. dial: a connection
 * to the daemon for the next one, on which nothing of its peer's has been sent yet; negative: that one is closed, and
 * -ESTALE: nothing is listened for any more. */
int relay_run(int listener, int stop, int (*dial)(void *data), void *data);

#endif
