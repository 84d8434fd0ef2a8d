/* SPDX-License-Identifier: ISC */
/*
 * Dates and modes of files that a session has just made, where the kernel lets it change nothing that is there. The
 * system call filter cannot tell such a file from an old one; but under that filter only a new file can be open for
 * writing. So a process beside the tool, which has a filter of its own, takes descriptors that are, and sets dates and
 * modes of these files and no others.
 *
 * A client may have several sessions at once, make a file in one and date it in another (rclone does). So these files
 * carry a mark for as long as the session lasts, an attribute that names the key: the tool's filter lets it set none.
 */
#ifndef BACKUP_NEW_FILES_H
#define BACKUP_NEW_FILES_H

#include <stdint.h>

#define NEW_FILES_SOCKET 4                      /* the tool's end; the only one that its filter lets it send over */
#define NEW_FILES_VARIABLE "SUBUID_NEW_FILES=4" /* in the environment of a tool that has it */

enum new_files_kind {
	NEW_FILES_MADE = 1, /* the descriptor is open for writing */
	NEW_FILES_DATES,    /* it leads to a file that was made: its dates */
	NEW_FILES_MODE,     /* its mode, without setuid, setgid and sticky bits, and never writable by others */
};

/* With exactly one descriptor. The answer is an int, 0 or errno. */
struct new_files_order {
	uint32_t kind;
	uint32_t mode;
	struct {
		int64_t seconds, nanoseconds;
	} access, change;
};

/* Starts that process and leaves our end at NEW_FILES_SOCKET, across exec. It ends when all copies of it are closed. To
 * be called where everything but the system call filter has been done. 0 or negative errno. */
int new_files_start(uint32_t key);

#endif
