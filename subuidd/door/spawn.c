/* SPDX-License-Identifier: ISC */
/* Starting a worker: forked and executed afresh as user subuidd, with the broker on descriptor 3 and a log on 2. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/trusted.h"
#include "confine/harden.h"
#include "confine/identity.h"
#include "subuidd/door/workers.h"

#define WORKER_PATH LIBEXECDIR "/worker"
#define FIRST_FREE_FD 10 /* away from WIRE_FD, over which the child puts its socket */

static_assert(FIRST_FREE_FD > WIRE_FD, "the executable must survive the dup2 to WIRE_FD");

/* A new namespace, ours for a moment and kept by descriptor. -1: not possible here (a container without
 * CAP_SYS_ADMIN, or our own unit, which is in such a namespace itself): the worker cannot make sockets anyway
 * (seccomp). -EIO: there is no way back. */
static int namespace_empty(const char *path, int kind)
{
	cleanup_fd int own = open(path, O_RDONLY | O_CLOEXEC);
	cleanup_fd int empty = -1;

	if (own < 0 || unshare(kind) < 0)
		return -1;
	empty = open(path, O_RDONLY | O_CLOEXEC);
	if (setns(own, kind) < 0)
		return -EIO; /* the broker itself would be stuck in it: NSS over the network needs ours */
	return empty < 0 ? -1 : fcntl(empty, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
}

/* Only root may be able to write it: it is executed with a socket to the broker. */
static int executable_open(void)
{
	cleanup_fd int fd = open(WORKER_PATH, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!file_trusted(&st, 0))
		return -EPERM;
	return fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
}

int worker_image_open(struct worker_image *image, char *why, size_t size)
{
	struct worker_image found = { .executable = -1, .network = -1, .ipc = -1 };
	struct link_owner user;
	int r = passwd_by_name(WORKER_USER, &user);

	if (r < 0 || user.uid == 0 || user.gid == 0) {
		snprintf(why, size,
			 r < 0 && r != -ENOENT ? "the user database does not answer for %s: see nsswitch.conf(5)" :
						 "the user %s does not exist: run subuid setup",
			 WORKER_USER);
		return r < 0 ? r : -EPERM;
	}
	found.uid = user.uid;
	found.gid = user.gid;
	found.executable = executable_open();
	if (found.executable < 0) {
		snprintf(why, size, "%s: %s", WORKER_PATH, strerror(-found.executable));
		return found.executable;
	}
	found.network = namespace_empty("/proc/self/ns/net", CLONE_NEWNET);
	found.ipc = namespace_empty("/proc/self/ns/ipc", CLONE_NEWIPC);
	if (found.network == -EIO || found.ipc == -EIO) {
		worker_image_close(&found);
		snprintf(why, size, "cannot come back from a new namespace");
		return -EPERM;
	}
	*image = found;
	return 0;
}

void worker_image_close(struct worker_image *image)
{
	cleanup_fd int executable = image->executable, network = image->network, ipc = image->ipc;

	(void)executable;
	(void)network;
	(void)ipc;
	image->executable = image->network = image->ipc = -1;
}

/* In the child. Returns only when something failed. */
static void become_worker(const struct worker_image *image, int socket, pid_t parent)
{
	const int keep[] = { STDERR_FILENO, WIRE_FD, image->executable, -1 };
	static char name[] = "subuidd-worker";
	char *const argv[] = { name, NULL };
	char *const environment[] = { NULL };
	sigset_t none;

	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || signal(SIGPIPE, SIG_DFL) == SIG_ERR)
		return;
	if (image->network >= 0 && setns(image->network, CLONE_NEWNET) < 0)
		return;
	if (image->ipc >= 0 && setns(image->ipc, CLONE_NEWIPC) < 0)
		return;
	if (dup2(socket, WIRE_FD) < 0 || descriptors_keep(keep) < 0)
		return;
	if (identity_become(image->uid, image->gid, NULL, 0) < 0 || process_harden() < 0)
		return;
	/* After the ids: a change of them clears it. */
	if (process_bind(parent) < 0)
		return;
	syscall(SYS_execveat, image->executable, "", argv, environment, AT_EMPTY_PATH);
}

int worker_spawn(const struct worker_image *image, int *fd, pid_t *started, int *pidfd)
{
	const pid_t parent = getpid();
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;

	cleanup_fd int ours = pair[0], theirs = pair[1];

	/* each message says which process has sent it: worker_channel.c */
	if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0 ||
	    setsockopt(ours, SOL_SOCKET, SO_PASSCRED, &(int){ 1 }, sizeof(int)) < 0)
		return -errno;
	/* If it is WIRE_FD already, dup2 would leave its close-on-exec flag. */
	if (theirs == WIRE_FD) {
		theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, FIRST_FREE_FD);
		close(pair[1]);
		if (theirs < 0)
			return -errno;
	}
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		become_worker(image, theirs, parent);
		_exit(127);
	}
	*pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (*pidfd < 0) {
		int error = errno;

		kill(pid, SIGKILL);
		return -error;
	}
	*fd = steal_fd(&ours);
	*started = pid;
	return 0;
}
