/* SPDX-License-Identifier: ISC */
/* The plain row of a list: see scan.h. */
#include "varlink/scan.h"

#include <string.h>

struct scan {
	char *at, *end;
};

/* These bytes come next, and are passed. */
static bool take(struct scan *scan, const char *bytes)
{
	size_t length = strlen(bytes);

	if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, bytes, length) != 0)
		return false;
	scan->at += length;
	return true;
}

/* The text between two quotes: printable ASCII, no escapes. */
static bool take_string(struct scan *scan, const char **text)
{
	if (!take(scan, "\""))
		return false;
	*text = scan->at;
	while (scan->at < scan->end && *scan->at != '"') {
		unsigned char c = (unsigned char)*scan->at++;

		if (c < 0x20 || c > 0x7e || c == '\\')
			return false;
	}
	return take(scan, "\"");
}

/* -?(0|[1-9][0-9]*), of no more digits than fit 64 bits. */
static bool take_integer(struct scan *scan)
{
	char *first;

	if (scan->at < scan->end && *scan->at == '-')
		scan->at++;
	first = scan->at;
	while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
		scan->at++;
	return scan->at > first && scan->at - first <= 18 && (*first != '0' || scan->at - first == 1);
}

static bool take_value(struct scan *scan, struct scan_member *member)
{
	member->string = scan->at < scan->end && *scan->at == '"';
	if (member->string)
		return take_string(scan, &member->value);
	member->value = scan->at;
	return take(scan, "true") || take(scan, "false") || take_integer(scan);
}

static bool take_members(struct scan *scan, struct scan_row *row)
{
	row->count = 0;
	if (!take(scan, "{"))
		return false;
	do {
		struct scan_member *member = &row->members[row->count];

		if (row->count++ == SCAN_MEMBERS_MAX || !take_string(scan, &member->name) || !take(scan, ":") ||
		    !take_value(scan, member))
			return false;
	} while (take(scan, ","));
	return take(scan, "}");
}

/* After each name and value there is a byte that is no longer needed. */
static void end_members(char *bytes, const struct scan_row *row)
{
	for (size_t i = 0; i < row->count; i++) {
		const struct scan_member *member = &row->members[i];

		bytes[member->name - bytes + (ptrdiff_t)strcspn(member->name, "\"")] = '\0';
		bytes[member->value - bytes + (ptrdiff_t)strcspn(member->value, member->string ? "\"" : ",}")] = '\0';
	}
}

bool scan_row(char *bytes, size_t length, const char *name, struct scan_row *row)
{
	struct scan scan = { bytes, bytes + length };

	if (!take(&scan, "{\"parameters\":{\"") || !take(&scan, name) || !take(&scan, "\":") ||
	    !take_members(&scan, row) || !take(&scan, "},\"continues\":true}") || scan.at != scan.end)
		return false;
	end_members(bytes, row);
	return true;
}
