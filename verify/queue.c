/* SPDX-License-Identifier: ISC */
/* The order in which questions are answered. Run by the first process of the verifier. */
#include "verify/queue.h"

#include <string.h>

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* As in tries.c: a key has two cells, and is as busy as the one that is less. */
static uint64_t busy_until(const struct queue *queue, const struct tries_key *key)
{
	const uint64_t a = queue->until[key->cells[0]], b = queue->until[key->cells[1]];

	return a < b ? a : b;
}

static void turn_take(struct queue *queue, struct queue_place *place)
{
	const struct tries_key *turns = place->turns;

	place->start = later(queue->now, later(busy_until(queue, &turns[0]), busy_until(queue, &turns[1])));
	queue->end = later(queue->end, place->start + 1);
	for (unsigned i = 0; i < 2; i++)
		for (unsigned j = 0; j < 2; j++) {
			uint64_t *until = &queue->until[turns[i].cells[j]], before = *until;

			*until = later(before, place->start + 1);
			place->raised[i][j] = *until - before;
		}
}

/* No hash was computed for it. */
static void turn_return(struct queue *queue, const struct queue_place *place)
{
	for (unsigned i = 0; i < 2; i++)
		for (unsigned j = 0; j < 2; j++)
			queue->until[place->turns[i].cells[j]] -= place->raised[i][j];
}

static bool nobody_waits(const struct queue *queue)
{
	for (int i = 0; i < QUEUE_MAX; i++)
		if (queue->places[i].waits)
			return false;
	return true;
}

static bool before(const struct queue_place *a, const struct queue_place *b)
{
	return a->start != b->start ? a->start < b->start : a->number < b->number;
}

static int place_free(const struct queue *queue)
{
	for (int i = 0; i < QUEUE_MAX; i++)
		if (!queue->places[i].waits)
			return i;
	return -1;
}

static int place_last(const struct queue *queue)
{
	int last = 0;

	for (int i = 1; i < QUEUE_MAX; i++)
		if (before(&queue->places[last], &queue->places[i]))
			last = i;
	return last;
}

int queue_put(struct queue *queue, const struct tries_key turns[2], int *lost)
{
	struct queue_place place = { .waits = true, .turns = { turns[0], turns[1] }, .number = queue->number++ };
	int at = place_free(queue);

	*lost = -1;
	if (nobody_waits(queue)) /* nobody has to stand back for what was before */
		queue->now = queue->end;
	turn_take(queue, &place);
	place.behind = place.start > queue->now;
	if (at < 0) {
		at = place_last(queue);
		if (before(&queue->places[at], &place)) {
			turn_return(queue, &place);
			return -1;
		}
		turn_return(queue, &queue->places[at]);
		*lost = at;
	}
	queue->places[at] = place;
	return at;
}

int queue_take(struct queue *queue, bool patient)
{
	int next = -1;

	for (int i = 0; i < QUEUE_MAX; i++)
		if (queue->places[i].waits && (patient || !queue->places[i].behind) &&
		    (next < 0 || before(&queue->places[i], &queue->places[next])))
			next = i;
	if (next >= 0) {
		queue->now = later(queue->now, queue->places[next].start);
		queue->places[next].waits = false;
	}
	return next;
}

void queue_leave(struct queue *queue, int place)
{
	turn_return(queue, &queue->places[place]);
	queue->places[place].waits = false;
}
