/* SPDX-License-Identifier: ISC */
/*
 * The reports of a gate to the login shell that started it: over a socket that is closed when the gate becomes the
 * tool, so that the login shell hears nothing from the program that the client uses. Anyone who has taken a gate over
 * can only lie about their own run.
 */
#ifndef BACKUP_REPORT_H
#define BACKUP_REPORT_H

#include <stdbool.h>

#define REPORT_OPTION "-report" /* of a gate: the socket is there */
#define REPORT_SOCKET 3

enum report_kind {
	REPORT_FILES = 'f',   /* with a descriptor: rsync's log (file_count.h), which has to be answered */
	REPORT_REFUSED = 'r', /* the key is not for the command */
	REPORT_READS = 'n',   /* the run looks only */
	REPORT_WRITES = 'w',  /* it was to add something */
	REPORT_TOOL = 't',    /* with the name of the tool that was chosen */
	REPORT_ADDS = 'a',    /* with a pattern: what is new when a backup was made (run_added.h) */
	REPORT_BEGINS = 'b',  /* with a pattern: what is new when one was begun */
	REPORT_TIDIES = 'd',  /* with a pattern: what is new when old backups were taken away */
	REPORT_SFTP = 's',    /* standard error is the log of sftp-server (sftp_log.h) */
};

#define REPORT_TEXT_MAX 63
struct report {
	enum report_kind kind;
	int fd; /* of REPORT_FILES, else -1; received: close-on-exec */
	char text[REPORT_TEXT_MAX + 1];
};

/* 0 or negative errno; nobody waits. */
int report_send(int socket, const struct report *report);

/* The next one. 0, -EAGAIN: none yet; or another negative errno: nothing more will come. */
int report_receive(int socket, struct report *report);

/* Answers REPORT_FILES: a fifo that nobody reads would keep rsync waiting. Whether the answer comes, in a second. */
bool report_answer(int socket);
bool report_answered(int socket);

#endif
