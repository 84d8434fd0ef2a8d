/* SPDX-License-Identifier: ISC */
/* Sets of lines of /etc/subuid and /etc/subgid: growing, sorting and finding them, and putting them into a file. */
#include "subid/lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "confine/cleanup.h"
#include "subid/line.h"

#define LINE_MAX_BYTES 320

int subid_lines_add_text(struct subid_lines *lines, const char *text, size_t length)
{
	if (lines->room - lines->length < length) {
		size_t room = (lines->length + length) * 2 + 4096;
		char *grown = realloc(lines->text, room);

		if (grown == NULL)
			return -ENOMEM;
		lines->text = grown;
		lines->room = room;
	}
	if (length > 0)
		memcpy(lines->text + lines->length, text, length);
	lines->length += length;
	return 0;
}

int subid_lines_add_line(struct subid_lines *lines, const char *line, size_t length)
{
	int r = subid_lines_add_text(lines, line, length);

	return r < 0 ? r : subid_lines_add_text(lines, "\n", 1);
}

int subid_lines_add(struct subid_lines *lines, const char *name, uint32_t first, uint32_t count)
{
	char line[LINE_MAX_BYTES];
	int length = snprintf(line, sizeof(line), "%s:%u:%u\n", name, first, count);

	return length < (int)sizeof(line) ? subid_lines_add_text(lines, line, (size_t)length) : -EINVAL;
}

static int compare(const void *a, const void *b)
{
	const struct subid_lines_at *x = a, *y = b;
	int order = subid_bytes_order(x->at, x->length, y->at, y->length);

	return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

static size_t unique(struct subid_lines_at *sorted, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (n == 0 ||
		    subid_bytes_order(sorted[n - 1].at, sorted[n - 1].length, sorted[i].at, sorted[i].length) != 0)
			sorted[n++] = sorted[i];
	return n;
}

int subid_lines_sort(struct subid_lines *lines)
{
	const char *text = lines->text, *at;
	size_t left = lines->length, length, count = 0, n = 0;

	while (subid_line_next(&text, &left, &at, &length))
		count++;
	free(lines->sorted);
	lines->count = 0;
	lines->sorted = calloc(count + 1, sizeof(*lines->sorted));
	if (lines->sorted == NULL)
		return -ENOMEM;
	text = lines->text;
	left = lines->length;
	while (subid_line_next(&text, &left, &at, &length)) {
		lines->sorted[n] = (struct subid_lines_at){ at, length, n };
		n++;
	}
	if (n > 0)
		qsort(lines->sorted, n, sizeof(*lines->sorted), compare);
	lines->count = unique(lines->sorted, n);
	return 0;
}

void subid_lines_free(struct subid_lines *lines)
{
	free(lines->text);
	free(lines->sorted);
	*lines = (struct subid_lines){ 0 };
}

long subid_lines_find(const struct subid_lines *lines, const char *at, size_t length)
{
	size_t low = 0, high = lines->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct subid_lines_at *line = &lines->sorted[middle];
		int order = subid_bytes_order(at, length, line->at, line->length);

		if (order == 0)
			return (long)middle;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return -1;
}

bool subid_lines_equal(const struct subid_lines *a, const struct subid_lines *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (subid_bytes_order(a->sorted[i].at, a->sorted[i].length, b->sorted[i].at, b->sorted[i].length) != 0)
			return false;
	return true;
}

int subid_lines_pick(const struct subid_lines *lines, const struct subid_lines *other, bool in,
		     struct subid_lines *picked)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < lines->count; i++) {
		const struct subid_lines_at *line = &lines->sorted[i];

		if ((subid_lines_find(other, line->at, line->length) >= 0) != in)
			continue;
		r = subid_lines_add_line(picked, line->at, line->length);
	}
	return r;
}

/* Existing ones stay where they are; of two equal ones the first. */
static size_t keep_present(const char *present, size_t length, const struct subid_lines *before,
			   const struct subid_lines *mine, bool *seen, char *out)
{
	const char *at;
	size_t line, used = 0;

	while (subid_line_next(&present, &length, &at, &line)) {
		long number = subid_lines_find(mine, at, line);

		if (number >= 0 ? seen[number] : subid_lines_find(before, at, line) >= 0)
			continue;
		if (number >= 0)
			seen[number] = true;
		memcpy(out + used, at, line);
		used += line;
		/* a last line without an end stays so, as long as nothing follows */
		if (at[line] == '\n')
			out[used++] = '\n';
	}
	return used;
}

int subid_lines_merge(const char *present, size_t length, const struct subid_lines *before,
		      const struct subid_lines *mine, char **out, size_t *out_length)
{
	cleanup_free bool *seen = calloc(mine->count + 1, sizeof(*seen));
	cleanup_free char *text = malloc(length + mine->length + 2);
	cleanup_free char *copy = malloc(length + 1);
	const char *at, *rest = mine->text;
	size_t used, line, left = mine->length;

	if (seen == NULL || text == NULL || copy == NULL)
		return -ENOMEM;
	memcpy(copy, present, length);
	copy[length] = '\0'; /* the byte behind the last line is looked at */
	used = keep_present(copy, length, before, mine, seen, text);
	while (subid_line_next(&rest, &left, &at, &line)) {
		long number = subid_lines_find(mine, at, line);

		if (number < 0 || seen[number])
			continue;
		seen[number] = true;
		if (used > 0 && text[used - 1] != '\n')
			text[used++] = '\n';
		memcpy(text + used, at, line);
		used += line;
		text[used++] = '\n';
	}
	*out_length = used;
	*out = steal_ptr(&text);
	return used != length || memcmp(*out, copy, length) != 0;
}
