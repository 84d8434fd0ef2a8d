/* SPDX-License-Identifier: ISC */
/*
 * Lowers the gate, in two steps: files before any of the client's words are looked at, system calls just before rsync
 * takes over. Every failure means: refuse.
 */
#ifndef BACKUP_GATE_CONFINE_H
#define BACKUP_GATE_CONFINE_H

#include "backup/gate_names.h"
#include "backup/gate_policy.h"

/*
 * DIR becomes the working directory and, with private_root, the only directory that exists: confine/private_root.h.
 * 0; 1 and *step: this host gives no private root, and *error is why; negative errno (-ENOSYS: the kernel has
 * no openat2; -ENOTRECOVERABLE: half-way). names, unless NULL: opened in the private root. *files: with -report the
 * read end of FILE_COUNT_LOG there, otherwise unchanged.
 */
int gate_enter(const char *directory, const struct gate_policy *policy, bool private_root, struct gate_names *names,
	       int *files, const char **step, int *error);

/*
 * no_new_privs, no core, umask; Landlock: DIR (read-only with -ro), what rsync needs to run,
 * nothing else (names to be read, files to be written, when there are any). DIR's canonical path into path
 * (PATH_MAX). *step names what failed.
 */
int gate_confine_files(struct gate_policy *policy, const struct gate_names *names, int files, char *path, size_t size,
		       const char **step);

/* The system call filter; a sender's and a blind receiver's are narrower. Only execve of rsync comes after it. */
int gate_confine_calls(const struct gate_policy *policy, bool sender);

#endif
