/* SPDX-License-Identifier: ISC */
/*
 * Runs the administrator's program for alarms: as a user that exists for nothing else and owns nothing, in a pid
 * namespace that ends with it. Run by the broker, which waits for none of it.
 */
#include "subuidd/runs/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/harden.h"
#include "confine/identity.h"
#include "subuidd/broker.h"
#include "subuidd/call/caller.h"

#define HOOK_ARGUMENTS_MAX 8
#define HOOK_CPU_SECONDS 60
#define HOOK_PROCESSES 256 /* of all hooks */
#define HOOK_FAILED 127

/* The file and every directory on the way to it, links resolved. */
static int hook_trusted(const char *program, char real[PATH_MAX], char *why, size_t size)
{
	char at[PATH_MAX];
	struct stat st;

	if (realpath(program, real) == NULL) {
		snprintf(why, size, "%s", strerrordesc_np(errno));
		return -errno;
	}
	memcpy(at, real, strlen(real) + 1);
	for (char *end;; *end = '\0') {
		if (stat(at[0] != '\0' ? at : "/", &st) < 0)
			return -errno;
		if (st.st_uid != 0 || (st.st_mode & 022) != 0) {
			snprintf(why, size, "%.200s could be changed by others than root", at[0] != '\0' ? at : "/");
			return -EPERM;
		}
		if (at[0] == '\0')
			break;
		end = strrchr(at, '/');
	}
	if (stat(real, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0) {
		snprintf(why, size, "not a program");
		return -EACCES;
	}
	return 0;
}

/* In the child, which keeps nothing of root's but its program's name. parent: a pidfd, which stays open. */
static int become_hook(const struct link_owner *user, int parent)
{
	const int keep[] = { 0, 1, 2, parent, -1 };
	const struct rlimit cpu = { HOOK_CPU_SECONDS, HOOK_CPU_SECONDS },
			    processes = { HOOK_PROCESSES, HOOK_PROCESSES };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	sigemptyset(&none);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || descriptors_keep(keep) < 0)
		return -EBADF;
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || signal(SIGPIPE, SIG_DFL) == SIG_ERR || setsid() < 0)
		return -errno;
	if (identity_become(user->uid, user->gid, NULL, 0) < 0 || setrlimit(RLIMIT_CPU, &cpu) < 0 ||
	    setrlimit(RLIMIT_NPROC, &processes) < 0 || chdir("/") < 0)
		return -EPERM;
	umask(077);
	return 0;
}

/* Returns only when something failed. */
static void program_execute(const char *program, char *const *argv, pid_t parent)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", language[] = "LANG=C.UTF-8", home[] = "HOME=/";
	char *const environment[] = { path, language, home, NULL };

	/* without a namespace: at least the program ends with the first process */
	if (setsid() < 0 || process_bind(parent) < 0)
		return;
	execve(program, argv, environment);
}

/*
 * The first process of a pid namespace, whose end is the end of all processes in it, wherever they went. It waits
 * for the program and ends with its status, or with the daemon. (Without a namespace: the end of the processes that
 * are still in the first group of the program's own session.)
 */
static int first_process(const char *program, char *const *argv, const struct link_owner *user, int parent)
{
	const pid_t first = getpid();
	siginfo_t ended;
	pid_t pid;

	/* after the ids: a change of them clears it */
	if (become_hook(user, parent) < 0 || process_bind_apart(parent) < 0 || (pid = fork()) < 0)
		return HOOK_FAILED;
	if (pid == 0) {
		program_execute(program, argv, first);
		_exit(HOOK_FAILED);
	}
	for (;;) {
		ended = (siginfo_t){ 0 };
		if (waitid(P_ALL, 0, &ended, WEXITED | WNOWAIT) < 0 && errno != EINTR)
			return HOOK_FAILED;
		if (ended.si_pid == pid)
			break;
		if (ended.si_pid > 0)
			waitid(P_PID, (id_t)ended.si_pid, &ended, WEXITED);
	}
	kill(-pid, SIGKILL);
	return ended.si_code == CLD_EXITED ? ended.si_status : HOOK_FAILED;
}

/* Not clone3(2): systemd refuses it, whatever the flags, where RestrictNamespaces= is set. */
static pid_t clone_as_fork(unsigned long flags, int *pidfd)
{
#if defined(__s390__) || defined(__CRIS__)
	return (pid_t)syscall(SYS_clone, NULL, flags | SIGCHLD, pidfd, NULL, 0UL);
#else
	return (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, pidfd, NULL, 0UL);
#endif
}

/* As fork(2), in a pid namespace of its own where the kernel gives one (a container may not). */
static pid_t fork_apart(int *pidfd)
{
	pid_t pid = clone_as_fork(CLONE_PIDFD | CLONE_NEWPID, pidfd);

	return pid < 0 && (errno == EPERM || errno == ENOSYS || errno == EINVAL) ? clone_as_fork(CLONE_PIDFD, pidfd) :
										   pid;
}

int hook_start(const char *program, const char *const *arguments, int *pidfd, char *why, size_t size)
{
	char real[PATH_MAX];
	const char *argv[HOOK_ARGUMENTS_MAX + 2] = { program };
	struct link_owner user;
	cleanup_fd int parent = -1;
	int fd = -1, r = hook_trusted(program, real, why, size);
	pid_t pid;

	if (r < 0)
		return r;
	for (size_t i = 0; i < HOOK_ARGUMENTS_MAX && arguments[i] != NULL; i++)
		argv[i + 1] = arguments[i];
	r = passwd_by_name(HOOK_USER, &user);
	if (r < 0 || user.uid == 0) {
		snprintf(why, size,
			 r == -ENOENT ? "the user %s does not exist: run subuid setup" :
					"the user %s cannot be looked up",
			 HOOK_USER);
		return r < 0 ? r : -EPERM;
	}
	parent = pidfd_open(getpid(), 0);
	pid = parent < 0 ? -1 : fork_apart(&fd);
	if (pid < 0) {
		r = -errno;
		snprintf(why, size, "%s", strerrordesc_np(-r));
		return r;
	}
	if (pid == 0) /* execve(2) writes to none of it */
		_exit(first_process(real, (char *const *)(uintptr_t)argv, &user, parent));
	*pidfd = fd;
	return 0;
}
