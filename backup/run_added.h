/* SPDX-License-Identifier: ISC */
/*
 * Whether a run of a tool has added anything: to look at a repository is no backup, and only files in it tell one from
 * the other. The profile of the tool says which (adds, begins, tidies); they are compared with what there was when the
 * run began, by the clock of their own file system. Run by the login shell, with the uid of the sub-account.
 */
#ifndef BACKUP_RUN_ADDED_H
#define BACKUP_RUN_ADDED_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define RUN_ADDED_PATTERN_MAX 63

/* One pattern: the last component of it may have wildcards, "snapshots/?*". "" as long as there is none. */
struct run_trace {
	char pattern[RUN_ADDED_PATTERN_MAX + 1];
	struct timespec newest; /* the latest change of what it matches; 0 nothing */
	bool unknown;           /* too much lies there to be looked at */
};

/* Remembers the newest match below home. */
void run_trace_begin(struct run_trace *trace, const char *home, const char *pattern);

/* Whether there is more now; in doubt there is. False if there is no pattern. */
bool run_trace_more(const struct run_trace *trace, const char *home);

#endif
