/* SPDX-License-Identifier: ISC */
/* Starts child processes that end with their parent: by fork(2), or beside the parent in its own memory. */
#include "confine/child.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdint.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BESIDE_STACK (1024 * 1024) /* NSS modules run on it */

static pid_t parent_pid; /* since the last fork */

int child_bind(void)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		return -errno;
	return getppid() == parent_pid ? 0 : -ESRCH;
}

static _Noreturn void child_run(const struct child_job *job)
{
	sigset_t none;

	for (int signal_number = 1; signal_number < NSIG; signal_number++)
		signal(signal_number, SIG_DFL);
	/* a copy of the parent's memory: nobody may look into it, whichever user this process becomes */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || chdir("/") != 0 || child_bind() < 0)
		_exit(125);
	alarm(job->seconds);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	_exit(job->run(job->argument));
}

int child_start(const struct child_job *job, pid_t *pid, int *pidfd)
{
	sigset_t all, before;
	pid_t child_pid;
	int fd, saved;

	/* no handler of the parent may run in the child before its dispositions are reset */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	parent_pid = getpid();
	child_pid = fork();
	if (child_pid == 0)
		child_run(job);
	saved = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (child_pid < 0)
		return -saved;
	fd = pidfd_open(child_pid, 0);
	if (fd < 0) {
		saved = errno;
		kill(child_pid, SIGKILL);
		waitpid(child_pid, NULL, 0);
		return -saved;
	}
	*pid = child_pid;
	*pidfd = fd;
	return 0;
}

static int child_beside(void *argument)
{
	child_run(argument);
}

/* parent_pid stays as it was: code that waits for this process waits for that one. */
int child_start_beside(const struct child_job *job, pid_t *pid)
{
	static alignas(16) char stack[BESIDE_STACK]; /* each child's own, as all memory */
	sigset_t all, before;
	pid_t child_pid;
	int saved;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	child_pid = clone(child_beside, stack + sizeof(stack), CLONE_PARENT | SIGCHLD, (void *)(uintptr_t)job);
	saved = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (child_pid < 0)
		return -saved;
	*pid = child_pid;
	return 0;
}
