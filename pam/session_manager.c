/* SPDX-License-Identifier: ISC */
/*
 * What the service manager of an account gets for itself: its home, as HOME, and a mount namespace in which the account
 * directory is covered by one through which everybody passes. Containers of the account need that, whose ids are those
 * of its ranges; on the host the directory stays closed to them. Everything else is as on the host: a manager has to
 * reach control groups, the bus and the journal. Run by pam_subuid in a process of root's, which becomes the manager.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <security/pam_modules.h>

#include "confine/cleanup.h"
#include "confine/mounts.h"
#include "pam/session.h"

#define HOME_MAX 512

/* Paths of root's alone lead to both. */
static int cover(const char *directory, const char *home)
{
	static const struct mount_option options[] = { { "mode", "0755" }, { "size", "4k" }, { NULL, NULL } };
	cleanup_fd int data = mount_copy(AT_FDCWD, home, AT_RECURSIVE, MOUNT_PLAIN);
	cleanup_fd int way = data < 0 ? data : mount_new("tmpfs", options, MOUNT_DATA);
	cleanup_fd int place = way < 0 ? way : open(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct mount_attr fixed = { .attr_set = MOUNT_ATTR_RDONLY };
	int r;

	if (place < 0)
		return data < 0 ? data : way < 0 ? way : -errno;
	if (mkdirat(way, "home", 0755) != 0)
		return -errno;
	r = mount_put(way, place);
	cleanup_fd_p(&place);
	place = r < 0 ? r : open(home, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (place < 0)
		return r < 0 ? r : -errno;
	r = mount_put(data, place);
	return r == 0 && mount_setattr(way, "", AT_EMPTY_PATH, &fixed, sizeof(fixed)) != 0 ? -errno : r;
}

static int manager_make(pam_handle_t *pamh, const struct index_account *account)
{
	struct mount_attr slave = { .propagation = MS_SLAVE };
	char home[HOME_MAX], directory[HOME_MAX], variable[HOME_MAX + sizeof("HOME=")];
	struct index_host host;
	int r = index_host(&pam_index, &host);

	if (r == 0)
		r = index_home(&host, account, home, sizeof(home));
	if (r < 0)
		return r;
	snprintf(directory, sizeof(directory), "%s", home);
	*strrchr(directory, '/') = '\0';
	snprintf(variable, sizeof(variable), "HOME=%s", home);
	if (pam_putenv(pamh, variable) != PAM_SUCCESS)
		return -ENOMEM;
	if (unshare(CLONE_NEWNS) != 0 || mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &slave, sizeof(slave)) != 0)
		return -errno;
	return cover(directory, home);
}

/* If it fails there is no manager: systemd ends the process. */
int session_manager(pam_handle_t *pamh, int flags, const struct index_account *account)
{
	char why[WHY_MAX];
	int r = manager_make(pamh, account);
	const char *name = r < 0 ? strerrorname_np(-r) : NULL;

	if (r >= 0)
		return PAM_SUCCESS;
	snprintf(why, sizeof(why), "no mounts for its service manager: %s", name != NULL ? name : "?");
	return refuse_account(pamh, flags, account, why, PAM_SESSION_ERR);
}
