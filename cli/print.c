/* SPDX-License-Identifier: ISC */
/* Tables and lines for a terminal, from texts that others have chosen. Run by subuid(1), as whoever calls it, root too.
 */
#include "cli/print.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "account/name.h"
#include "cli/subuid.h"

#define GAP 2 /* spaces between columns */

/* text_escape() doubles backslashes so that its output is unambiguous; for the eye
 * one is enough, and what the daemon has escaped is not escaped twice. */
const char *shown(const char *text)
{
	static char buffers[4][4096];
	static unsigned turn;
	char *out = buffers[turn++ % 4], *to = out;

	text_escape(text, out, sizeof(buffers[0]));
	for (const char *from = out; *from != '\0'; from++) {
		if (from[0] == '\\' && from[1] == '\\')
			from++;
		*to++ = *from;
	}
	*to = '\0';
	return out;
}

bool colours(void)
{
	const char *off = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && (off == NULL || off[0] == '\0') && terminal != NULL &&
	       strcmp(terminal, "dumb") != 0;
}

static void table_flush(struct table *table);

void table_cell(struct table *table, const char *text)
{
	while (table->columns < TABLE_COLUMNS_MAX && table->heads[table->columns] != NULL)
		table->columns++;
	if (table->used == TABLE_WINDOW * table->columns)
		table_flush(table);
	if (table->used == table->room) {
		size_t room = table->room == 0 ? 64 : table->room * 2;
		char **cells = reallocarray(table->cells, room, sizeof(*cells));

		if (cells == NULL) {
			table->failed = true;
			return;
		}
		table->cells = cells;
		table->room = room;
	}

	char *copy = strdup(shown(text));

	if (copy == NULL)
		table->failed = true;
	else
		table->cells[table->used++] = copy;
}

void table_number(struct table *table, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	table_cell(table, text);
}

/* Characters, not bytes: only valid UTF-8 is shown. */
static size_t width(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

static void print_row(const struct table *table, char *const *cells, const size_t *widths)
{
	for (size_t column = 0; column < table->columns; column++) {
		bool right = table->heads[column][0] == '>', last = column + 1 == table->columns;
		int fill = (int)(widths[column] - width(cells[column]));

		if (right)
			printf("%*s%s", fill, "", cells[column]);
		else
			printf("%s%*s", cells[column], last ? 0 : fill, "");
		printf("%*s", last ? 0 : GAP, "");
	}
	putchar('\n');
}

static void print_heads(const struct table *table, const size_t *widths)
{
	bool bold = colours();

	if (bold)
		fputs("\033[1m", stdout);
	for (size_t column = 0; column < table->columns; column++) {
		const char *head = table->heads[column];
		bool last = column + 1 == table->columns;

		if (head[0] == '>')
			printf("%*s", (int)widths[column], head + 1);
		else
			printf("%-*s", last ? 0 : (int)widths[column], head);
		printf("%*s", last ? 0 : GAP, "");
	}
	fputs(bold ? "\033[0m\n" : "\n", stdout);
}

static void widen(struct table *table)
{
	for (size_t column = 0; column < table->columns; column++) {
		size_t least = width(table->heads[column]) - (table->heads[column][0] == '>');

		if (table->widths[column] < least)
			table->widths[column] = least;
		for (size_t i = column; i < table->used; i += table->columns) {
			size_t wide = width(table->cells[i]);

			table->widths[column] = wide > table->widths[column] ? wide : table->widths[column];
		}
	}
}

/* Prints the rows that were held back. */
static void table_flush(struct table *table)
{
	widen(table);
	if (table->used > 0 && !table->begun && !table->failed)
		print_heads(table, table->widths);
	table->begun |= table->used > 0;
	for (size_t i = 0; i < table->used && !table->failed; i += table->columns)
		print_row(table, table->cells + i, table->widths);
	for (size_t i = 0; i < table->used; i++)
		free(table->cells[i]);
	table->used = 0;
}

int table_print(struct table *table)
{
	table_flush(table);
	free(table->cells);
	table->cells = NULL;
	if (table->failed)
		complain("table", "out of memory", "");
	return table->failed ? STATUS_FAILED : STATUS_DONE;
}

/* Only ASCII goes to a terminal, so that no C1 control character in a string reaches it. */
int print_json(const json_t *value)
{
	size_t flags = JSON_INDENT(2) | (isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0);

	if (json_dumpf(value, stdout, flags) < 0) {
		complain("output", "cannot be written", "");
		return STATUS_FAILED;
	}
	putchar('\n');
	return STATUS_DONE;
}

const char *json_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

uint64_t json_number(const json_t *object, const char *name)
{
	json_int_t number = json_integer_value(json_object_get(object, name));

	return number < 0 ? 0 : (uint64_t)number;
}

const char *time_text(int64_t seconds)
{
	static char text[32];
	time_t when = (time_t)seconds;
	struct tm tm;

	if (seconds == 0 || localtime_r(&when, &tm) == NULL || strftime(text, sizeof(text), "%F %H:%M", &tm) == 0)
		return "-";
	return text;
}
