/* SPDX-License-Identifier: ISC */
/*
 * A root directory of one's own: a mount namespace that holds the working directory, a few paths of the system, and
 * nothing else. A process cannot stat, touch or chmod a file outside of it, which Landlock would leave open.
 *
 * With CAP_SYS_ADMIN a mount namespace; without, a user namespace too, in which the
 * caller's uid and gid are what they were, and every other id shows as nobody.
 */
#ifndef CONFINE_PRIVATE_ROOT_H
#define CONFINE_PRIVATE_ROOT_H

#include <stdbool.h>

struct root_entry {
	const char *path; /* absolute; links in it are followed here, and become plain directories there */
	bool device;      /* a device node, to be used as one */
	bool writable;
	bool optional;    /* passed over if it does not exist */
	int *file;        /* in its place: a new, empty, read-only file, which *file alone can write */
	bool fifo;        /* instead of that file, a fifo to be written to, which *file reads without waiting */
	const char *from; /* what is shown there is from this path */
	const char *kind, *options; /* in its place: a new file system of this kind (tmpfs, proc, devpts) */
	const char *link;           /* in its place: a symbolic link with this text */
};

/*
 * Only the working directory (writable or not) and the entries (ended by path NULL) remain visible, each at its former
 * path, all except devices with nosuid and nodev; the working directory stays the same. Descriptors opened before still
 * lead to the old mounts: close them. New files are in memory and have 8 MiB together. Call it before no_new_privs and
 * before the process is made undumpable, with a single thread.
 *
 * 0; or negative errno and *step: this host gives no private root, and everything is visible as before, except for the
 * ids (shown as above if the host gave the user namespace but not the mounts); no *file is open.
 */
int private_root_enter(bool writable, const struct root_entry *entries, const char **step);

/* True when private_root_enter() would do without a user namespace: every id stays what it is. */
bool private_root_keeps_ids(void);

#endif
