/* SPDX-License-Identifier: ISC */
/* A user namespace for `subuid exec`, ls and copy. */
#ifndef CLI_EXEC_H
#define CLI_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "confine/user_namespace.h"

/* The kernel takes 340 lines, but at most 4 KiB: some 140 lines with large numbers. */
#define EXEC_MAPS_MAX 340

/* Moves the calling process (one thread) into a user and a mount namespace of its own, with all capabilities, in which
 * the caller is 0, and the ids of this account of theirs and of its ranges are as outside; or, container, the account
 * is 0 and its ranges are 1, 2, 3, ...: the daemon maps them. Returns an exit status; failures have been reported. */
int exec_namespace(const char *owner, const char *label, bool container);

/* The same without the daemon, for root and while it is down: this uid and gid are 0, and these are mapped. */
int exec_namespace_beside(const uint32_t zero[2], const struct id_map *maps, size_t count);

/* Mounts the directory over itself without setuid, devices and followed symbolic links, for this
 * process and its children. Inside the namespace. 0 or negative errno. */
int exec_cover(const char *directory);

#endif
