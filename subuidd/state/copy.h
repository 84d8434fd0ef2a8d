/* SPDX-License-Identifier: ISC */
/*
 * A saved state, unpacked into a private directory and opened there: nothing in it is trusted before all of it has been
 * read. Run by the state program, on files that may be damaged or made to harm.
 */
#ifndef SUBUIDD_STATE_COPY_H
#define SUBUIDD_STATE_COPY_H

#include <limits.h>
#include <stddef.h>

#include "subuidd/state/format.h"
#include "store/store.h"

struct copy {
	int dirfd;           /* 0700, ours alone */
	char db[PATH_MAX];   /* path of the database in it */
	char made[PATH_MAX]; /* the directory; "": not made yet */
	struct state_header header;
	struct store *store; /* open, of this program's schema */
};

/* A directory of its own below TMPDIR or /var/tmp. 0 or negative errno. */
int copy_prepare(struct copy *copy);
/* The directory `name` below state_fd (STATE_DIR), emptied first: files in it can be renamed. */
int copy_prepare_at(int state_fd, const char *name, struct copy *copy);

/* Reads all of in_fd, checks it, opens and proves the database. 0, or negative errno and a sentence in why. */
int copy_read(struct copy *copy, int in_fd, char *why, size_t size);

/* Closes the store, so that everything is in the one file. */
int copy_settle(struct copy *copy);

/* Removes all of it. */
void copy_close(struct copy *copy);

/* Opens FILE ("-": standard input) for reading. A descriptor or negative errno. */
int copy_open(const char *file);

#endif
