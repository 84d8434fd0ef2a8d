/* SPDX-License-Identifier: ISC */
/* Lowers the gate to what one tool needs in one directory. Every failure means: refuse. */
#ifndef BACKUP_TOOL_CONFINE_H
#define BACKUP_TOOL_CONFINE_H

#include <stdint.h>

#include "backup/tool_profile.h"

/*
 * HOME becomes the working directory and, if the host gives a private root, the only directory that exists besides
 * those that the tool reads and executes; its canonical path goes into path. 0; 1 and *step, *error: no private root on
 * this host; negative errno (-ENOTRECOVERABLE: half-way).
 */
int tool_enter(const char *home, const struct tool_profile *profile, enum tool_form form, const char **step,
	       int *error);

/* no_new_privs, umask, Landlock, system call filter. Only execve comes after it. key: its number (new_files.h). */
int tool_confine(const struct tool_profile *profile, enum tool_form form, uint32_t key, const char **step);

#endif
