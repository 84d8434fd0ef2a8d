/* SPDX-License-Identifier: ISC */
/* Finds what a load would change: the present store, the index and the homes against the database of a saved state,
 * row by row. Run by the state program (root); changes nothing. */
#ifndef SUBUIDD_STATE_COMPARE_H
#define SUBUIDD_STATE_COMPARE_H

#include "subuidd/state/host.h"

struct comparison {
	const struct place *place;
	const struct host *host;
	struct store *present; /* NULL: missing or unreadable */
	struct store *file;
	bool kin;   /* both are of one identity */
	bool newer; /* the present one has changed since, or is another one: differences come from there */
	struct report *report;
};

/* Finds what only the present store has, or only the file. 0, or negative errno (of either store). */
int compare_stores(const struct comparison *comparison);

/* Finds what index and homes show and the file does not know, and accounts of the file without a home. The same
 * returns.
 * */
int compare_host(const struct comparison *comparison);

/* Finds ids of the file that users, groups or lines of /etc/subuid and /etc/subgid of this host have (invariant 2),
 * and owners whose name belongs to another user here. The same returns. */
int compare_users(const struct comparison *comparison);

#endif
