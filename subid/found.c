/* SPDX-License-Identifier: ISC */
/*
 * Our records of lines: those that the files may have from us, and which of these were in /etc/subuid and
 * /etc/subgid before us, so that they can stay when we cease.
 */
#include "subid/found.h"

#include "confine/cleanup.h"
#include "subid/line.h"
#include "subid/text.h"

/* Those of `fresh` that the file has. */
static int pick_present(int etc_fd, const char *name, const struct subid_lines *fresh, struct subid_lines *picked)
{
	cleanup_free char *text = NULL;
	const char *rest, *line;
	size_t length = 0, line_length;
	int r = subid_text_read(etc_fd, name, &text, &length);

	rest = text;
	while (r == 0 && subid_line_next(&rest, &length, &line, &line_length))
		if (subid_lines_find(fresh, line, line_length) >= 0)
			r = subid_lines_add_line(picked, line, line_length);
	return r;
}

static int record_read(int state_fd, const char *name, struct subid_lines *lines)
{
	cleanup_free char *text = NULL;
	size_t length = 0;
	int r = subid_text_read(state_fd, name, &text, &length);

	*lines = (struct subid_lines){ 0 };
	if (r == 0)
		r = subid_lines_add_text(lines, text, length);
	return r == 0 ? subid_lines_sort(lines) : r;
}

int subid_lines_recorded(int state_fd, struct subid_lines *lines)
{
	return record_read(state_fd, SUBID_LINES_NAME, lines);
}

int subid_found_read(int state_fd, struct subid_lines *found)
{
	return record_read(state_fd, SUBID_FOUND_NAME, found);
}

/* Most changes have one new line, which no file has: they cost one look through each. */
int subid_found_note(int state_fd, int etc_fd, const struct subid_lines *before, const struct subid_lines *wanted)
{
	struct subid_lines old = { 0 }, ours = { 0 }, fresh = { 0 }, found = { 0 };
	int r = subid_found_read(state_fd, &old);

	/* only of those that we still publish: leftovers of an earlier time say nothing about today's files */
	if (r == 0)
		r = subid_lines_pick(wanted, before, true, &ours);
	if (r == 0)
		r = subid_lines_sort(&ours);
	if (r == 0)
		r = subid_lines_pick(&ours, &old, true, &found);
	if (r == 0)
		r = subid_lines_pick(wanted, before, false, &fresh);
	if (r == 0)
		r = subid_lines_sort(&fresh);
	if (r == 0 && fresh.count > 0)
		r = pick_present(etc_fd, "subuid", &fresh, &found);
	if (r == 0 && fresh.count > 0)
		r = pick_present(etc_fd, "subgid", &fresh, &found);
	if (r == 0)
		r = subid_lines_sort(&found);
	if (r == 0 && !subid_lines_equal(&old, &found))
		r = subid_text_write(state_fd, SUBID_FOUND_NAME, SUBID_FOUND_NAME ".new", 0600, found.text,
				     found.length);
	subid_lines_free(&old);
	subid_lines_free(&ours);
	subid_lines_free(&fresh);
	subid_lines_free(&found);
	return r;
}

int subid_found_spare(int state_fd, const struct subid_lines *before, struct subid_lines *ours)
{
	struct subid_lines found = { 0 };
	int r = subid_found_read(state_fd, &found);

	*ours = (struct subid_lines){ 0 };
	if (r == 0)
		r = subid_lines_pick(before, &found, false, ours);
	if (r == 0)
		r = subid_lines_sort(ours);
	subid_lines_free(&found);
	return r;
}
