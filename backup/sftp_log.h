/* SPDX-License-Identifier: ISC */
/*
 * Reads from the log of sftp-server (-l INFO) what a session has done: it looks the same from outside whether a client
 * lists, fetches or uploads. Pure. The client chooses the names in it, and one who has taken the server over the whole
 * of it: it says something about their own run alone.
 */
#ifndef BACKUP_SFTP_LOG_H
#define BACKUP_SFTP_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SFTP_LOG_LINE_MAX 1023 /* sftp-server cuts its lines there */
#define SFTP_LOG_NAMES 64

struct sftp_log {
	uint64_t names[SFTP_LOG_NAMES]; /* of files that were written and are still there, by a hash */
	size_t count;
	bool many;      /* there were more of them than fit */
	bool cut;       /* one was being written when the client went */
	uint64_t files; /* whose data went over, either way */
};

/* A line without its end. */
void sftp_log_line(struct sftp_log *log, const char *line);

/* Whether there is something that was not there before: a lock that is taken away again is nothing. */
bool sftp_log_added(const struct sftp_log *log);

#endif
