/* SPDX-License-Identifier: ISC */
/* An entry of a tree that was pushed: as it is on the disk, and as the server had it (rsync --fake-super). */
#ifndef CLI_STORED_H
#define CLI_STORED_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct stored {      /* the attributes that rsync keeps in user.rsync.%stat */
	mode_t mode; /* with its kind */
	uint32_t major, minor;
	uint32_t uid, gid;
};

/* "100644 0,0 0:0". Pure; 0, or -EINVAL with *stored untouched. */
int stored_parse(const char *text, struct stored *stored);

struct stored_entry {
	int fd; /* a file or directory, to be read; -1: another kind on the disk */
	struct stat disk;
	bool has_stored; /* the server's are stored; otherwise they are the disk's */
	struct stored server;
	char target[PATH_MAX]; /* of a symbolic link */
};

/* Opens path below dir, through no link and no mount; anything but a file or directory on the disk is not opened,
 * only looked at. 0 or negative errno. */
int entry_open(int dir, const char *path, struct stored_entry *entry);
void entry_close(struct stored_entry *entry);

/* "-rw-r--r--", as ls(1). */
void stored_mode_text(mode_t mode, char out[12]);
bool stored_is_device(mode_t mode);
/* Bytes: of a link, of its target. */
uint64_t entry_size(const struct stored_entry *entry);

#endif
