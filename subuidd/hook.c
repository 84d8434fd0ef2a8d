/* SPDX-License-Identifier: ISC */
#include "subuidd/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/harden.h"
#include "confine/identity.h"
#include "subuidd/broker.h"
#include "subuidd/caller.h"

#define HOOK_ARGUMENTS_MAX 8
#define HOOK_CPU_SECONDS 60

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

/* In the child. Returns only when something failed. */
static void become_hook(const char *program, char *const *argv, const struct link_owner *user)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", language[] = "LANG=C.UTF-8", home[] = "HOME=/";
	char *const environment[] = { path, language, home, NULL };
	const struct rlimit cpu = { HOOK_CPU_SECONDS, HOOK_CPU_SECONDS };
	sigset_t none;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	sigemptyset(&none);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || descriptors_close_from(3) < 0)
		return;
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || signal(SIGPIPE, SIG_DFL) == SIG_ERR || setsid() < 0)
		return;
	if (identity_become(user->uid, user->gid, NULL, 0) < 0 || setrlimit(RLIMIT_CPU, &cpu) < 0 || chdir("/") < 0)
		return;
	umask(077);
	execve(program, argv, environment);
}

int hook_start(const char *program, const char *const *arguments, int *pidfd, char *why, size_t size)
{
	char real[PATH_MAX];
	const char *argv[HOOK_ARGUMENTS_MAX + 2] = { program };
	struct link_owner user;
	pid_t pid;
	int r = hook_trusted(program, real, why, size);

	if (r < 0)
		return r;
	for (size_t i = 0; i < HOOK_ARGUMENTS_MAX && arguments[i] != NULL; i++)
		argv[i + 1] = arguments[i];
	r = passwd_by_name(WORKER_USER, &user);
	if (r < 0 || user.uid == 0) {
		snprintf(why, size, r == -ENOENT ? "the user %s is not there" : "the user %s cannot be looked up", WORKER_USER);
		return r < 0 ? r : -EPERM;
	}
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		/* execve(2) writes to none of it. */
		become_hook(real, (char *const *)(uintptr_t)argv, &user);
		_exit(127);
	}
	*pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (*pidfd < 0) {
		r = -errno;
		kill(pid, SIGKILL);
		snprintf(why, size, "%s", strerrordesc_np(-r));
		return r;
	}
	return 0;
}
