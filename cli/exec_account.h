/* SPDX-License-Identifier: ISC */
/* Enters the namespace in which the caller is root over the files of an account of theirs: exec, shell, ls,
 * copy. */
#ifndef CLI_EXEC_ACCOUNT_H
#define CLI_EXEC_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "index/index.h"

struct exec_account {
	struct index_account account;
	struct index_host host;
};

/* Looks up NAME of a command line, and whether the caller may enter a namespace of it: see below. */
int exec_account_find(const char *name, bool root, struct exec_account *entered);

/* Looks up NAME of a command line and enters its namespace with the calling process. root: real root may do this, too,
 * for any account. Returns an exit status; failures have been reported. */
int exec_account_enter(const char *name, bool root, struct exec_account *entered);

/* The path of its home: its length, or negative errno. */
int exec_account_home(const struct exec_account *entered, char *home, size_t size);

#endif
