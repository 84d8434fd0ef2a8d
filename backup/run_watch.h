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

/* Fills who, what and when from the key's command and the environment that sshd made. */
struct login_command;
void run_describe(const struct login_command *command, const char *original, struct run *run);

/* Starts the program with our standard descriptors, passes its standard error on, and returns when it has
 * ended: 0 and run filled, *status as of waitpid(2), or negative errno: it could not be started. The record
 * is in the spool then, if there is one; a run that cannot be recorded goes on all the same. `ended` (or NULL) is asked
 * every few seconds; the run is ended by an answer, which says why for the record. */
int run_watch(const char *program, char *const *argv, char *const *environment, const char *(*ended)(void),
	      struct run *run, int *status);

/* run_spool.c: the file of one run. It stays locked while the run lasts: a file that is closed without an end
 * belongs to a session that was ended. -1: no file. */
int run_spool_open(const struct run *run);
void run_spool_write(int fd, const struct run *run);

/* run_files.c: how many files, counted in rsync's log, whose end the gate sends over the socket. */
struct run_files {
	int socket, log; /* -1 */
	uint64_t rest, rest_until; /* milliseconds */
	struct file_count count;
};

/* What to wait for at this time; -1: nothing. Then: take what is there. At the end: what is left, into run. */
int run_files_wait(const struct run_files *files, uint64_t now);
void run_files_take(struct run_files *files, uint64_t now);
void run_files_end(struct run_files *files, struct run *run);

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

/* run_connection.c: payload bytes of the ssh connection so far, by inet_diag(7). False: nobody can say. */
struct run_bytes {
	uint64_t in, out;
};
bool run_connection_bytes(const char *ssh_connection, struct run_bytes *bytes);

#endif
