/* SPDX-License-Identifier: ISC */
/* Enters the namespace in which the caller is root over the files of an account of theirs: exec, shell, ls,
 * copy. */
#ifndef CLI_EXEC_ACCOUNT_H
#define CLI_EXEC_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/exec.h"
#include "index/index.h"

struct exec_account {
	struct index_account account;
	struct index_host host;
};

/* The place of an id of the account's in its containers, as `subuid exec --container` and podman map it: 0 is the
 * account, 1, 2, 3, ... are its ranges. -1: it is none of these. */
struct container_ids {
	uint32_t uid;
	size_t count;
	struct id_map maps[EXEC_MAPS_MAX];
};
int64_t container_id(const struct container_ids *ids, uint32_t id);
/* Of an account of a command line, before its namespace is entered. Returns an exit status; failures have been
 * reported. */
int container_ids_find(const char *name, struct container_ids *ids);

/* Looks up NAME of a command line, and whether the caller may enter a namespace of it: see below. */
int exec_account_find(const char *name, bool root, struct exec_account *entered);

/* Looks up NAME of a command line and enters its namespace with the calling process. root: real root may do this, too,
 * for any account. Returns an exit status; failures have been reported. */
int exec_account_enter(const char *name, bool root, struct exec_account *entered);

/* The path of its home: its length, or negative errno. */
int exec_account_home(const struct exec_account *entered, char *home, size_t size);

#endif
