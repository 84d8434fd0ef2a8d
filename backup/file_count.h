/* SPDX-License-Identifier: ISC */
/*
 * How many files a run carries. rsync's server tells this only to its own log: a line for each regular file whose
 * data it has transferred. The log is a fifo in the private root of the gate; its other end goes to the login
 * shell, which counts. Anyone who has taken rsync over can write anything there, and so can only lie about their
 * own run.
 */
#ifndef BACKUP_FILE_COUNT_H
#define BACKUP_FILE_COUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILE_COUNT_LOG "/run/files"   /* in the private root */
#define FILE_COUNT_FORMAT "f"         /* of a line, behind "DATE TIME [PID] " */
#define FILE_COUNT_OPTION "-report"   /* of the gate: the socket is there */
#define FILE_COUNT_SOCKET 3

struct file_count {
	uint64_t files;
	unsigned at; /* in the line */
	bool any;    /* the log is rsync's: something came */
};

/* More of the log, cut anywhere. Pure; the bytes are the client's to choose. */
void file_count_take(struct file_count *count, const char *bytes, size_t size);

/* A descriptor over a socket, and the same received (close-on-exec). Negative errno. The receiver answers with a
 * byte: a fifo that nobody reads would keep rsync waiting. */
int file_count_send(int socket, int fd);
int file_count_receive(int socket);

/* Whether the answer comes, in a second. */
bool file_count_taken(int socket);

#endif
