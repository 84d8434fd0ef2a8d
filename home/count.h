/* SPDX-License-Identifier: ISC */
/* Counts the content of a home, for limits that its file system does not enforce. */
#ifndef SUBUIDD_COUNT_H
#define SUBUIDD_COUNT_H

#include <stdint.h>

#include "home/home.h"

#define COUNT_NAMES 8 /* files with this many names on average are not hard links but a way to make names */
#define COUNT_DEPTH 1024

struct count_limits {
	uint64_t bytes, files; /* 0: not limited here */
};

enum count_verdict { COUNT_NOT, COUNT_WITHIN, COUNT_OVER };

struct home_count {
	uint64_t files;             /* a file with n names counts once */
	uint64_t bytes;             /* on the disk */
	enum count_verdict verdict; /* COUNT_OVER ends the count: files and bytes are those seen until then */
};

/* Counts below the directory, through no link and no mount. COUNT_NOT: it cannot be read. */
struct home_count tree_count(int root, const struct count_limits *limits);

/*
 * The same by a child that becomes the account, in a user namespace of its id, these ranges (at most PURGE_RANGES_MAX)
 * and its owner, so that no mode hides anything. On btrfs it first makes the account's subvolumes members of its group.
 * *result is memory that is shared with the child (MAP_SHARED). Without limits nothing is counted. 0 and *pidfd; or
 * negative errno.
 */
int home_count_start(const struct homes *homes, const struct account *account, const struct link_owner *owner,
		     const struct id_range *ranges, size_t count, const struct count_limits *limits,
		     struct home_count *result, int *pidfd);

#endif
