/* SPDX-License-Identifier: ISC */
/* What is done for an account once more, when a login that was under way has become a session. Run by the broker. */
#ifndef SUBUIDD_AGAIN_H
#define SUBUIDD_AGAIN_H

#include <stdint.h>

struct broker;

/* Once, so long after the last call for the same. 0 or negative errno: it will not be done. */
int again_in(struct broker *broker, uint32_t uid, unsigned seconds, void (*what)(struct broker *broker, uint32_t uid));

#endif
