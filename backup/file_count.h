/* SPDX-License-Identifier: ISC */
/*
 * How many files a run carries and deletes. rsync's server tells this only to its own log: a line for each regular file
 * whose data it has transferred, and one for each name that it has deleted. The log is a fifo in the private root of
 * the gate; its other end goes to the login shell, which counts. Anyone who has taken rsync over can write anything
 * there, and so can only lie about their own run.
 */
#ifndef BACKUP_FILE_COUNT_H
#define BACKUP_FILE_COUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILE_COUNT_LOG "/run/files" /* in the private root */
#define FILE_COUNT_FORMAT "f"       /* of a line, behind "DATE TIME [PID] " */

struct file_count {
	uint64_t files, deleted; /* deleted: names of any kind */
	unsigned at;             /* in the line */
	bool deletes;            /* the line begins like one of a deletion */
	bool any;                /* the log is rsync's: something came */
};

/* More of the log, cut anywhere. Pure; the client may choose the bytes. */
void file_count_take(struct file_count *count, const char *bytes, size_t size);

#endif
