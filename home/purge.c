/* SPDX-License-Identifier: ISC */
/*
 * Deletes the data of a removed account. The sub-account could give its files any shape, so a child that has become
 * the sub-account deletes them: it follows no link and crosses no mount, and anything that it could be tricked into,
 * the sub-account could do itself. Mounts and subvolumes, which only root can remove, the child removes first, on
 * descriptors. The broker itself opens nothing below `home`, and waits for none of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/child.h"
#include "confine/cleanup.h"
#include "confine/identity.h"
#include "confine/path.h"
#include "confine/view.h"
#include "home/internal.h"
#include "home/mounts.h"
#include "home/quota.h"
#include "home/sessions.h"
#include "home/subvolumes.h"
#include "home/tree.h"

#define WHY_MAX 200

enum purge_status { PURGED = 0, PURGE_LEFT = 1, PURGE_FAILED = 2 }; /* of the child */

struct purge_job {
	uint32_t uid;
	int dir;    /* of the account, below .removed */
	int why;    /* where the child reports what is in the way; -1: nobody asks */
	int userns; /* negative: the kernel gives none, and only the account's own files are deleted */
};

static __attribute__((format(printf, 2, 3))) void say(const struct purge_job *job, const char *format, ...)
{
	char text[WHY_MAX];
	va_list arguments;

	if (job->why < 0)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (ftruncate(job->why, 0) == 0)
		(void)!pwrite(job->why, text, strlen(text), 0);
}

/* `home` itself, never something that is mounted there: -EXDEV. */
static int own_home_open(int dir, uint32_t uid)
{
	return home_of_uid(path_open_same_mount(dir, "home", O_RDONLY | O_DIRECTORY), uid);
}

/* As root, before any file of the account is touched: removes what only root can remove. A descriptor of `home`;
 * -ENOENT: nothing is left to empty. */
static int root_part(const struct purge_job *job)
{
	cleanup_fd int home = -1;
	char why[WHY_MAX] = "";
	int r = mounts_detach(job->dir, why, sizeof(why));

	if (r < 0) {
		say(job, "%s", why[0] != '\0' ? why : "what is mounted there cannot be found out");
		return r;
	}
	home = own_home_open(job->dir, job->uid);
	if (home < 0)
		return home;
	r = subvolumes_delete(job->dir, home);
	if (r < 0)
		say(job, "a btrfs subvolume in it cannot be deleted: %s", strerror(-r));
	return r == 1 ? -ENOENT : r < 0 ? r : steal_fd(&home);
}

static int account_become(const struct purge_job *job, int home)
{
	const int keep[] = { home, job->userns, job->why };
	int r = home_keep_only(keep, 3);

	if (r == 0)
		r = job->userns < 0 ? identity_become(job->uid, job->uid, NULL, 0) :
				      home_ids_become(job->userns, job->uid);
	return r < 0 ? r : child_bind();
}

static int purge_child(const void *argument)
{
	const struct purge_job *job = argument;
	char process[64];
	int home = root_part(job), r;

	if (home < 0)
		return home == -ENOENT ? PURGED : PURGE_FAILED;
	if (account_become(job, home) < 0)
		return PURGE_FAILED;
	r = tree_empty(home);
	if (r == 0)
		return PURGED;
	if (sessions_name(job->uid, process, sizeof(process)) == 1)
		say(job, "process %s runs as its uid", process);
	else
		say(job, "something in it stays: %s", strerror(-r));
	return PURGE_LEFT;
}

int home_aside_open(const struct homes *homes, uint32_t uid, int *parent)
{
	struct uid_name name = home_uid_name(uid);
	cleanup_fd int removed = path_open_same_mount(homes->fd, HOME_REMOVED, O_RDONLY | O_DIRECTORY);
	cleanup_fd int dir = -1;
	struct stat st;

	if (removed < 0)
		return removed;
	if (fstat(removed, &st) != 0)
		return -errno;
	if (st.st_uid != 0 || (st.st_mode & 077) != 0)
		return -EPERM;
	dir = path_open_same_mount(removed, name.text, O_RDONLY | O_DIRECTORY);
	if (dir < 0)
		return dir;
	if (fstat(dir, &st) != 0)
		return -errno;
	if (!home_roots_directory(&st) || st.st_gid != uid)
		return -EPERM;
	*parent = steal_fd(&removed);
	return steal_fd(&dir);
}

int home_purge_finish(const struct homes *homes, uint32_t uid)
{
	struct uid_name name = home_uid_name(uid);
	cleanup_fd int parent = -1;
	cleanup_fd int dir = home_aside_open(homes, uid, &parent);
	int r;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	r = view_unmount(dir, "view");
	if (r < 0)
		return r;
	if ((unlinkat(dir, "home", AT_REMOVEDIR) != 0 && errno != ENOENT) ||
	    (unlinkat(dir, "view", AT_REMOVEDIR) != 0 && errno != ENOENT) ||
	    unlinkat(parent, name.text, AT_REMOVEDIR) != 0)
		return errno == EEXIST ? -ENOTEMPTY : -errno;
	home_quota_forget(homes, uid);
	return fsync(parent) == 0 ? 0 : -errno;
}

/* Whether there is a `home` that belongs to the account, without asking a file system that may be mounted there. */
static int home_there(int dir, uint32_t uid)
{
	cleanup_fd int home = own_home_open(dir, uid);

	return home >= 0 || home == -EXDEV ? 0 : home;
}

int home_aside_look(const struct homes *homes, uint32_t uid)
{
	cleanup_fd int parent = -1, dir = home_aside_open(homes, uid, &parent);

	return dir < 0 ? dir : home_there(dir, uid);
}

int home_purge_start(const struct homes *homes, uint32_t uid, const struct link_owner *owner,
		     const struct id_range *ranges, size_t count, int why, int *pidfd)
{
	struct purge_job job = { .uid = uid, .why = why, .userns = -1 };
	const struct child_job child = { .run = purge_child, .argument = &job };
	cleanup_fd int parent = -1, userns = -1;
	cleanup_fd int dir = home_aside_open(homes, uid, &parent);
	int r = dir < 0 ? dir : home_there(dir, uid);
	pid_t pid;

	if (r == -ENOENT) {
		r = home_purge_finish(homes, uid);
		if (r == 0)
			*pidfd = -1;
		return r;
	}
	if (r < 0)
		return r;
	userns = home_ids_namespace(homes, uid, owner, ranges, count);
	if (userns < 0 && (count > 0 || owner != NULL))
		return userns;
	if (homes->subvolumes)
		quota_btrfs_lift(homes->fd, uid);
	job.dir = dir;
	job.userns = userns;
	return child_start(&child, &pid, pidfd);
}
