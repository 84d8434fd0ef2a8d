/* SPDX-License-Identifier: ISC */
/*
 * The sources of a database in nsswitch.conf(5), each asked by itself: for account/passwd.c, which says why. As run there:
 * libc only, thread-safe, in foreign processes too.
 */
#ifndef ACCOUNT_SOURCE_H
#define ACCOUNT_SOURCE_H

#include <stdbool.h>

/* Calls ask(the source's function, data) for the sources of `database` ("passwd") in their order, as far as a name that
 * none knows gets; `function`: "getpwnam_r". A source whose module is not installed is passed over, as glibc does.
 *
 * 0: ask said 0 of one, and the rest was not asked. -ENOENT: ask said so of each. Else what ask said of the first other one, or what
 * keeps us from asking: also when nsswitch.conf cannot be read. */
int source_each(const char *database, const char *function, int (*ask)(void *function, void *data), void *data);

/* The functions of those behind the local file, for many questions: they are asked in this order until one does not say
 * NSS_STATUS_NOTFOUND, whose answer counts. */
#define SOURCES_MAX 8
struct source_functions {
	int count;
	void *functions[SOURCES_MAX];
};
/* 0; -EAGAIN: the local file is not the first, or there is more to the line than that; or what keeps us from asking. */
int source_functions_beyond_files(const char *database, const char *function, struct source_functions *sources);

/* Asks one of them, "files" say. 0, or what ask says; also 0 when it is not among the sources of the database. */
int source_one(const char *database, const char *source, const char *function, int (*ask)(void *function, void *data),
	       void *data);

/* True if the local file is asked first, so that a user found there is the user who is meant. */
bool source_files_first(const char *database);

#endif
