/* SPDX-License-Identifier: ISC */
/*
 * One row of a list, read without making a tree of it, since there may be a million. Only plain rows are read here: one
 * object of strings without escapes, integers, true and false. All else is varlink_decode()'s. Pure; fuzzed.
 */
#ifndef VARLINK_SCAN_H
#define VARLINK_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#define SCAN_MEMBERS_MAX 96

struct scan_member {
	const char *name, *value; /* both ended by NUL */
	bool string;              /* else as JSON writes it */
};

struct scan_row {
	size_t count;
	struct scan_member members[SCAN_MEMBERS_MAX];
};

/* bytes: a message that says that more follow, with one parameter of this name, which is such an object. True: its
 * members are in *row and point into bytes, which are no longer JSON. False: it is something else, and untouched. */
bool scan_row(char *bytes, size_t length, const char *name, struct scan_row *row);

#endif
