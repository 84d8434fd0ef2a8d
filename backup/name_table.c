/* SPDX-License-Identifier: ISC */
/* Makes a clean passwd or group file out of an untrusted one, line by line. */
#include "backup/name_table.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct field {
	const char *text;
	size_t length;
};

/* Cuts the text before the first ':' off a line. False: no text is left. */
static bool cut_field(struct field *line, struct field *ret)
{
	const char *colon;

	if (line->text == NULL)
		return false;
	colon = memchr(line->text, ':', line->length);
	*ret = (struct field){ line->text, colon == NULL ? line->length : (size_t)(colon - line->text) };
	if (colon == NULL)
		*line = (struct field){ NULL, 0 };
	else
		*line = (struct field){ colon + 1, line->length - ret->length - 1 };
	return true;
}

static bool name_valid(const struct field *name)
{
	static const char others[] = "._-@$+\\";

	if (name->length == 0 || name->length > NAME_TABLE_NAME_MAX || name->text[0] == '+' || name->text[0] == '-')
		return false;
	for (size_t i = 0; i < name->length; i++) {
		unsigned char c = (unsigned char)name->text[i], letter = c | 0x20;

		if (!(letter >= 'a' && letter <= 'z') && !(c >= '0' && c <= '9') && c < 128 &&
		    (c == '\0' || strchr(others, c) == NULL))
			return false;
	}
	return true;
}

static bool number_parse(const struct field *text, uint32_t *ret)
{
	uint64_t number = 0;

	if (text->length == 0 || text->length > 10)
		return false;
	for (size_t i = 0; i < text->length; i++) {
		if (text->text[i] < '0' || text->text[i] > '9')
			return false;
		number = 10 * number + (uint64_t)(text->text[i] - '0');
	}
	if (number >= UINT32_MAX) /* -1 is no id */
		return false;
	*ret = (uint32_t)number;
	return true;
}

static size_t line_make(enum name_table_kind kind, struct field line, char *to)
{
	struct field name, password, text;
	char rest[32];
	uint32_t number;
	int length;

	if (!cut_field(&line, &name) || !cut_field(&line, &password) || !cut_field(&line, &text) ||
	    !name_valid(&name) || !number_parse(&text, &number))
		return 0;
	length = snprintf(rest, sizeof(rest), kind == NAME_TABLE_PASSWD ? ":x:%u:0:::\n" : ":x:%u:\n", number);
	memcpy(to, name.text, name.length);
	memcpy(to + name.length, rest, (size_t)length);
	return name.length + (size_t)length;
}

size_t name_table_make(enum name_table_kind kind, const char *from, size_t size, char *to)
{
	size_t made = 0;

	while (size > 0) {
		const char *end = memchr(from, '\n', size);
		size_t length = end == NULL ? size : (size_t)(end - from);

		made += line_make(kind, (struct field){ from, length }, to + made);
		length += end != NULL;
		from += length;
		size -= length;
	}
	return made;
}
