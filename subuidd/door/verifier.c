/* SPDX-License-Identifier: ISC */
/*
 * Starts the verifier on hosts without systemd, and keeps everybody from asking it where passwords are off. Run by the
 * broker: the socket is made in a child that is still root, and that executes the program as subuidd-verify, not a
 * child of the broker, so that it stays when the broker ends.
 */
#include "subuidd/door/verifier.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "account/password_question.h"
#include "confine/cleanup.h"
#include "confine/harden.h"
#include "confine/identity.h"
#include "subuidd/base/log.h"
#include "subuidd/door/workers.h"

#define VERIFY_PATH LIBEXECDIR "/verify"
#define UNNAMED PASSWORDS_SOCKET ".new"
#define AWAY PASSWORDS_SOCKET ".off"
#define LISTENER 3
#define BACKLOG 128

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

static bool listens(void)
{
	const struct sockaddr_un address = address_of(PASSWORDS_SOCKET);
	cleanup_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 && (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN);
}

/* Only root may connect: the umask is 077, also in the moment in which it has no name yet. */
static int listen_as_root(void)
{
	const struct sockaddr_un address = address_of(UNNAMED);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	unlink(UNNAMED); /* allowed-path: only root writes to /run */
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0 ||
	    rename(UNNAMED, PASSWORDS_SOCKET) < 0) /* allowed-path: only root writes to /run */
		return -errno;
	return fd;
}

/* In a process of its own. Returns only when something failed. */
static void become_verifier(const struct link_owner *user)
{
	static char name[] = "subuidd-verify";
	char *const argv[] = { name, NULL }, *const environment[] = { NULL };
	sigset_t none;
	int fd;

	sigemptyset(&none);
	umask(077);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || signal(SIGPIPE, SIG_DFL) == SIG_ERR || setsid() < 0)
		return;
	fd = listen_as_root();
	if (fd < 0 || (fd != LISTENER && dup2(fd, LISTENER) < 0) || descriptors_close_from(LISTENER + 1) < 0)
		return;
	if (identity_become(user->uid, user->gid, NULL, 0) < 0 || process_harden() < 0)
		return;
	execve(VERIFY_PATH, argv, environment);
}

/* The child ends at once, so that the process that it has forked is not ours to wait for. */
static int start_detached(const struct link_owner *user)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		pid = fork();
		if (pid == 0) {
			become_verifier(user);
			_exit(127);
		}
		_exit(pid < 0 ? 1 : 0);
	}
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status == 0 ? 0 : -EAGAIN;
}

void verifier_bar(const struct broker *broker)
{
	int r = 0;

	if (!broker->settings.passwords)
		r = rename(PASSWORDS_SOCKET, AWAY); /* allowed-path: only root writes to /run */
	if (r < 0 && errno != ENOENT)
		log_error("passwords are off, but " PASSWORDS_SOCKET " stays: %s", strerror(errno));
}

/* The socket that was taken away, unless another one has been made meanwhile. */
static void bring_back(void)
{
	int r = link(AWAY, PASSWORDS_SOCKET); /* allowed-path: only root writes to /run */

	if (r < 0 && errno != EEXIST && errno != ENOENT)
		log_error(PASSWORDS_SOCKET ": %s", strerror(errno));
	unlink(AWAY); /* allowed-path: only root writes to /run */
}

void verifier_start(const struct broker *broker)
{
	struct link_owner user;
	int r;

	if (!broker->settings.passwords)
		return;
	bring_back();
	if (sd_booted() > 0 || listens())
		return;
	r = passwd_by_name(VERIFY_GROUP, &user);
	if (r == 0 && (user.uid == 0 || user.gid == 0))
		r = -EPERM;
	if (r == 0)
		r = start_detached(&user);
	if (r < 0)
		log_error("passwords are refused, " VERIFY_PATH " cannot be started: %s", strerror(-r));
}
