/* SPDX-License-Identifier: ISC */
/* Repairs that are under way. */
#ifndef SUBUIDD_OP_REPAIR_H
#define SUBUIDD_OP_REPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "home/home.h"

struct broker;

/* Where a finding of this enum finding_place lies. */
enum home_place finding_home_place(uint32_t place);

/* A repair of this account or its link is under way. */
bool repair_touches(const struct broker *broker, const char *target);

#endif
