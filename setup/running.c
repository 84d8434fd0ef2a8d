/* SPDX-License-Identifier: ISC */
/* Which of our programs run, and whether each is still the one that is installed. For setup and doctor; root. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/subuid.h"
#include "confine/cleanup.h"
#include "setup/setup.h"
#include "varlink/client.h"

/* The broker holds the lock on the state directory; under systemd its socket is the manager's. */
static pid_t daemon_pid(void)
{
	cleanup_fd int fd = open(STATE_DIR "/lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? lock.l_pid : 0;
}

/* It makes its socket itself. */
static pid_t userdb_pid(void)
{
	cleanup_fd int fd = varlink_connect(USERDB_SOCKET);
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

/* `make install` and packages put a new file in the place of the one that runs on. False if in doubt. */
static bool replaced(pid_t pid, const char *path)
{
	struct stat running, installed;
	char exe[32];

	snprintf(exe, sizeof(exe), "/proc/%ld/exe", (long)pid);
	return pid > 0 && stat(exe, &running) == 0 && stat(path, &installed) == 0 &&
	       (running.st_dev != installed.st_dev || running.st_ino != installed.st_ino);
}

bool daemon_replaced(void)
{
	return replaced(daemon_pid(), SBINDIR "/subuidd");
}

bool userdb_replaced(void)
{
	return replaced(userdb_pid(), LIBEXECDIR "/userdb");
}
