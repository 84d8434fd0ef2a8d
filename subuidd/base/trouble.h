/* SPDX-License-Identifier: ISC */
/* Why the daemon cannot start, in words that help: which file, what is wrong with it, what to run. Looks, changes
 * nothing. */
#ifndef SUBUIDD_TROUBLE_H
#define SUBUIDD_TROUBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Whether the path is something else than root's own file or directory (type: S_IFREG, S_IFDIR) without these bits
 * of mode; `right`: the mode that it should have. True, and a sentence with the command in why. False also if it
 * does not exist. */
bool trouble_owner(const char *path, mode_t type, mode_t without, mode_t right, char *why, size_t size);

/* "PATH: ERROR; what to do", for errors of disks too. Returns error. */
int trouble_say(char *why, size_t size, const char *path, int error);

/* The state directory and the store in it, when they were refused by their owner or mode. Returns error. */
int trouble_state(char *why, size_t size, int error);

#endif
