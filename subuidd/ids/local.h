/* SPDX-License-Identifier: ISC */
/*
 * /etc/passwd and /etc/group in memory, for lists and checks that ask for many: the C library reads the whole file for
 * each question, so that a thousand questions on a host of fifty thousand users are fifty million lines. Run by the
 * broker and its children.
 *
 * Nothing is known here unless nsswitch.conf asks the file first and every line of it is plain: then a name that is in
 * it is what NSS says, and an id that is not in it is not the file's. All else is a question for account/passwd.h.
 */
#ifndef SUBUIDD_LOCAL_H
#define SUBUIDD_LOCAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "account/passwd.h"
#include "account/source.h"

enum local_database { LOCAL_USERS, LOCAL_GROUPS, LOCAL_DATABASES };

struct local_file {
	struct stat seen; /* as of then; all 0: not to be kept */
	bool known;
	char *text;
	size_t length, slots;           /* a power of two */
	uint32_t *by_name, *by_id;      /* hashed: where the line begins, and 1; 0: free */
	struct source_functions beyond; /* the sources behind it, as of the last look */
};

struct local {
	struct local_file files[LOCAL_DATABASES];
};

/* Reads the files that have changed. Lines that cannot be read or understood count as unknown; nothing is reported
 * here. */
void local_refresh(struct local *local);
void local_free(struct local *local);

/* The first line of that name, in entry->user (in its own memory). 0; or -ENOENT, which means nothing: ask NSS. */
int local_user(const struct local *local, const char *name, struct host_entry *entry);

/* Finds who has an id, as user_find_uid() and group_find_gid() do, without another look at a file that lacks it. */
int local_user_of(const struct local *local, uint32_t uid, struct host_entry *entry);
int local_group_of(const struct local *local, uint32_t gid, struct host_entry *entry);

#endif
