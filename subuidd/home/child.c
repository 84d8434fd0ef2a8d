/* SPDX-License-Identifier: ISC */
/* Child processes that go on as somebody else: forked, not exec'ed, because all they need is a few system calls. */
#include <errno.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "subuidd/home/internal.h"

static pid_t broker_pid; /* as of the last fork */

int home_child_bind(void)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		return -errno;
	return getppid() == broker_pid ? 0 : -ESRCH;
}

static _Noreturn void child_run(const struct home_child *child)
{
	sigset_t none;

	for (int signal_number = 1; signal_number < NSIG; signal_number++)
		signal(signal_number, SIG_DFL);
	/* a copy of the broker's memory: nobody may look into it, whoever this becomes */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || chdir("/") != 0 || home_child_bind() < 0)
		_exit(125);
	alarm(child->seconds);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	_exit(child->run(child->argument));
}

int home_child_start(const struct home_child *child, pid_t *pid, int *pidfd)
{
	sigset_t all, before;
	pid_t child_pid;
	int fd, saved;

	/* no handler of the broker may run in the child before its dispositions are reset */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	broker_pid = getpid();
	child_pid = fork();
	if (child_pid == 0)
		child_run(child);
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
