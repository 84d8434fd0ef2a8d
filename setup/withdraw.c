/* SPDX-License-Identifier: ISC */
/*
 * What the daemon has made outside of its own directories, and makes again when it is started: lines of /etc/subuid and
 * /etc/subgid, and mounts of the owners' views. These are no deeds of setup's record; the daemon's own program takes
 * them away, under the daemon's lock. Run by root.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/program.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"
#include "index/index.h"
#include "setup/setup.h"
#include "subid/found.h"

#define MOUNTINFO "/proc/self/mountinfo"

bool subid_lines_left(void)
{
	struct stat st;

	return stat(STATE_DIR "/" SUBID_LINES_NAME, &st) == 0 && st.st_size > 0;
}

/* Anything is mounted on the homes or below them that may be the daemon's; it knows its own. */
static bool homes_mounted(const char *homes)
{
	cleanup_file FILE *file = fopen(MOUNTINFO, "re");
	cleanup_free char *line = NULL;
	size_t size = 0, length = strlen(homes);

	while (file != NULL && getline(&line, &size, file) > 0) {
		char point[1024];

		if (sscanf(line, "%*s %*s %*s %*s %1023s", point) == 1 && strncmp(point, homes, length) == 0 &&
		    point[length] == '/')
			return true;
	}
	return false;
}

int daemon_withdraw(struct setup *setup)
{
	static struct index_reader reader = INDEX_READER(INDEX_PATH);
	static const char *const argv[] = { SBINDIR "/subuidd", "--withdraw", NULL };
	struct index_host host;
	bool lines = subid_lines_left(), mounts = index_host(&reader, &host) == 0 && homes_mounted(host.homes);

	if (lines)
		say_change(setup, SYSCONFDIR "/subuid, " SYSCONFDIR "/subgid",
			   "the lines that subuidd kept there are taken out; it writes them again when it is started");
	if (mounts)
		say_change(setup, host.homes,
			   "the owners' views are unmounted; subuidd mounts them again when it is started");
	return setup->dry_run || (!lines && !mounts) ? 0 : command_must(argv, "");
}
