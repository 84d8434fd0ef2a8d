/* SPDX-License-Identifier: ISC */
/*
 * Ranges come before the uids of sub-accounts: programs that read the files by themselves (SUBID_READERS) take the
 * first line of a user, or want one of 65536 ids there, and a line of one uid would leave them without the user's
 * range. Pure, but for the heap. Run by a child of the broker (root).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/id.h"
#include "confine/cleanup.h"
#include "subid/line.h"
#include "subid/lines.h"

static bool is_range(const struct subid_lines_at *line)
{
	struct subid_line parsed;

	return subid_line_parse(line->at, line->length, &parsed) && subid_line_count(&parsed) >= RANGE_UNIT;
}

static int ranges_of(const struct subid_lines *lines, struct subid_lines *picked)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < lines->count; i++)
		if (is_range(&lines->sorted[i]))
			r = subid_lines_add_line(picked, lines->sorted[i].at, lines->sorted[i].length);
	return r == 0 ? subid_lines_sort(picked) : r;
}

/* 1: a range is missing in the text; 0; or -ENOMEM. The record of what was written does not say it: a crash may have
 * come between that record and the file. */
static int range_missing(const struct subid_lines *ranges, const char *present, size_t length)
{
	cleanup_free bool *seen = calloc(ranges->count + 1, sizeof(*seen));
	size_t found = 0, line;
	const char *at;

	if (seen == NULL)
		return -ENOMEM;
	while (subid_line_next(&present, &length, &at, &line)) {
		long number = subid_lines_find(ranges, at, line);

		if (number < 0 || seen[number])
			continue;
		seen[number] = true;
		found++;
	}
	return found < ranges->count;
}

/* First the ranges, in a text without what we wrote before; then the rest. A line of somebody else's that is equal to
 * one of ours stays where it is. */
static int front(const char *present, size_t length, const struct subid_lines *before, const struct subid_lines *ranges,
		 const struct subid_lines *mine, char **out, size_t *out_length)
{
	struct subid_lines none = { 0 };
	cleanup_free char *text = NULL;
	size_t used = 0;
	int r = subid_lines_merge(present, length, before, ranges, &text, &used);

	if (r >= 0)
		r = subid_lines_merge(text, used, &none, mine, out, out_length);
	return r < 0 ? r : *out_length != length || memcmp(*out, present, length) != 0;
}

int subid_lines_place(const char *present, size_t length, const struct subid_lines *before,
		      const struct subid_lines *mine, char **out, size_t *out_length)
{
	struct subid_lines ranges = { 0 };
	int r = ranges_of(mine, &ranges);

	if (r == 0)
		r = range_missing(&ranges, present, length);
	if (r == 0)
		r = subid_lines_merge(present, length, before, mine, out, out_length);
	else if (r == 1)
		r = front(present, length, before, &ranges, mine, out, out_length);
	subid_lines_free(&ranges);
	return r;
}
