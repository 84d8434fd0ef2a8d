/* SPDX-License-Identifier: ISC */
/* Ranges as the store has them. */
#ifndef SUBUIDD_CHANGE_RANGE_H
#define SUBUIDD_CHANGE_RANGE_H

#include "subuidd/call/call.h"

/* A range of the caller's own, or of an owner they may act for; another's is not found, like one that does not
 * exist. */
enum failure range_find(struct call *call, uint32_t first, struct id_range *range);

/* Whether the owner may have so many blocks more; and their limit, and how many they have. */
enum failure range_limit(struct call *call, uint32_t units, struct limit *limit, uint32_t *present);

/* Sets place and behind of a range that is about to be made. 0 or negative errno of the store. */
int range_turn(const struct call *call, bool adopted, struct id_range *range);

/* At the start: ranges from before this was known keep the places that their lines have in the files. 0 or negative
 * errno: it is tried again at the next start, and meanwhile they come last. */
int range_turns_settle(struct broker *broker);

#endif
