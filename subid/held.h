/* SPDX-License-Identifier: ISC */
/*
 * Ids that /etc/subuid and /etc/subgid give away, so that we do not give out the same.
 * Run by the broker on files that root edits; a line that cannot be read is
 * counted, not guessed at, and does not stop the others from being heeded.
 */
#ifndef SUBID_HELD_H
#define SUBID_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "account/id.h"

/* One line's ids, and the holder that it names. */
struct subid_entry {
	struct id_block ids;
	uint32_t reach; /* the highest last id of this one and of all before it */
	uint64_t name;  /* subid_name_hash() */
};

/* The same by name, and in the order of the file. */
struct subid_named {
	uint64_t name;
	uint32_t line; /* which, of those that were read */
	struct id_block ids;
};

struct subid_list {
	struct id_block *blocks; /* sorted, none touches or overlaps the next */
	size_t count;
	size_t allocated;
	struct subid_entry *entries; /* of the lines that were read, by first: for subid_find_other() */
	size_t entries_count, entries_allocated;
	struct subid_named *named; /* as many, by name and line: for subid_named_of() */
	unsigned unreadable;       /* lines that are neither blank, nor a comment, nor name:start:count */
};

/* Pure: reads the text of a file. 0 or -ENOMEM. */
int subid_parse(const char *text, size_t length, struct subid_list *list);

/* Building one from something else: add in any order, then sort once. 0 or -ENOMEM. */
int subid_list_add(struct subid_list *list, struct id_block block);
void subid_list_sort(struct subid_list *list);
void subid_list_free(struct subid_list *list);

/* True when an id of first..last is in the list; *holder is the block that holds it. O(log n). */
bool subid_find(const struct subid_list *list, uint32_t first, uint32_t last, struct id_block *holder);

uint64_t subid_name_hash(const char *name, size_t length);

/* True when a line holds an id of first..last and does not give all of these to one of the names, alone or with
 * neighbours. O(log n). */
bool subid_find_other(const struct subid_list *list, uint32_t first, uint32_t last, const uint64_t *names, size_t count,
		      struct id_block *holder);

/* The lines of this name: how many, from *at on. O(log n). */
size_t subid_named_of(const struct subid_list *list, uint64_t name, const struct subid_named **at);

/* The same file, not changed since: by device, inode, size and times. False for one that did not exist. */
bool subid_file_same(const struct stat *a, const struct stat *b);
/* False: it was changed just now, and can change again within the same tick of its clock. */
bool subid_file_settled(const struct stat *st);

/* One file, read again only when it has changed. */
struct subid_file {
	const char *path;
	struct stat seen; /* the file that was read, by device, inode, size and times; all 0: none yet */
	struct subid_list list;
};

/* 0 or negative errno: then nothing is known about the file. No such file: nothing is given away. */
int subid_file_refresh(struct subid_file *file);
void subid_file_free(struct subid_file *file);

/* 1: one line of the file gives exactly these ids to this owner (by name or by uid), and no other line any of them; 0:
 * none gives any of them; -EEXIST: others, or otherwise; or another negative errno of reading the file. */
int subid_line_held(const char *path, const char *owner, uid_t owner_uid, uint32_t first, uint32_t count);

#endif
