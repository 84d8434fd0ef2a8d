/* SPDX-License-Identifier: ISC */
/*
 * One row of removed data on its way out: purge.c deletes it, sweep.c begins with each that is due, purge_call.c with
 * the one that a call waits for. For callers that wait for neither, see lifecycle.h.
 */
#ifndef SUBUIDD_LIFE_PURGE_H
#define SUBUIDD_LIFE_PURGE_H

#include <stdbool.h>

#include "subuidd/broker.h"

#define PURGE_AGAIN_SECONDS 3600u /* until what is due is tried once more */

struct purge;

/* r: 0 it is gone and recorded, or negative errno; why: the obstacle. */
typedef void (*purge_done)(void *data, int r, const char *why);

/* done() is called, perhaps before this returns, and *started (may be NULL) is set where it was not. False: no memory,
 * it is not called. */
bool purge_begin(struct broker *broker, const struct removed *row, purge_done done, void *data, struct purge **started);

/* It goes on by itself: done() is not called any more. */
void purge_leave(struct purge *purge);

#endif
