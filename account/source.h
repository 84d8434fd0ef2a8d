/* SPDX-License-Identifier: ISC */
/*
 * The sources of a database in nsswitch.conf(5), each asked by itself: for account/passwd.c, which says why. As run
 * there: libc only, thread-safe, in foreign processes too.
 */
#ifndef ACCOUNT_SOURCE_H
#define ACCOUNT_SOURCE_H

#include <stdbool.h>

/* Calls ask(the source's function, data) for the sources of `database` ("passwd") in their order, as far as the search
 * for an unknown name goes; `function`: "getpwnam_r". A source whose module is not installed is passed over, as glibc
 * does.
 *
 * 0: ask returned 0 for one, and the rest was not asked. -ENOENT: ask returned that for each. Otherwise the first other
 * result of ask, or the error that keeps us from asking, such as an nsswitch.conf that cannot be read. */
int source_each(const char *database, const char *function, int (*ask)(void *function, void *data), void *data);

/* The functions of the sources after the local file, for many questions: they are asked in this order until one does
 * not return NSS_STATUS_NOTFOUND; that answer counts. */
#define SOURCES_MAX 8
struct source_functions {
	int count;
	void *functions[SOURCES_MAX];
};
/* 0; -EAGAIN: the local file is not the first, or the line is not that simple; or the error that keeps us from asking.
 */
int source_functions_beyond_files(const char *database, const char *function, struct source_functions *sources);

/* Asks one source, such as "files". 0, or the result of ask; also 0 if it is not among the sources of the database. */
int source_one(const char *database, const char *source, const char *function, int (*ask)(void *function, void *data),
	       void *data);

/* True if the local file is asked first, so that a user found there is the user who is meant. */
bool source_files_first(const char *database);

#endif
