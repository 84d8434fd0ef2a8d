/* SPDX-License-Identifier: ISC */
/* The columns of accounts that facts_record names, as values, and read back. */
#include <errno.h>

#include "account/record.h"
#include "store/sqlite.h"

size_t store_facts_values(const struct facts *facts, struct store_value *values)
{
	size_t count = 0;

	for (size_t i = 0; i < facts_record.count; i++) {
		const struct field *field = &facts_record.fields[i];

		if (field->column == NULL)
			continue;
		if (field->kind == FIELD_TEXT)
			values[count++] = (struct store_value)TEXT(field_text(field, facts));
		else
			values[count++] = (struct store_value)NUMBER(field_number(field, facts));
	}
	return count;
}

int store_facts_read(sqlite3_stmt *row, int column, struct facts *facts)
{
	struct failure_text ignored;

	for (size_t i = 0; i < facts_record.count; i++) {
		const struct field *field = &facts_record.fields[i];
		int r = 0;

		if (field->column == NULL)
			continue;
		if (field->kind == FIELD_TEXT)
			r = column_text(row, column, (char *)facts + field->offset, field->size);
		else if (sqlite3_column_int64(row, column) < field->least ||
			 sqlite3_column_int64(row, column) > field->most)
			r = field->most != 0 ? -EUCLEAN : 0;
		if (r == 0 && field->kind != FIELD_TEXT)
			field_number_put(field, facts, sqlite3_column_int64(row, column));
		if (r < 0)
			return r;
		column++;
	}
	return record_check(&facts_record, facts, (1u << FACTS) - 1, &ignored) == FAILURE_NONE ? column : -EUCLEAN;
}
