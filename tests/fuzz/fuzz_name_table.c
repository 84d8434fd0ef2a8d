/* SPDX-License-Identifier: ISC */
/*
 * What libc reads out of a table that was made is a name and a number of the input, short enough for rsync's
 * protocol, line by line in its order; a table is its own table. First byte: passwd or group.
 */
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup/name_table.h"
#include "tests/fuzz/fuzz.h"

/* The next entry as libc sees it. */
static const char *next(FILE *file, enum name_table_kind kind, unsigned *number)
{
	if (kind == NAME_TABLE_PASSWD) {
		const struct passwd *entry = fgetpwent(file);

		*number = entry == NULL ? 0 : entry->pw_uid;
		return entry == NULL ? NULL : entry->pw_name;
	} else {
		const struct group *entry = fgetgrent(file);

		*number = entry == NULL ? 0 : entry->gr_gid;
		return entry == NULL ? NULL : entry->gr_name;
	}
}

/* The first line of the input from *at on that says so; *at is behind it. */
static void find(const char *from, size_t size, size_t *at, const char *name, unsigned number)
{
	size_t length = strlen(name);

	while (*at < size) {
		const char *line = from + *at, *end = memchr(line, '\n', size - *at), *text;
		size_t rest = end == NULL ? size - *at : (size_t)(end - line);
		char digits[16];

		*at += rest + (end != NULL);
		if (rest <= length || memcmp(line, name, length) != 0 || line[length] != ':')
			continue;
		text = memchr(line + length + 1, ':', rest - length - 1);
		if (text == NULL)
			continue;
		snprintf(digits, sizeof(digits), "%.*s", (int)(line + rest - text - 1), text + 1);
		if (strtoull(digits, NULL, 10) == number)
			return;
	}
	abort();
}

static void one(enum name_table_kind kind, const char *from, size_t size)
{
	char *made = malloc(NAME_TABLE_GROWTH * size + 1), *again;
	size_t length = name_table_make(kind, from, size, made), lines = 0, read = 0, at = 0;
	const char *name;
	unsigned number;
	FILE *file;

	must(length <= NAME_TABLE_GROWTH * size);
	for (size_t i = 0; i < length; i++)
		lines += made[i] == '\n';
	again = malloc(NAME_TABLE_GROWTH * length + 1);
	must(name_table_make(kind, made, length, again) == length && memcmp(made, again, length) == 0);
	free(again);
	file = length == 0 ? NULL : fmemopen(made, length, "r");
	while (file != NULL && (name = next(file, kind, &number)) != NULL) {
		read++;
		must(strlen(name) > 0 && strlen(name) < 256 && number != UINT32_MAX);
		find(from, size, &at, name, number);
	}
	must(read == lines);
	if (file != NULL)
		fclose(file);
	free(made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy;

	if (size == 0)
		return 0;
	copy = malloc(size - 1 + (size == 1)); /* ends where the input does, for the sanitizer */
	memcpy(copy, data + 1, size - 1);
	one(data[0] & 1 ? NAME_TABLE_GROUP : NAME_TABLE_PASSWD, copy, size - 1);
	free(copy);
	return 0;
}
