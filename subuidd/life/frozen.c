/* SPDX-License-Identifier: ISC */
/* Keeps track of the readers of the frozen store, and of those that wait for it: see frozen.h. Run by the
 * broker. */
#include "subuidd/life/frozen.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "subuidd/broker.h"

static bool reading;
static struct frozen_turn *waiting;

static int freeze(struct broker *broker)
{
	int r = store_freeze(broker->store);

	reading = r == 0;
	return r;
}

int frozen_begin(struct broker *broker, struct frozen_turn *turn)
{
	struct frozen_turn **last = &waiting;

	if (!reading)
		return freeze(broker);
	if (turn == NULL)
		return -EBUSY;
	turn->next = NULL;
	while (*last != NULL)
		last = &(*last)->next;
	*last = turn;
	return 1;
}

void frozen_end(struct broker *broker)
{
	store_thaw(broker->store);
	reading = false;
	while (!reading && waiting != NULL) {
		struct frozen_turn *turn = waiting;

		waiting = turn->next;
		turn->run(turn, freeze(broker));
	}
}
