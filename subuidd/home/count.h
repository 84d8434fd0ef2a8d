/* SPDX-License-Identifier: ISC */
/* Counting what is in a home, for limits that its file system does not keep. */
#ifndef SUBUIDD_COUNT_H
#define SUBUIDD_COUNT_H

#include <stdint.h>

#include "subuidd/home/home.h"

#define COUNT_NAMES 8 /* a file of so many names, on the average, is no hard link but a way to make names */
#define COUNT_DEPTH 1024

struct count_limits {
	uint64_t bytes, files; /* 0: not limited here */
};

enum count_verdict { COUNT_NOT, COUNT_WITHIN, COUNT_OVER };

struct home_count {
	uint64_t files; /* a file of n names is one */
	uint64_t bytes; /* on the disk */
	enum count_verdict verdict; /* COUNT_OVER ends it: files and bytes are what was seen until then */
};

/* Below the directory, through no link and no mount. COUNT_NOT: it cannot be read. */
struct home_count tree_count(int root, const struct count_limits *limits);

/*
 * The same by a child that becomes the account, in a user namespace of it and these ranges (at most PURGE_RANGES_MAX) and its
 * owner, so that no mode hides anything. On btrfs it makes the account's subvolumes members of its group before. *result is
 * memory that is shared with it (MAP_SHARED). Without limits nothing is counted. 0 and *pidfd; or negative errno.
 */
int home_count_start(const struct homes *homes, const struct account *account, const struct link_owner *owner,
		     const struct id_range *ranges, size_t count, const struct count_limits *limits,
		     struct home_count *result, int *pidfd);

#endif
