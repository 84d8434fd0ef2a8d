/* SPDX-License-Identifier: ISC */
/* `subuid check --repair`: puts right the findings of a check, one after the other. */
#ifndef CLI_CHECK_REPAIR_H
#define CLI_CHECK_REPAIR_H

#include <jansson.h>
#include <stdbool.h>

struct check_repair {
	bool yes; /* things that have data in them are set aside without asking */
};

/* One after the other, each once; prints the outcome of each (without --json). Returns an array of {subject, repair,
 * result, done}, result: done, would, left, failed; NULL: no memory. */
json_t *check_repair(const json_t *findings, const struct check_repair *how);

/* While no daemon runs, as root: becomes the program that repairs the state without it. Returns an exit status only
 * when it cannot, having said why. */
int check_repair_offline(const struct check_repair *how);

#endif
