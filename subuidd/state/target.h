/* SPDX-License-Identifier: ISC */
/* A file that exists whole or not at all: written beside its place, synced, renamed. Run by the state program
 * (root). */
#ifndef SUBUIDD_STATE_TARGET_H
#define SUBUIDD_STATE_TARGET_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct target {
	int dirfd; /* -1: standard output */
	int fd;    /* to write to, and to read from again (except standard output) */
	char name[NAME_MAX + 1];
	char beside[NAME_MAX + 1]; /* "" no file to remove */
};

/* path "-": standard output. An existing file that is not a saved state stays, unless force; anything but a plain file
 * stays in any case. 0, -EEXIST (it stays), -ENOTTY (a terminal), or another negative errno. */
int target_open(const char *path, bool force, struct target *target);
/* The same in a directory that is open. */
int target_open_at(int dirfd, const char *name, bool force, struct target *target);

/* It is on the disk under its name when this returns 0. */
int target_commit(struct target *target);

/* To be called in every case; without target_commit() nothing has changed. */
void target_close(struct target *target);

#endif
