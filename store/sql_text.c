/* SPDX-License-Identifier: ISC */
/* The texts of statements, with the columns that facts_record names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/id.h"
#include "account/record.h"
#include "store/sqlite.h"

/* "a, b", "?8, ?9" or "a = ?5, b = ?6". */
static size_t columns_put(char how, int first, char *out, size_t size)
{
	size_t used = 0;
	int at = first;

	for (size_t i = 0; i < facts_record.count; i++) {
		const char *column = facts_record.fields[i].column, *comma = at > first ? ", " : "";

		if (column == NULL)
			continue;
		if (how == '?')
			used += (size_t)snprintf(out + used, size - used, "%s?%d", comma, at);
		else if (how == '=')
			used += (size_t)snprintf(out + used, size - used, "%s%s = ?%d", comma, column, at);
		else if (how == 'j')
			used += (size_t)snprintf(out + used, size - used, "%sjson_extract(k.content, '$.%s')", comma,
						 column);
		else
			used += (size_t)snprintf(out + used, size - used, "%s%s", comma, column);
		at++;
		if (used >= size)
			abort(); /* a table that is too long for its buffer: found by the first test that opens a store
				  */
	}
	return used;
}

/* "8}": the number of the first value. The texts are ours: one without a number is found by the first test that opens a
 * store. */
static int first_value(const char *text)
{
	uint32_t first;

	if (id_parse_bytes(text, strcspn(text, "}"), &first) < 0 || first > STORE_SQL_MAX)
		abort();
	return (int)first;
}

const char *store_sql_text(enum store_statement id, char out[STORE_SQL_MAX])
{
	static const char token[] = "{facts";
	const char *sql = store_sql[id], *at;
	size_t used = 0;

	for (; (at = strstr(sql, token)) != NULL; sql = strchr(at, '}') + 1) {
		char how = at[sizeof(token) - 1];

		used += (size_t)snprintf(out + used, STORE_SQL_MAX - used, "%.*s", (int)(at - sql), sql);
		used += columns_put(how, how == '}' ? 1 : first_value(at + sizeof(token)), out + used,
				    STORE_SQL_MAX - used);
	}
	if ((size_t)snprintf(out + used, STORE_SQL_MAX - used, "%s", sql) >= STORE_SQL_MAX - used)
		abort();
	return out;
}
