/* SPDX-License-Identifier: ISC */
/* The names of snapshots, and how a client with a key that only reads asks for what is in them. Pure, libc only. */
#ifndef ACCOUNT_SNAPSHOT_H
#define ACCOUNT_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>

#define SNAPSHOT_NAME (sizeof("2026-11-28T20:15:00Z") - 1) /* bytes: the time in UTC at which it was made */
#define SNAPSHOTS_SHOWN ".snapshots"                       /* in the home, as clients see it; it is not really there */

/* Of a tool that own-name.so is loaded into: where they are. */
#define SNAPSHOTS_VARIABLE "SUBUID_SNAPSHOTS"

/* True if text begins with such a name, of a time that exists, which ends there or at a slash. */
bool snapshot_name_begins(const char *text);

/*
 * The part of a path in the home that lies in SNAPSHOTS_SHOWN: "2026-11-28T20:15:00Z/etc", "" for the directory itself;
 * NULL for a path that does not. own: the home has a file of that name (what was pushed comes from a host with
 * snapshots of its own): then a path lies there only if it names one of ours. The result points into path.
 */
const char *snapshot_path(const char *path, bool own);

/* Where the snapshots of this home are shown: beside it. 0 or -ENAMETOOLONG. */
int snapshots_beside(const char *home, char *path, size_t size);

#endif
