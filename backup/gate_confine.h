/* SPDX-License-Identifier: ISC */
/*
 * Lowers the gate, in two steps: files before anything of the client's is looked
 * at, system calls just before rsync takes over. Every failure means: refuse.
 */
#ifndef BACKUP_GATE_CONFINE_H
#define BACKUP_GATE_CONFINE_H

#include "backup/gate_policy.h"

/* Opens DIR. A descriptor or negative errno (-ENOSYS: the kernel has no openat2). */
int gate_open(const char *directory);

/*
 * no_new_privs, no core, limits, umask; DIR becomes the working directory; Landlock: DIR
 * (read-only with -ro), what rsync needs to run, nothing else. DIR's canonical path into
 * path (PATH_MAX). *step names what failed.
 */
int gate_confine_files(int root, struct gate_policy *policy, char *path, size_t size, const char **step);

/* The system call filter. Only execve of rsync comes after it. */
int gate_confine_calls(void);

#endif
