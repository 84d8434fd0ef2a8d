/* SPDX-License-Identifier: ISC */
/* The steps of setup that concern systemd: our units, and reloading sshd and the daemon. Run by root. */
#include "cli/daemon.h"
#include "cli/program.h"
#include "setup/setup.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/subuid.h"
#include "confine/cleanup.h"
#include "confine/path.h"

#define SOCKET_UNIT "subuidd.socket"

static bool systemctl_says(const char *verb, const char *unit)
{
	const char *const argv[] = { "systemctl", verb, "--quiet", unit, NULL };

	return command_run(argv, NULL) == 0;
}

/* A unit and what is enabled with it; the deed has its name. */
struct unit {
	const char *name, *what, *done, *todo;
	const char *enable[7], *disable[7];
	bool reload;            /* systemd reads its units again first */
	bool (*replaced)(void); /* it runs, and another one was installed since; NULL: it does not run on */
};

static const struct unit service_unit = {
	.name = SERVICE_UNIT,
	.what = SOCKET_UNIT ", " SERVICE_UNIT,
	.done = "enabled and started",
	.todo = "`journalctl -u " SERVICE_UNIT "` says more",
	.enable = { "systemctl", "enable", "--now", SOCKET_UNIT, SERVICE_UNIT, NULL },
	.disable = { "systemctl", "disable", "--now", SOCKET_UNIT, SERVICE_UNIT, NULL },
	.reload = true,
	.replaced = daemon_replaced,
};
static const struct unit timer_unit = {
	.name = TIMER_UNIT,
	.what = TIMER_UNIT,
	.done = "enabled and started: a copy of the state each day",
	.todo = "`systemctl status " TIMER_UNIT "` says more",
	.enable = { "systemctl", "enable", "--now", TIMER_UNIT, NULL },
	.disable = { "systemctl", "disable", "--now", TIMER_UNIT, NULL },
};
static const struct unit userdb_unit = {
	.name = USERDB_UNIT,
	.what = USERDB_UNIT,
	.done = "enabled and started: systemd limits the memory of each account",
	.todo = "`journalctl -u " USERDB_UNIT "` says more",
	.enable = { "systemctl", "enable", "--now", USERDB_UNIT, NULL },
	.disable = { "systemctl", "disable", "--now", USERDB_UNIT, NULL },
	.replaced = userdb_replaced,
};

static const struct unit metrics_unit = {
	.name = METRICS_UNIT,
	.what = METRICS_UNIT,
	.done = "enabled and started: metrics each minute in " COLLECTOR_DIR "/" COLLECTOR_FILE,
	.todo = "`systemctl status " METRICS_UNIT "` says more",
	.enable = { "systemctl", "enable", "--now", METRICS_UNIT, NULL },
	.disable = { "systemctl", "disable", "--now", METRICS_UNIT, NULL },
};

static const struct unit verify_unit = {
	.name = VERIFY_UNIT,
	.what = VERIFY_UNIT,
	.done = "enabled and started: passwords of sub-accounts are checked",
	.todo = "`systemctl status " VERIFY_UNIT "` says more",
	.enable = { "systemctl", "enable", "--now", VERIFY_UNIT, NULL },
	.disable = { "systemctl", "disable", "--now", VERIFY_UNIT, "subuidd-verify.service", NULL },
	.reload = true,
};

static const char *const reload[] = { "systemctl", "daemon-reload", NULL };

/* An upgrade: what was installed takes the place of what runs. No deed: there is nothing to take back. */
static int unit_restart(struct setup *setup, const struct unit *unit)
{
	const char *const restart[] = { "systemctl", "restart", unit->name, NULL };

	say_change(setup, unit->name, "restarted, since another version was installed");
	if (setup->dry_run)
		return 0;
	return command_must(reload, "") < 0 ? -1 : command_must(restart, unit->todo);
}

static int unit_enable(struct setup *setup, const struct unit *unit)
{
	if (systemctl_says("is-enabled", unit->name) && systemctl_says("is-active", unit->name)) {
		if (unit->replaced != NULL && unit->replaced())
			return unit_restart(setup, unit);
		say(unit->name, "as it should be");
		return 0;
	}
	say_change(setup, unit->what, unit->done);
	if (setup->dry_run)
		return 0;
	if (record_add(setup, json_pack("{s:s, s:s}", "kind", "units", "name", unit->name)) < 0 ||
	    (unit->reload && command_must(reload, "") < 0))
		return -1;
	return command_must(unit->enable, unit->todo);
}

int step_service(struct setup *setup)
{
	int pid;

	if (systemd_runs())
		return unit_enable(setup, &service_unit);
	say("subuidd", daemon_replaced()    ? "stop it and start it again: another version was installed" :
		       daemon_listens(&pid) ? "runs" :
					      "start it with `subuidd`: there is no systemd here");
	return 0;
}

int step_timer(struct setup *setup)
{
	if (systemd_runs())
		return unit_enable(setup, &timer_unit);
	say("daily copies", "have cron run `subuid state save --daily` each day: there is no systemd here");
	return 0;
}

/* Only systemd asks it. */
int step_userdb(struct setup *setup)
{
	return systemd_runs() ? unit_enable(setup, &userdb_unit) : 0;
}

/* Where they are collected, or where somebody asks for them. */
int step_metrics(struct setup *setup)
{
	const bool collected = access(COLLECTOR_DIR, F_OK) == 0;

	if (!collected && !setup->metrics)
		return 0;
	if (!systemd_runs()) {
		if (setup->metrics)
			say("metrics", "have cron run `subuid metrics --textfile FILE` each minute: there is no "
				       "systemd here");
		return 0;
	}
	if (!collected && access(COLLECTOR_PARENT, F_OK) != 0 && directory_make(setup, COLLECTOR_PARENT, 0755) < 0)
		return -1;
	if (!collected && directory_make(setup, COLLECTOR_DIR, 0755) < 0)
		return -1;
	return unit_enable(setup, &metrics_unit);
}

/* What nobody writes any more would be collected for ever. */
static void metrics_forget(void)
{
	cleanup_fd int directory = path_open_trusted(COLLECTOR_DIR, O_RDONLY);

	if (directory >= 0)
		unlinkat(directory, COLLECTOR_FILE, 0);
}

int verify_enable(struct setup *setup)
{
	return unit_enable(setup, &verify_unit);
}

int units_revert(struct setup *setup, const json_t *deed)
{
	static const struct unit *const units[] = { &service_unit, &timer_unit, &userdb_unit, &metrics_unit,
						    &verify_unit };
	const char *name = json_string_value(json_object_get(deed, "name"));
	size_t i = 0;

	while (i + 1 < sizeof(units) / sizeof(units[0]) && strcmp(units[i]->name, name) != 0)
		i++;
	say_change(setup, units[i]->what, "stopped and disabled");
	if (setup->dry_run)
		return 0;
	if (!systemd_runs())
		return setup_fail(units[i]->what, "systemd does not run now", "run it again when it does");
	if (command_must(units[i]->disable, "") < 0)
		return -1;
	if (units[i] == &metrics_unit)
		metrics_forget();
	return 0;
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

		say("nscd", command_run(argv, NULL) == 0 ? "cache emptied" : "restart it: it may remember old answers");
	}
}
