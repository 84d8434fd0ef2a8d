/* SPDX-License-Identifier: ISC */
/* Where the state of this host is, for the state program (root). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "confine/path.h"
#include "subuidd/base/state_directory.h"
#include "subuidd/state/program.h"

/* Advice about a running daemon: one that runs saves by itself, so this one is about to start or to end. */
static const char *stop_todo(const char *verb)
{
	return strcmp(verb, "save") == 0 ? "it starts or stops at this moment: try again" :
	       strcmp(verb, "load") == 0 ? "stop it first: systemctl stop subuidd.socket subuidd, or use --restart" :
					   "stop it first: systemctl stop subuidd.socket subuidd";
}

static int lock_take(struct place *place, const char *verb)
{
	char why[REASON_SIZE] = "";

	place->lock_fd = state_directory_lock(place->state_fd, why, sizeof(why));
	if (place->lock_fd >= 0)
		return STATUS_DONE;
	return place->lock_fd == -EBUSY ? complain(STATUS_CONFLICT, verb, why, stop_todo(verb)) :
					  complain(STATUS_FAILED, verb, why, "");
}

int place_open(struct place *place, const char *verb, bool lock)
{
	char why[REASON_SIZE] = "";

	*place = (struct place){ .state_fd = -1, .lock_fd = -1, .homes_fd = -1 };
	if (geteuid() != 0)
		return complain(STATUS_NOT_PERMITTED, verb, "only root may do this", "use sudo");
	if (settings_load("", &place->settings, why, sizeof(why)) < 0)
		return complain(STATUS_FAILED, "settings", why, "fix them first; subuidd --check-config checks them");
	place->homes_fd = path_open_trusted(place->settings.homes, O_RDONLY | O_DIRECTORY);
	if (place->homes_fd < 0 && place->homes_fd != -ENOENT)
		return complain(STATUS_FAILED, place->settings.homes, strerror(-place->homes_fd), "");
	place->state_fd = state_directory_open(why, sizeof(why));
	if (place->state_fd < 0)
		return complain(STATUS_FAILED, verb, why, "");
	return lock ? lock_take(place, verb) : STATUS_DONE;
}

void place_close(struct place *place)
{
	const int fds[] = { place->lock_fd, place->state_fd, place->homes_fd };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}
