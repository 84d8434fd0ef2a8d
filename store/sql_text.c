/* SPDX-License-Identifier: ISC */
/* The texts of statements, with the columns that facts_record names: all, or those of its bounds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/account.h"
#include "account/id.h"
#include "account/record.h"
#include "store/sqlite.h"

/* "a, b", "?8, ?9" or "a = ?5, b = ?6". */
static size_t columns_put(size_t from, char how, int first, char *out, size_t size)
{
	size_t used = 0;
	int at = first;

	for (size_t i = from; i < facts_record.count; i++) {
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

/* The next {facts...} or {bounds...}: `how`, and the row that it begins with. NULL: there is none. */
static const char *token_next(const char *sql, const char **how, size_t *from)
{
	static const char facts[] = "{facts", bounds[] = "{bounds";
	const char *at = strchr(sql, '{');

	if (at == NULL)
		return NULL;
	*from = strncmp(at, bounds, sizeof(bounds) - 1) == 0 ? FACT_BOUNDS : 0;
	*how = at + (*from != 0 ? sizeof(bounds) : sizeof(facts)) - 1;
	return at;
}

const char *store_sql_text(enum store_statement id, char out[STORE_SQL_MAX])
{
	const char *sql = store_sql[id], *at, *how;
	size_t used = 0, from;

	for (; (at = token_next(sql, &how, &from)) != NULL; sql = strchr(at, '}') + 1) {
		used += (size_t)snprintf(out + used, STORE_SQL_MAX - used, "%.*s", (int)(at - sql), sql);
		used += columns_put(from, *how, *how == '}' ? 1 : first_value(how + 1), out + used,
				    STORE_SQL_MAX - used);
	}
	if ((size_t)snprintf(out + used, STORE_SQL_MAX - used, "%s", sql) >= STORE_SQL_MAX - used)
		abort();
	return out;
}
