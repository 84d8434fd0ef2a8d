/* SPDX-License-Identifier: ISC */
/*
 * One row of a list, read without making a tree of it: a million of them are read. Only what is plain is read here: one
 * object of strings without escapes, integers, true and false. All else is varlink_decode()'s. Pure; fuzzed.
 */
#ifndef VARLINK_SCAN_H
#define VARLINK_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#define SCAN_MEMBERS_MAX 48

struct scan_member {
	const char *name, *value; /* both ended by NUL */
	bool string;              /* else as JSON writes it */
};

struct scan_row {
	size_t count;
	struct scan_member members[SCAN_MEMBERS_MAX];
};

/* bytes: a message that says that more follow, with one parameter of this name, which is such an object. True: its members
 * are in *row, and lie in bytes, which is no JSON any more. False: it is something else, and untouched. */
bool scan_row(char *bytes, size_t length, const char *name, struct scan_row *row);

#endif
