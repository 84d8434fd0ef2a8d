/* SPDX-License-Identifier: ISC */
#ifndef ACCOUNT_INDEX_MAP_H
#define ACCOUNT_INDEX_MAP_H

#include "index/index.h"

/* One lookup's hold on a mapping. Lies on the stack of the thread that looks up: its address chooses the lane. */
struct index_hold {
	const struct index_view *view;
	struct index_reader *reader; /* NULL: `alone` is in use */
	struct index_lane *lane;
	uint32_t number; /* of the mapping */
	struct index_view alone;
};

/* Takes hold of the file as it is now, opening it when there is need. 0 or a
 * negative errno that is not -ENOENT. Keeps errno. */
int index_enter(struct index_reader *reader, struct index_hold *hold);
void index_leave(struct index_hold *hold);

#endif
