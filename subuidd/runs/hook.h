/* SPDX-License-Identifier: ISC */
/* The administrator's program for alarms. Started by the broker, run as a user of its own. */
#ifndef SUBUIDD_HOOK_H
#define SUBUIDD_HOOK_H

#include <stddef.h>

/* PROGRAM ARGUMENT…, ended by NULL, with an empty environment but for PATH. *pidfd: of the child. 0, or
 * negative errno and what is wrong with it in why: -EPERM when anybody but root could have put it there. */
int hook_start(const char *program, const char *const *arguments, int *pidfd, char *why, size_t size);

#endif
