/* SPDX-License-Identifier: ISC */
/*
 * Copies out a tree that was pushed and makes it harmless: it writes plain files and directories that belong to the
 * caller, without setuid, devices, and links that lead out. Runs as the owner in the namespace of the account; anyone
 * who holds a key can choose every name, link and mode of the source, even while it is read.
 */
#ifndef CLI_COPY_H
#define CLI_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli/stored.h"

struct copy_counts {
	uint64_t files, directories, links, bytes;
	uint64_t devices_left, links_left; /* not copied: devices, sockets and pipes; links that lead elsewhere */
	uint64_t failed;
};

struct copy {
	bool untrusted; /* the copy belongs to uid; everybody may read it and nobody run it */
	uint32_t uid;   /* of the account */
	struct copy_counts counts;
	void (*failed)(void *data, const char *path, int error);
	void (*progress)(void *data, const struct copy_counts *counts);
	/* each entry, as the server had it; left: it was not copied. NULL: nobody asks */
	void (*listed)(void *data, const char *path, const struct stored_entry *entry, bool left);
	void *data;
	/* of copy.c */
	int source, target;  /* tops */
	char **left, **made; /* directories to come; those that are made, whose modes come last */
	size_t left_count, made_count;
	void *inodes; /* of files with several names: tsearch(3) */
};

/* True where a link at this depth (directories between it and the top) stays below the top, whatever other links
 * exist: its target is relative, goes up only at its beginning, and not above the top. Pure. */
bool copy_link_stays(const char *target, unsigned depth);

/* The directory source into the empty directory target, both borrowed. Failures are reported and counted. */
void copy_tree(struct copy *copy, int source, int target);

/* One file (a link, a device: left) as name in the directory target. 0, 1 left, or negative errno. */
int copy_one(struct copy *copy, struct stored_entry *entry, int target, const char *name);

#endif
