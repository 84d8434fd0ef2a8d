/* SPDX-License-Identifier: ISC */
/* Output for the terminal: aligned, with control bytes escaped (the daemon is not trusted to send clean text). */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 12

struct table {
	/* ended by NULL; a head that starts with '>' is a column of numbers, aligned to the right */
	const char *const *heads;
	size_t columns;
	char **cells;
	size_t used, room;
	size_t widths[TABLE_COLUMNS_MAX]; /* of what was printed */
	bool begun;                       /* the heads are out */
	bool failed;                      /* no memory */
};

/* Rows that are held for their widths: a longer table goes out in parts, whose columns are as wide as those before, or
 * wider. */
#define TABLE_WINDOW 4096u

#define TABLE(heads_)                                                                                                  \
	{                                                                                                              \
		.heads = (heads_)                                                                                      \
	}

void table_cell(struct table *table, const char *text); /* the next one; copied and escaped */
void table_number(struct table *table, uint64_t number);
/* Prints and frees. STATUS_DONE or STATUS_FAILED. */
int table_print(struct table *table);

/* Escapes control bytes and invalid UTF-8, nothing else. out is static for the call: 4 buffers in turn. */
const char *shown(const char *text);

/* One JSON value and a newline. STATUS_DONE or STATUS_FAILED. */
int print_json(const json_t *value);

/* True if stdout is a terminal with colours, and the user did not set NO_COLOR. */
bool colours(void);

/* Members of replies: "" and 0 if they are missing. */
const char *json_text(const json_t *object, const char *name);
uint64_t json_number(const json_t *object, const char *name);

/* Seconds since the epoch as "2027-01-31 12:00" (local time), "-" for 0; one static buffer. */
const char *time_text(int64_t seconds);

#endif
