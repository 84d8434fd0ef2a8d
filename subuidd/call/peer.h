/* SPDX-License-Identifier: ISC */
/*
 * Whether the process that has connected is in a container: in another user namespace than this one. Its uid does not
 * say so, since the kernel translates it: root of a container that a user has made is that user. Run by the broker.
 */
#ifndef SUBUIDD_PEER_H
#define SUBUIDD_PEER_H

#include <stdbool.h>
#include <sys/types.h>

enum contained {
	CONTAINED_NOT,
	CONTAINED_NAMESPACE, /* in another user namespace */
	CONTAINED_DOUBT,     /* it cannot be told, so it is taken for that */
	CONTAINED_RANGE,     /* its uid is one of a range, wherever it is */
	CONTAINED_SOCKET,    /* its connection has been turned into one of an account (op/become.c) */
};

/* Of the process with this pid that was at the other end of a connected socket when it connected. It waits for nobody.
 * fresh: the connection was made a moment ago, so that no other process can have that pid by now; asked of kernels
 * before 6.5, which have no pidfd of a peer. */
enum contained peer_contained(int fd, pid_t pid, bool fresh);

#endif
