/* SPDX-License-Identifier: ISC */
/*
 * Whether this host had a store before. Two things outside of the state directory and the homes tell: a note, and
 * the daily copies in the directory of the setting backup_directory. The note is always in EARLIER_DIRECTORY: a
 * network disk that hangs must not hold up giving out an id. Run by the broker and the state program (root).
 */
#ifndef SUBUIDD_EARLIER_H
#define SUBUIDD_EARLIER_H

#include <stdbool.h>

#define EARLIER_DIRECTORY "/var/backups/subuidd"
#define EARLIER_NAME_MAX 16
#define EARLIER_NOTE "ids-were-given"

/* That directory; make: 0700 where it is missing. A descriptor or negative errno: -EPERM, others could write there. */
int earlier_directory(const char *path, bool make);

/* Leaves the note, on the disk. If it exists already this costs two system calls for each part of the path. 0 or
 * negative errno. */
int earlier_note(void);

/* 1: and the path of what tells (EARLIER_PATH_MAX bytes), the newest daily copy or else the note, in `copies` or in
 * EARLIER_DIRECTORY; 0: nothing; negative errno: it cannot be looked at. */
#define EARLIER_PATH_MAX 160
int earlier_seen(const char *copies, char *path);

#endif
