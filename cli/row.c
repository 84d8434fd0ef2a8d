/* SPDX-License-Identifier: ISC */
/* Rows of long lists: their text, and their JSON. Run with the caller's rights. */
#include "cli/row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/print.h"
#include "cli/subuid.h"

static const struct scan_member *member_of(const struct row *row, const char *name)
{
	for (size_t i = 0; i < row->plain->count; i++)
		if (strcmp(row->plain->members[i].name, name) == 0)
			return &row->plain->members[i];
	return NULL;
}

const char *row_text(const struct row *row, const char *name)
{
	const struct scan_member *member;

	if (row->plain == NULL)
		return json_text(row->object, name);
	member = member_of(row, name);
	return member != NULL && member->string ? member->value : "";
}

uint64_t row_number(const struct row *row, const char *name)
{
	const struct scan_member *member;
	long long number;

	if (row->plain == NULL)
		return json_number(row->object, name);
	member = member_of(row, name);
	number = member == NULL || member->string ? 0 : strtoll(member->value, NULL, 10); /* of a word: 0 */
	return number < 0 ? 0 : (uint64_t)number;
}

bool row_flag(const struct row *row, const char *name)
{
	const struct scan_member *member;

	if (row->plain == NULL)
		return json_is_true(json_object_get(row->object, name));
	member = member_of(row, name);
	return member != NULL && !member->string && strcmp(member->value, "true") == 0;
}

bool row_has(const struct row *row, const char *name)
{
	return row->plain == NULL ? json_object_get(row->object, name) != NULL : member_of(row, name) != NULL;
}

/* ---- as JSON, in print_json()'s form */

static void put(const char *text)
{
	fputs_unlocked(text, stdout);
}

static void put_member(bool first, const char *name)
{
	put(first ? "\n    \"" : ",\n    \"");
	put(name);
	put("\": ");
}

static void put_plain(const struct scan_row *row)
{
	for (size_t i = 0; i < row->count; i++) {
		const struct scan_member *member = &row->members[i];

		put_member(i == 0, member->name);
		if (member->string)
			putchar_unlocked('"');
		put(member->value);
		if (member->string)
			putchar_unlocked('"');
	}
}

/* Only ASCII goes to a terminal, as with print_json(). */
static int put_object(const json_t *object)
{
	size_t flags = JSON_ENCODE_ANY | (isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0);
	const char *name;
	json_t *value, *copy = json_copy((json_t *)(uintptr_t)object);
	bool first = true;
	int r = copy == NULL ? -1 : 0;

	json_object_foreach(copy, name, value) {
		put_member(first, name);
		r = r < 0 ? r : json_dumpf(value, stdout, flags);
		first = false;
	}
	json_decref(copy);
	return r;
}

int row_json_put(struct row_json *json, const struct row *row)
{
	put(json->begun ? ",\n  {" : "[\n  {");
	json->begun = true;
	if (row->plain != NULL)
		put_plain(row->plain);
	else
		json->failed |= put_object(row->object) < 0;
	put("\n  }");
	json->failed |= ferror(stdout) != 0;
	return json->failed;
}

int row_json_end(struct row_json *json)
{
	put(json->begun ? "\n]\n" : "[]\n");
	if (!json->failed && !ferror(stdout))
		return STATUS_DONE;
	complain("output", "cannot be written", "");
	return STATUS_FAILED;
}
