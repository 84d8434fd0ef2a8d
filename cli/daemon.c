/* SPDX-License-Identifier: ISC */
/* Whether the daemon runs; stopping the daemon for a moment and starting it again the way it ran: by systemd, or by hand. Root. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/daemon.h"
#include "cli/program.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"
#include "varlink/client.h"

#define STOP_MS 60000

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

static int active(const char *unit)
{
	const char *const argv[] = {"systemctl", "is-active", "--quiet", unit, NULL};

	return systemd_runs() && command_run(argv, NULL) == 0;
}

static int stop_by_hand(int pid)
{
	cleanup_fd int fd = pidfd_open(pid, 0);
	struct pollfd ended = {.fd = fd, .events = POLLIN};
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
	static const char *const stop[] = {"systemctl", "stop", "subuidd.socket", "subuidd.service", NULL};
	int pid;

	*stopped = (struct stopped){.service = active("subuidd.service"), .socket = active("subuidd.socket")};
	if (stopped->service || stopped->socket)
		return command_must(stop, "") < 0 ? STATUS_FAILED : STATUS_DONE;
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
	static const char *const enabled[] = {"systemctl", "is-enabled", "--quiet", "subuidd.service", NULL};

	if (!systemd_runs() || command_run(enabled, NULL) != 0)
		return false;
	stopped->service = stopped->socket = 1;
	return true;
}

int daemon_start(const struct stopped *stopped)
{
	static const char *const by_hand[] = {SBINDIR "/subuidd", NULL};
	static const char *const socket[] = {"systemctl", "start", "subuidd.socket", NULL};
	static const char *const service[] = {"systemctl", "start", "subuidd.service", NULL};
	static const char *const forget[] = {"systemctl", "reset-failed", "subuidd.service", "subuidd.socket", NULL};
	int r = 0;

	if (stopped->socket || stopped->service)
		command_run(forget, NULL); /* starts are counted; this one is meant, however often there was one before */
	if (stopped->socket)
		r = command_must(socket, "");
	if (r == 0 && stopped->service)
		r = command_must(service, "`journalctl -u subuidd` says more");
	if (r == 0 && stopped->by_hand)
		r = command_must(by_hand, "start it as it was started before");
	return r < 0 ? STATUS_FAILED : STATUS_DONE;
}
