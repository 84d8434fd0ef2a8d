/* SPDX-License-Identifier: ISC */
/* Reads the input of `subuid import`: CSV with a header, JSON lines, or the output of `subuid export`. */
#ifndef CLI_IMPORT_H
#define CLI_IMPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "account/failure.h"

#define IMPORT_BATCH 64 /* rows of one call */

/* ---- import_text.c: the file, one object for each line ---- */

#define CSV_COLUMNS_MAX 32
#define IMPORT_LINE_MAX (60u * 1024u) /* as many as one call can carry */

struct import_text {
	FILE *file;
	unsigned long line; /* of the object that was read last; a quoted field may span several */
	unsigned long next;
	bool csv, begun;
	char record[IMPORT_LINE_MAX + 1];
	char *header; /* cut up */
	const char *columns[CSV_COLUMNS_MAX];
	size_t columns_count;
};

/* 1 and *object (caller decrefs), 0 at the end, or -EINVAL and *failure: the line cannot be read, but perhaps the next
 * one. -EIO: the file cannot be read. -EBADMSG and *failure: the header is wrong, so nothing can be read. */
int import_text_next(struct import_text *text, json_t **object, struct failure_text *failure);
void import_text_free(struct import_text *text);

/* ---- import_rows.c: an object becomes rows of the method Import ---- */

bool import_column(const char *name);

/* The first line of an export says which format it has; files without one are of format 1, or not of an export. */
#define IMPORT_HEADER "export"
#define IMPORT_FORMAT 2

/* Appends them (none for a header). Pure. 0, or -EINVAL and *failure (rows may have been appended). */
int import_rows(json_t *object, unsigned long line, json_t *rows, struct failure_text *failure);

/* ---- import_batch.c: calls of Import ---- */

struct import_counts {
	unsigned long lines, made, present, failed;
	unsigned long taken_up; /* those of the made accounts that got an existing home, or one that was set aside */
};

struct import_batch {
	bool keep_going;
	const char *name; /* of the file, for messages */
	FILE *report;     /* of lines that failed, as JSON lines; NULL: messages */
	bool quiet;       /* nothing is reported for good lines */
	struct import_counts counts;
	bool stopped; /* a line failed, and that ends the import */
	int status;   /* of the first failure, as exit status */
	json_t *rows;
	size_t bytes;
	bool goes_on; /* a dry run of more than one call: each call finds what the earlier ones would have made */
};

/* All rows of one line; sent when there are enough. Takes the reference of rows. STATUS_DONE or an exit status:
 * the daemon could not be asked. */
int import_batch_add(struct import_batch *batch, json_t *rows);
int import_batch_flush(struct import_batch *batch); /* before the lines after it in the file */
int import_batch_end(struct import_batch *batch);   /* nothing comes after it */
void import_batch_fail(struct import_batch *batch, unsigned long line, const char *error,
		       const struct failure_text *failure);
void import_batch_free(struct import_batch *batch);

#endif
