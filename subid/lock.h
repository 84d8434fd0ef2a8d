/* SPDX-License-Identifier: ISC */
/*
 * shadow's locks, taken as shadow takes them: lckpwdf(3), then FILE.lock, a link to a
 * file with our pid in it. useradd, usermod and their kin hold the same while they rewrite
 * /etc/subuid and /etc/subgid whole: without them one of the two would undo the other's change.
 *
 * Run by root. Blocks (lckpwdf up to 15 s, by SIGALRM): for a child process of the broker, never for the broker itself,
 * and for `subuid adopt`.
 */
#ifndef SUBID_LOCK_H
#define SUBID_LOCK_H

#include <stdbool.h>
#include <sys/types.h>

#define SUBID_LOCK_FILES 2

/* In the directory (of /etc, or a test's). Clears what a power cut left, see lock.c. 0, -EBUSY: another program
 * does not let go. */
int subid_lock(int dirfd);
void subid_unlock(int dirfd);

/* True: one of the files is locked, or was. */
bool subid_lock_left(int dirfd);

/* Why a lock exists: for messages. */
enum subid_lock_state {
	LOCK_NONE,
	LOCK_HELD, /* *pid has it */
	LOCK_DEAD, /* of a process that has ended: the next program that wants the lock removes it */
	LOCK_ODD,  /* empty or rubbish, as a power cut leaves it: shadow's tools stop at it for good */
};

/* name: "subuid.lock", or a file "subuid.PID". LOCK_NONE too when it cannot be read. */
enum subid_lock_state subid_lock_look(int dirfd, const char *name, pid_t *pid);

#endif
