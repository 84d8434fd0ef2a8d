/* SPDX-License-Identifier: ISC */
/* NAME[:PATH] of a command line: an account and a place in its tree. */
#ifndef CLI_ACCOUNT_PATH_H
#define CLI_ACCOUNT_PATH_H

#include <limits.h>

#include "cli/exec_account.h"

struct account_path {
	char name[ACCOUNT_NAME_MAX + 1];
	char path[PATH_MAX]; /* below the home: "." for all of it */
};

/* "web1", "alice+web1:etc", "web1:/etc", "web1:~/etc" (the same). Pure; 0 or -EINVAL. */
int account_path_parse(const char *text, struct account_path *place);

/* The same, said why not; then in the namespace of the account (exec_account.h), and *home is its home. */
int account_path_enter(const char *text, struct account_path *place, struct exec_account *entered, int *home);

#endif
