/* SPDX-License-Identifier: ISC */
/*
 * A gate as a child, and the record of its run. The login shell stays its parent: the same uid, but
 * not dumpable and outside of the child's Landlock domain, so that a client that has taken the child over
 * reaches neither this process nor the spool.
 */
#ifndef BACKUP_RUN_WATCH_H
#define BACKUP_RUN_WATCH_H

#include <stdbool.h>

#include "account/run.h"
#include "backup/file_count.h"
#include "backup/run_added.h"
#include "backup/sftp_log.h"

/* run_describe.c: fills who, what and when from the key's command and the environment that sshd made. */
struct login_command;
void run_describe(const struct login_command *command, const char *original, struct run *run);

/* Records one that was described, and of which nothing was run. */
void run_not_begun(struct run *run, const char *why);

/* The same of one that was not described: it was refused before there was anything to watch. original: the client's
 * command, or NULL. */
void run_refused(const struct login_command *command, const char *original, const char *why);

/* Writes it for the last time: what is not written then is not known to the daemon, and the system log says so. */
void run_record(int *spool, const struct run *run);

/* Starts the program with our standard descriptors, passes its standard error on, and returns when it has
 * ended: 0 and run filled, *status as of waitpid(2), or negative errno: it could not be started. The record
 * is in the spool then; a run that cannot be recorded goes on all the same, and the system log says so. `ended` (or
 * NULL) is asked every few seconds; the run is ended by an answer, which says why for the record. */
int run_watch(const char *program, char *const *argv, char *const *environment, const char *home,
	      const char *(*ended)(void), struct run *run, int *status);

/* run_spool.c: writes the file of one run; *fd is -1 until it has been made. It stays locked while the run lasts: a
 * file that is closed without an end belongs to a session that was ended. 0, or negative errno: try again later. */
int run_spool_write(int *fd, const struct run *run);

/* run_files.c: what the gate reports (report.h), and how many files, counted in rsync's log. */
struct run_files {
	int socket, log;             /* -1 */
	enum run_kind kind;          /* as the gate has found it; 0: it has not said */
	char tool[RUN_TOOL_MAX + 1]; /* "": it has not said */
	bool sftp;                   /* standard error is for sftp_log */
	const char *home;
	struct run_trace adds, begins, tidies;
	struct sftp_log sftp_log;
	uint64_t rest, rest_until; /* milliseconds */
	struct file_count count;
};

/* The descriptor to wait for at this time; -1: none. Then: read what has come. At the end: the count, into run. */
int run_files_wait(const struct run_files *files, uint64_t now);
void run_files_take(struct run_files *files, uint64_t now);
void run_files_end(struct run_files *files, struct run *run);

/* Whether it has added anything, asked at its end. */
enum run_added { RUN_ADDED_NOTHING, RUN_ADDED, RUN_ADDED_PART };
enum run_added run_files_added(const struct run_files *files);

/* run_end.c: a run ends when its client is gone, by itself, by SIGTERM or by SIGKILL. Times in milliseconds. */
struct run_end {
	enum { RUN_END_NONE, RUN_END_GONE, RUN_END_ASKED, RUN_END_KILLED } stage;
	uint64_t gone;
	int group; /* process group of the run */
};
void run_end_gone(struct run_end *end, uint64_t now);
uint64_t run_end_due(const struct run_end *end); /* UINT64_MAX: nothing is to be done */
void run_end_step(struct run_end *end, uint64_t now);
/* Waits a second for processes that the first process of a run left behind when it ended, then kills them. */
void run_end_leftover(const struct run_end *end);

/* sshd tells the client how the run ended, including by a signal: this process ends in the same way, or returns the
 * exit status. */
int run_end_like(int status);

/* run_connection.c: payload bytes of the ssh connection so far, by inet_diag(7). False: nobody can say. */
struct run_bytes {
	uint64_t in, out;
};
bool run_connection_bytes(const char *ssh_connection, struct run_bytes *bytes);

#endif
