/* SPDX-License-Identifier: ISC */
/*
 * Child processes that go on as another user, or do work that may hang: forked, not exec'ed, because all they need
 * is a few calls. A child starts with its parent's identity and the default signal dispositions, and dies with it.
 */
#ifndef CONFINE_CHILD_H
#define CONFINE_CHILD_H

#include <sys/types.h>

/* The child's work; the return value is the exit status. */
struct child_job {
	int (*run)(const void *argument);
	const void *argument;
	unsigned seconds; /* it is ended by SIGALRM then; 0: never */
};

/* Forks; 0 and pid, pidfd (close-on-exec), or negative errno. */
int child_start(const struct child_job *job, pid_t *pid, int *pidfd);

/* In such a child: forks one more, which is not its own child but its parent's (CLONE_PARENT): the parent waits for it,
 * and it dies with the parent. For a small process that forks on behalf of one with much memory to copy. 0 and pid, or
 * negative errno. */
int child_start_beside(const struct child_job *job, pid_t *pid);

/* In the child, each time after it has become another user, which clears this (PR_SET_PDEATHSIG): it dies with its
 * parent. Otherwise the parent's successor would undo things while this child was still doing them. 0; -ESRCH: the
 * parent has died already. */
int child_bind(void);

#endif
