/* SPDX-License-Identifier: ISC */
/* What every process gives up: ways to more privilege, and descriptors. Libc only. */
#ifndef CONFINE_HARDEN_H
#define CONFINE_HARDEN_H

#include <sys/resource.h>
#include <sys/types.h>

/* no_new_privs, not dumpable, core limit 0. 0 or negative errno. */
int process_harden(void);

/* For a process that only answers: memory bytes of resource (RLIMIT_AS or RLIMIT_DATA) and this many descriptors, but
 * no file that grows, no other process, no locked memory, no message queue. Writing where nothing can be written is an
 * error, and no signal: a log that is a file would end it. 0 or negative errno. */
int process_bound(int resource, rlim_t memory, rlim_t descriptors);

/* The kernel kills this process when its parent ends. In the child, after each change of ids or gain of capabilities,
 * which clears this. The parent may have ended before: -ESRCH. 0 or another negative errno.
 * parent: its pid, of getpid(2) before the fork. */
int process_bind(pid_t parent);
/* The same in another pid namespace, where the parent has no number. parent: a pidfd of it, from before the fork. */
int process_bind_apart(int parent);

/* Closes every descriptor from first on (close_range(2)). 0 or negative errno. */
int descriptors_close_from(int first);

/* Keeps only the first count. They come from another process and must not lead to files: negative errno if one is
 * missing or is a directory. */
int descriptors_first_only(int count);

/* Same as descriptors_close_from(), but keeps the descriptors of the list (sorted, ended by -1). */
int descriptors_keep(const int *keep);

#endif
