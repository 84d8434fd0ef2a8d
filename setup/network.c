/* SPDX-License-Identifier: ISC */
/* The daemon's service has no network, unless this host's users, or the administrator's hook, need one. */
#include <string.h>
#include <unistd.h>

#include "cli/program.h"
#include "cli/daemon.h"
#include "setup/setup.h"
#include "setup/text.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"

#define file_cleanup __attribute__((cleanup(setup_file_done)))

/* The service as it is now: with our drop-in or one from the administrator. */
static bool network_private(void)
{
	static const char *const argv[] = { "systemctl", "show",       "--property=PrivateNetwork",
					    "--value",   SERVICE_UNIT, NULL };
	cleanup_free char *output = NULL;

	return command_run(argv, &output) == 0 && strncmp(output, "yes", 3) == 0;
}

static bool hook_set(void)
{
	static const char *const argv[] = { SBINDIR "/subuidd", "--setting", "hook", NULL };
	cleanup_free char *output = NULL;

	return command_run(argv, &output) == 0 && output != NULL && output[0] == '/';
}

bool network_lacking(char *why, size_t size)
{
	file_cleanup struct setup_file file = { 0 };
	bool nslcd = access(SYSCONFDIR "/nslcd.conf", F_OK) == 0;
	char source[64];

	if (!systemd_runs() || !network_private())
		return false;
	if (file_load(NSSWITCH_PATH, &file) == 0 && nsswitch_needs_network(file.text, nslcd, source, sizeof(source)))
		snprintf(why, size, "%s names %s, which may ask over the network", NSSWITCH_PATH, source);
	else if (hook_set())
		snprintf(why, size, "a hook is set, which may send something");
	else
		return false;
	return true;
}

static int service_again(void)
{
	static const char *const reload[] = { "systemctl", "daemon-reload", NULL };
	static const char *const again[] = { "systemctl", "try-restart", SERVICE_UNIT, NULL };

	return command_must(reload, "") < 0 ? -1 : command_must(again, "`journalctl -u " SERVICE_UNIT "` says more");
}

int step_network(struct setup *setup)
{
	file_cleanup struct setup_file source = { 0 };
	char why[160];
	int r;

	if (!network_lacking(why, sizeof(why)))
		return 0;
	r = file_load(NETWORK_DROPIN_SOURCE, &source);
	if (r < 0 || !source.exists)
		return setup_fail(NETWORK_DROPIN_SOURCE, r < 0 ? file_why(r) : "it does not exist", "install it again");
	say("network", why);
	if (directory_make(setup, NETWORK_DROPIN_DIR, 0755) < 0 ||
	    file_change(setup, NETWORK_DROPIN, source.text, "whole") < 0)
		return -1;
	return setup->dry_run ? 0 : service_again();
}
