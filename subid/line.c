/* SPDX-License-Identifier: ISC */
/* One line of /etc/subuid, read in one way by all: see line.h. Runs everywhere, in setuid newuidmap too. */
#include "subid/line.h"

#include <string.h>

bool subid_line_parse(const char *text, size_t length, struct subid_line *line)
{
	const char *end = text + length, *first = memchr(text, ':', length), *count;
	uint64_t start, n;

	if (length > SUBID_LINE_MAX || first == NULL || first == text || text[0] == '#' ||
	    memchr(text, '\0', length) != NULL)
		return false;
	count = memchr(first + 1, ':', (size_t)(end - first - 1));
	if (count == NULL || number_parse(first + 1, (size_t)(count - first - 1), &start) < 0 ||
	    number_parse(count + 1, (size_t)(end - count - 1), &n) < 0 || !id_range_valid(start, n))
		return false;
	*line = (struct subid_line){ text, (size_t)(first - text), { (uint32_t)start, (uint32_t)(start + n - 1) } };
	return true;
}

bool subid_line_next(const char **text, size_t *left, const char **line, size_t *length)
{
	const char *newline;

	if (*left == 0)
		return false;
	newline = memchr(*text, '\n', *left);
	*line = *text;
	*length = newline != NULL ? (size_t)(newline - *text) : *left;
	*text += *length + (newline != NULL);
	*left -= *length + (newline != NULL);
	return true;
}

bool subid_line_is(const struct subid_line *line, const char *name)
{
	return strlen(name) == line->name_length && memcmp(name, line->name, line->name_length) == 0;
}

bool subid_line_names(const struct subid_line *line, const char *name, uint32_t uid)
{
	uint32_t number;

	return subid_line_is(line, name) ||
	       (id_parse_bytes(line->name, line->name_length, &number) == 0 && number == uid);
}

int subid_bytes_order(const char *a, size_t a_length, const char *b, size_t b_length)
{
	int order = memcmp(a, b, a_length < b_length ? a_length : b_length);

	return order != 0 ? order : (a_length > b_length) - (a_length < b_length);
}
