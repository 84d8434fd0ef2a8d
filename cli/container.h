/* SPDX-License-Identifier: ISC */
/*
 * The namespaces in which the containers of an account run (subuid exec --container): the account is 0 there, its
 * ranges are 1, 2, 3, ..., and the owner is not in it. All commands of an account share them.
 */
#ifndef CLI_CONTAINER_H
#define CLI_CONTAINER_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/exec_account.h"
#include "cli/exec.h"

struct container {
	const struct exec_account *of;
	char directory[PATH_MAX]; /* of the account; covered in there */
	char home[PATH_MAX];
	char runtime[PATH_MAX]; /* XDG_RUNTIME_DIR */
};

/* Moves the calling process (one thread), which becomes the account, into them; they are made if nothing runs in them.
 * Returns an exit status; failures have been reported. */
int container_enter(const struct exec_account *of, struct container *container);

/* Those in which something runs, as descriptors. 0, or -ENOENT: nothing does. */
int container_find(const struct container *container, int *user, int *mounts);

/* The map of the account's ranges, where the daemon does not write it. Their number, or negative errno. */
int container_maps(const struct id_range *ranges, size_t count, struct id_map maps[EXEC_MAPS_MAX]);

#endif
