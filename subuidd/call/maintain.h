/* SPDX-License-Identifier: ISC */
/* When the broker looks again at the work that is left. It gives the function that then does it. */
#ifndef SUBUIDD_MAINTAIN_H
#define SUBUIDD_MAINTAIN_H

#include "subuidd/broker.h"

/* The broker has its event loop. 0 or negative errno. */
int maintain_open(struct broker *broker, void (*look)(struct broker *broker));

/* Looks again after so many seconds, or earlier if that was planned. */
void maintain_in(struct broker *broker, unsigned seconds);

#endif
