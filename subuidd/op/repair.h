/* SPDX-License-Identifier: ISC */
/* Repairs that are under way. */
#ifndef SUBUIDD_OP_REPAIR_H
#define SUBUIDD_OP_REPAIR_H

#include <stdbool.h>

struct broker;

/* A repair of this account or its link is under way. */
bool repair_touches(const struct broker *broker, const char *target);

#endif
