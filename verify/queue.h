/* SPDX-License-Identifier: ISC */
/*
 * The turns: questions wait for a hash in the order of a start time each, which is when everything before it, of
 * the same account and of the same address, would have been served if all were served alike (start-time fair queueing).
 * So a question of somebody who asks little goes before a flood, whenever that came. Pure, of a constant size.
 */
#ifndef VERIFY_QUEUE_H
#define VERIFY_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "verify/tries.h"

#define QUEUE_MAX 128

struct queue_place {
	bool waits;
	struct tries_key turns[2]; /* its account and its address */
	bool behind;               /* others of its account or its address come before it */
	uint64_t raised[2][2];     /* what it has added to the cells of its turns, until it is served */
	uint64_t start, number;    /* number: of those that start at the same time the first that came is the first */
};

/* All 0: empty. */
struct queue {
	uint64_t now;                /* the start time of the one that was served last */
	uint64_t end;                /* when all have been served */
	uint64_t number;             /* of the next one */
	uint64_t until[TRIES_CELLS]; /* when the last one of a key that uses this cell has been served */
	struct queue_place places[QUEUE_MAX];
};

/* A place for a question. If all are taken the last one in turn loses its place: *lost, a place whose question has to
 * be forgotten before the new one takes it, or -1. -1: the new one would be the last, and gets none. */
int queue_put(struct queue *queue, const struct tries_key turns[2], int *lost);

/* The next one, whose place is free from then on; -1: none may go. patient: also one that is behind others. */
int queue_take(struct queue *queue, bool patient);

/* It does not wait any more, and has taken no turn: those of its account do not stand back for it. */
void queue_leave(struct queue *queue, int place);

#endif
