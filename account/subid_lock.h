/* SPDX-License-Identifier: ISC */
/*
 * shadow's locks, taken as shadow takes them: lckpwdf(3), then FILE.lock, a link to a
 * file with our pid in it. useradd, usermod and their kin hold the same while they rewrite
 * /etc/subuid and /etc/subgid whole: without them one of the two would undo the other's change.
 *
 * Run by root. Blocks (lckpwdf up to 15 s, by SIGALRM): for a child process of the broker, never for itself, and
 * for `subuid adopt`.
 */
#ifndef ACCOUNT_SUBID_LOCK_H
#define ACCOUNT_SUBID_LOCK_H

#define SUBID_LOCK_FILES 2

/* In the directory (of /etc, or a test's). 0, -EBUSY: another program does not let go. */
int subid_lock(int dirfd);
void subid_unlock(int dirfd);

#endif
