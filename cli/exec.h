/* SPDX-License-Identifier: ISC */
/* A user namespace for `subuid exec`, made by newuidmap(1) without any privilege of ours. */
#ifndef CLI_EXEC_H
#define CLI_EXEC_H

#include <stddef.h>

#include "confine/user_namespace.h"

/* The kernel takes 340 lines, but at most 4 KiB: some 140 lines with large numbers. */
#define EXEC_MAPS_MAX 340

/* Moves the calling process (one thread) into a user and a mount namespace of its own, where the
 * caller's own ids are 0 and these, the same for uids and gids, are mapped; capabilities in it are
 * full. Returns an exit status; failures have been reported. */
int exec_namespace(const struct id_map *maps, size_t count);

/* Mounts the directory over itself without setuid, devices and followed symbolic links, for this
 * process and its children. Inside the namespace. 0 or negative errno. */
int exec_cover(const char *directory);

#endif
