/* SPDX-License-Identifier: ISC */
/* One row of a list from the daemon, read plainly (varlink/scan.h) or as jansson's object. */
#ifndef CLI_ROW_H
#define CLI_ROW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "varlink/scan.h"

struct row {
	const struct scan_row *plain; /* NULL: object */
	const json_t *object;
};

/* Members: "", 0 and false if they are missing. */
const char *row_text(const struct row *row, const char *name);
uint64_t row_number(const struct row *row, const char *name);
bool row_flag(const struct row *row, const char *name);
bool row_has(const struct row *row, const char *name);

/* A list as one JSON value, as print_json() prints it, row by row. Begins as { 0 }. */
struct row_json {
	bool begun, failed;
};
int row_json_put(struct row_json *json, const struct row *row); /* 0 to go on */
int row_json_end(struct row_json *json);                        /* STATUS_DONE or STATUS_FAILED */

/* Calls a method that lists: each row, the member of this name, goes to `each`, which returns 0 to go on; nothing of it
 * is kept. Takes the reference of parameters. An exit status. */
int call_rows(const char *method, json_t *parameters, const char *member,
	      int (*each)(const struct row *row, void *data), void *data);

#endif
