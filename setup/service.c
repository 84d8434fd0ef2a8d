/* SPDX-License-Identifier: ISC */
/* The steps of setup that concern systemd: the socket, the timer, and reloading sshd and the daemon. */
#include "cli/daemon.h"
#include "cli/program.h"
#include "setup/setup.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/subuid.h"
#include "confine/cleanup.h"
#include "varlink/client.h"

#define SOCKET_UNIT "subuidd.socket"

static bool systemctl_says(const char *verb, const char *unit)
{
	const char *const argv[] = { "systemctl", verb, "--quiet", unit, NULL };

	return command_run(argv, NULL) == 0;
}

int step_service(struct setup *setup)
{
	static const char *const reload[] = { "systemctl", "daemon-reload", NULL };
	static const char *const enable[] = { "systemctl", "enable", "--now", SOCKET_UNIT, SERVICE_UNIT, NULL };
	int pid;

	if (!systemd_runs()) {
		say("subuidd", daemon_listens(&pid) ? "runs" : "start it with `subuidd`: there is no systemd here");
		return 0;
	}
	if (systemctl_says("is-enabled", SERVICE_UNIT) && systemctl_says("is-active", SERVICE_UNIT)) {
		say(SERVICE_UNIT, "as it should be");
		return 0;
	}
	say_change(setup, SOCKET_UNIT ", " SERVICE_UNIT, "enabled and started");
	if (setup->dry_run)
		return 0;
	if (record_add(setup, json_pack("{s:s, s:s}", "kind", "units", "name", SERVICE_UNIT)) < 0 ||
	    command_must(reload, "") < 0)
		return -1;
	return command_must(enable, "`journalctl -u " SERVICE_UNIT "` says more");
}

int step_timer(struct setup *setup)
{
	static const char *const enable[] = { "systemctl", "enable", "--now", TIMER_UNIT, NULL };

	if (!systemd_runs()) {
		say("daily copies", "have cron run `subuid state save --daily` each day: there is no systemd here");
		return 0;
	}
	if (systemctl_says("is-enabled", TIMER_UNIT) && systemctl_says("is-active", TIMER_UNIT)) {
		say(TIMER_UNIT, "as it should be");
		return 0;
	}
	say_change(setup, TIMER_UNIT, "enabled and started: a copy of the state each day");
	if (setup->dry_run)
		return 0;
	if (record_add(setup, json_pack("{s:s, s:s}", "kind", "units", "name", TIMER_UNIT)) < 0)
		return -1;
	return command_must(enable, "`systemctl status " TIMER_UNIT "` says more");
}

int units_revert(struct setup *setup, const json_t *deed)
{
	static const char *const daemon[] = { "systemctl", "disable", "--now", SOCKET_UNIT, SERVICE_UNIT, NULL };
	static const char *const timer[] = { "systemctl", "disable", "--now", TIMER_UNIT, NULL };
	bool is_timer = strcmp(json_string_value(json_object_get(deed, "name")), TIMER_UNIT) == 0;

	say_change(setup, is_timer ? TIMER_UNIT : SOCKET_UNIT ", " SERVICE_UNIT, "stopped and disabled");
	if (setup->dry_run)
		return 0;
	if (!systemd_runs())
		return setup_fail(SERVICE_UNIT, "systemd does not run now", "run it again when it does");
	return command_must(is_timer ? timer : daemon, "");
}

static void sshd_reload(void)
{
	static const char *const units[] = { "ssh.service", "sshd.service" };

	for (size_t i = 0; systemd_runs() && i < sizeof(units) / sizeof(units[0]); i++) {
		const char *const argv[] = { "systemctl", "reload", units[i], NULL };

		if (!systemctl_says("is-active", units[i]))
			continue;
		if (command_run(argv, NULL) == 0) {
			say(units[i], "reloaded");
			return;
		}
	}
	say("sshd", "reload it, if it runs: `kill -HUP $(cat /run/sshd.pid)`");
}

static void subuidd_reload(void)
{
	static const char *const argv[] = { "systemctl", "reload", SERVICE_UNIT, NULL };

	int pid;

	if (systemd_runs() && systemctl_says("is-active", SERVICE_UNIT) && command_run(argv, NULL) == 0)
		say(SERVICE_UNIT, "reloaded");
	else if (daemon_listens(&pid))
		say("subuidd", "reload it: it reads its settings again on SIGHUP");
}

void services_tell(const struct setup *setup)
{
	static const char *const tables[] = { "passwd", "group" };

	if (setup->settings_changed)
		subuidd_reload();
	if (setup->sshd_changed)
		sshd_reload();
	if (access("/run/nscd/socket", F_OK) != 0)
		return;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		const char *const argv[] = { "nscd", "-i", tables[i], NULL };

		say("nscd",
		    command_run(argv, NULL) == 0 ? "cache emptied" : "restart it: it may remember old answers");
	}
}
