/* SPDX-License-Identifier: ISC */
/*
 * Visits everything below the homes, known or not: for proving the store against the disk. Run by the broker's
 * children and by the state program (root), on descriptors; nothing is followed, nothing is changed, and no mount
 * below the homes is entered (RESOLVE_NO_XDEV): an account's mounts cannot hold it up.
 */
#ifndef SUBUIDD_HOME_WALK_H
#define SUBUIDD_HOME_WALK_H

#include "home/home.h"

enum disk_kind {
	DISK_ACCOUNT,     /* <owner>/<label>, an account directory */
	DISK_REMOVED,     /* .removed/<uid> */
	DISK_MAKING,      /* .making/<uid> */
	DISK_OWNER_EMPTY, /* <owner> without an account directory in it */
	DISK_OTHER, /* anything else: name in `owner` (below an owner, .removed or .making: in `label`), cut to fit
		     */
};

struct disk_entry {
	enum disk_kind kind;
	uint32_t uid;              /* the account's: from its directory's group, or its name; 0: unknown */
	uint32_t owner_uid;        /* from the ACL that lets the owner in; 0: unknown */
	bool home, view;           /* there is such a directory in it */
	bool data;                 /* home is not empty, cannot be read, or is not a directory */
	char owner[OWNER_MAX + 1]; /* "" for REMOVED and MAKING */
	char label[LABEL_MAX + 1];
};

/* Non-zero ends the walk and is returned. */
typedef int (*disk_visitor)(void *data, const struct disk_entry *entry);

/* Visits everything, owners in the order of readdir(3). 0, the visitor's result, or negative errno (the disk cannot
 * be read: then nothing is known about the entries not visited). Entries that disappear meanwhile are passed over.
 * A dozen system calls for each account. */
int home_walk(const struct homes *homes, disk_visitor visit, void *data);

/* The same of those that known() does not know, which is told kind, uid and names. */
typedef bool (*disk_known)(void *data, const struct disk_entry *entry);
int home_walk_unknown(const struct homes *homes, disk_known known, disk_visitor visit, void *data);

/* The same of kind, uid and names alone: three system calls for each account. */
int home_walk_names(const struct homes *homes, disk_visitor visit, void *data);

#endif
