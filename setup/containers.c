/* SPDX-License-Identifier: ISC */
/* `subuid setup --containers`: systemd delegates the controllers to the service managers of users, so that limits of
 * rootless containers work. Run by root. */
#include <string.h>

#include "cli/daemon.h"
#include "cli/program.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"
#include "setup/setup.h"

static const char delegate[] =
	"# By subuid setup --containers: without these, podman bounds neither the processor nor the\n"
	"# disks of a user's containers. subuid setup --undo takes it back.\n"
	"[Service]\n"
	"Delegate=cpu cpuset io memory pids\n";

bool delegate_lacking(void)
{
	static const char *const argv[] = { "systemctl",          "show", "--property=DelegateControllers", "--value",
					    "user@65534.service", NULL };
	static const char *const wanted[] = { "cpu", "cpuset", "io", "memory", "pids" };
	cleanup_free char *output = NULL;
	char spaced[256];

	if (!systemd_runs() || command_run(argv, &output) != 0 || output == NULL)
		return false;
	snprintf(spaced, sizeof(spaced), " %.*s ", (int)strcspn(output, "\n"), output);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		char word[16];

		snprintf(word, sizeof(word), " %s ", wanted[i]);
		if (strstr(spaced, word) == NULL)
			return true;
	}
	return false;
}

int step_containers(struct setup *setup)
{
	static const char *const reload[] = { "systemctl", "daemon-reload", NULL };

	if (!setup->containers)
		return 0;
	if (!delegate_lacking()) {
		say("containers", systemd_runs() ? "systemd delegates all controllers to users already" :
						   "without systemd nothing delegates control groups to users");
		return 0;
	}
	if (directory_make(setup, DELEGATE_DROPIN_DIR, 0755) < 0 ||
	    file_change(setup, DELEGATE_DROPIN, delegate, "whole") < 0)
		return -1;
	return setup->dry_run ? 0 : command_must(reload, "");
}
