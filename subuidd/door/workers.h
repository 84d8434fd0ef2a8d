/* SPDX-License-Identifier: ISC */
/*
 * Workers: processes without privilege, one for each connection, a few kept ready.
 * A worker seals itself, says 'R', is given one connection, serves it and ends.
 * A worker that says anything but a sound request at its turn is killed.
 */
#ifndef SUBUIDD_WORKERS_H
#define SUBUIDD_WORKERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "subuidd/broker.h"
#include "subuidd/call/caller.h"
#include "subuidd/door/shares.h"
#include "subuidd/wire/wire.h"

struct worker;
struct workers;

/* Finds the worker's user and executable, starts the first ones. Before the capabilities are dropped (it needs
 * namespaces). */
int workers_open(struct broker *broker, char *why, size_t size);
void workers_close(struct broker *broker);

/* The users of the connections that are being served or wait for a worker. */
const struct shares *workers_shares(const struct broker *broker);

/* All places are taken: ends a connection, of the largest share and without a call under way, in favour of this caller.
 * False: there is none to end, since the caller has as many as anybody, or all are being served. */
bool workers_make_room(struct broker *broker, const struct caller *caller);

/* Takes fd: gives it to a ready worker, or keeps it until one is. 0, or negative errno (fd is closed). */
int workers_serve(struct broker *broker, int fd, const struct caller *caller);

/* spawn.c: what a worker is started from. */
struct worker_image {
	int executable; /* O_PATH */
	int network;    /* empty namespaces; -1: they could not be made, so the worker's own seal has to suffice */
	int ipc;
	uid_t uid;
	gid_t gid;
};
int worker_image_open(struct worker_image *image, char *why, size_t size);
void worker_image_close(struct worker_image *image);
/* 0, or negative errno. *fd: our end, non-blocking, on which the kernel names the sender. */
int worker_spawn(const struct worker_image *image, int *fd, pid_t *started, int *pidfd);

#endif
