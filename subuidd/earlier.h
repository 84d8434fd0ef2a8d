/* SPDX-License-Identifier: ISC */
/*
 * Whether this host had a store before, told by what is in neither the state directory nor the homes: a note and the daily
 * copies, both in the directory of the setting backup_directory. Run by the broker and the state program (root).
 */
#ifndef SUBUIDD_EARLIER_H
#define SUBUIDD_EARLIER_H

#include <stdbool.h>

#define EARLIER_NAME_MAX 16
#define EARLIER_NOTE "ids-were-given"

/* That directory; make: 0700 where it is missing. A descriptor or negative errno: -EPERM, others could write there. */
int earlier_directory(const char *path, bool make);

/* Leaves the note, on the disk. Where it is there already it costs two system calls for each part of the path. 0 or negative
 * errno. */
int earlier_note(const char *path);

/* 1: and the name of what tells in name (EARLIER_NAME_MAX + 1 bytes), the newest daily copy or else the note; 0: nothing;
 * negative errno: it cannot be looked at. */
int earlier_seen(const char *path, char *name);

#endif
