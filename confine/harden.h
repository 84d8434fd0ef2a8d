/* SPDX-License-Identifier: ISC */
/* What every process gives up: ways to more privilege, and descriptors. Libc only. */
#ifndef CONFINE_HARDEN_H
#define CONFINE_HARDEN_H

/* no_new_privs, not dumpable, core limit 0. 0 or negative errno. */
int process_harden(void);

/* Closes every descriptor from first on (close_range(2)). 0 or negative errno. */
int descriptors_close_from(int first);

/* Keeps the first count alone. They come from another process and must be no way to files: negative errno if one is
 * missing or is a directory. */
int descriptors_first_only(int count);

/* Same as descriptors_close_from(), but keeps the descriptors of the list (sorted, ended by -1). */
int descriptors_keep(const int *keep);

#endif
