/* SPDX-License-Identifier: ISC */
/*
 * Child processes that go on as another user, or do work that may hang: forked, not exec'ed, because all they need
 * is a few calls. A child begins as what its parent is, with the default signal dispositions, and dies with it.
 */
#ifndef CONFINE_CHILD_H
#define CONFINE_CHILD_H

#include <sys/types.h>

/* What it does; the return value is the exit status. */
struct child_job {
	int (*run)(const void *argument);
	const void *argument;
	unsigned seconds; /* it is ended by SIGALRM then; 0: never */
};

/* Forks; 0 and pid, pidfd (close-on-exec), or negative errno. */
int child_start(const struct child_job *job, pid_t *pid, int *pidfd);

/* In such a child: forks one more, which is not its own child but its parent's (CLONE_PARENT): that one waits for it, and
 * it dies with that one. For a process that stays small, beside one whose memory is much to copy. 0 and pid, or negative errno. */
int child_start_beside(const struct child_job *job, pid_t *pid);

/* In the child, each time it has become somebody else, which takes this off (PR_SET_PDEATHSIG): it dies with its parent,
 * whose successor would undo what this one then did behind it. 0; -ESRCH: the parent has died already. */
int child_bind(void);

#endif
