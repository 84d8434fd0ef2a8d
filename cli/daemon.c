/* SPDX-License-Identifier: ISC */
/* Whether the daemon runs, or why not; stopping the daemon for a moment and starting it again the way it ran: by
 * systemd, or by hand. Root. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/daemon.h"
#include "cli/program.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"
#include "varlink/client.h"

#define STOP_MS 60000
#define REFUSED_PATH RUN_DIR "/refused" /* subuidd/call/refusal.c */

bool systemd_runs(void)
{
	return access("/run/systemd/system", F_OK) == 0; /* sd_booted(3) */
}

bool daemon_listens(int *pid)
{
	cleanup_fd int fd = varlink_connect(SOCKET_PATH);
	struct ucred peer;
	socklen_t size = sizeof(peer);

	*pid = 0;
	if (fd < 0)
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
		*pid = peer.pid;
	return true;
}

bool daemon_refused(char *line, size_t size)
{
	cleanup_fd int fd = open(REFUSED_PATH, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t got = fd < 0 ? -1 : read(fd, line, size - 1);

	line[got > 0 ? got : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return line[0] != '\0';
}

static int active(const char *unit)
{
	const char *const argv[] = { "systemctl", "is-active", "--quiet", unit, NULL };

	return systemd_runs() && command_run(argv, NULL) == 0;
}

/* It ended by itself, and systemd no longer tries. */
static int failed(const char *unit)
{
	const char *const argv[] = { "systemctl", "is-failed", "--quiet", unit, NULL };

	return systemd_runs() && command_run(argv, NULL) == 0;
}

static int stop_by_hand(int pid)
{
	cleanup_fd int fd = pidfd_open(pid, 0);
	struct pollfd ended = { .fd = fd, .events = POLLIN };
	char what[64];

	snprintf(what, sizeof(what), "subuidd (pid %d)", pid);
	if (fd < 0 && errno == ESRCH)
		return STATUS_DONE;
	if (fd < 0 || pidfd_send_signal(fd, SIGTERM, NULL, 0) < 0 || poll(&ended, 1, STOP_MS) != 1) {
		complain(what, "cannot be stopped", "stop it by hand, and leave out --restart");
		return STATUS_FAILED;
	}
	return STATUS_DONE;
}

int daemon_stop(struct stopped *stopped)
{
	static const char *const stop[] = { "systemctl", "stop", "subuidd.socket", "subuidd.service", NULL };
	int pid;

	*stopped = (struct stopped){ .service = active("subuidd.service"), .socket = active("subuidd.socket") };
	if (stopped->service || stopped->socket) {
		stopped->service |= failed("subuidd.service"); /* the socket is still there */
		return command_must(stop, "") < 0 ? STATUS_FAILED : STATUS_DONE;
	}
	if (!daemon_listens(&pid) || pid <= 1)
		return STATUS_DONE;
	stopped->by_hand = 1;
	return stop_by_hand(pid);
}

bool daemon_ran(const struct stopped *stopped)
{
	return stopped->service || stopped->socket || stopped->by_hand;
}

bool daemon_enabled(struct stopped *stopped)
{
	static const char *const enabled[] = { "systemctl", "is-enabled", "--quiet", "subuidd.service", NULL };

	if (!systemd_runs() || command_run(enabled, NULL) != 0)
		return false;
	stopped->service = stopped->socket = 1;
	return true;
}

static int units_start(const struct stopped *stopped)
{
	static const char *const forget[] = { "systemctl", "reset-failed", "subuidd.service", "subuidd.socket", NULL };
	static const char *const socket[] = { "systemctl", "start", "subuidd.socket", NULL };
	static const char *const service[] = { "systemctl", "start", "subuidd.service", NULL };
	static const char todo[] = "`journalctl -u subuidd` says more";

	command_run(forget, NULL); /* it may have been tried too often */
	if (stopped->socket && command_must(socket, "") < 0)
		return STATUS_FAILED;
	if (!stopped->service)
		return STATUS_DONE;
	if (command_must(service, todo) < 0)
		return STATUS_FAILED;
	if (active("subuidd.service"))
		return STATUS_DONE;
	complain("subuidd.service", "was started, but does not run", todo);
	return STATUS_FAILED;
}

int daemon_start(const struct stopped *stopped)
{
	static const char *const by_hand[] = { SBINDIR "/subuidd", NULL };

	if (stopped->socket || stopped->service)
		return units_start(stopped);
	if (stopped->by_hand && command_must(by_hand, "start it as it was started before") < 0)
		return STATUS_FAILED;
	return STATUS_DONE;
}
