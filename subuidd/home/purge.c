/* SPDX-License-Identifier: ISC */
/*
 * Deleting the data of a removed account. The contents are the sub-account's, made
 * to any shape it liked, so a child that has become it deletes them: it follows no
 * link and crosses no mount, and whatever it could be tricked into, the sub-account could do itself. Only
 * directories of root's are removed by root.
 */
#include <btrfsutil.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/id.h"
#include "confine/child.h"
#include "confine/cleanup.h"
#include "confine/harden.h"
#include "confine/identity.h"
#include "confine/path.h"
#include "confine/user_namespace.h"
#include "confine/view.h"
#include "subuidd/home/internal.h"
#include "subuidd/home/tree.h"

#define MAPS_MAX (PURGE_RANGES_MAX + 3) /* the account, its owner, the common group; some 100 fit into a uid_map */

struct purge_job {
	uint32_t uid;
	int home;
	int userns; /* -1: nobody else's files are meant */
};

/*
 * Instead of identity_become for an account with ranges: the uid, with all
 * capabilities of a user namespace that maps it, its ranges and maybe its owner, and nothing else. They hold over files of these ids
 * alone. There is no way back: root is not mapped, so that setresuid(0) is EINVAL.
 */
static int ranges_become(int userns, uint32_t uid)
{
	uid_t r, e, s;

	if (setns(userns, CLONE_NEWUSER) != 0 || setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 ||
	    setresuid(uid, uid, uid) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -errno;
	if (getresuid(&r, &e, &s) != 0 || r != uid || e != uid || s != uid || setresuid(0, 0, 0) == 0 ||
	    setresgid(0, 0, 0) == 0)
		return -EPERM;
	return 0;
}

static int purge_child(const void *argument)
{
	const struct purge_job *job = argument;
	int low = job->home < job->userns ? job->home : job->userns;
	int high = job->home < job->userns ? job->userns : job->home;
	int keep[] = { low < 0 ? high : low, low < 0 ? -1 : high, -1 };
	int r;

	if (descriptors_keep(keep) < 0)
		return 2;
	r = job->userns < 0 ? identity_become(job->uid, job->uid, NULL, 0)
			       : ranges_become(job->userns, job->uid);
	if (r < 0 || child_bind() < 0)
		return 2;
	return tree_empty(job->home) == 0 ? 0 : 1;
}

int home_aside_open(const struct homes *homes, uint32_t uid, int *parent)
{
	struct uid_name name = home_uid_name(uid);
	cleanup_fd int removed = path_open_beneath(homes->fd, HOME_REMOVED, O_RDONLY | O_DIRECTORY, 0);
	cleanup_fd int dir = -1;
	struct stat st;

	if (removed < 0)
		return removed;
	if (fstat(removed, &st) != 0)
		return -errno;
	if (st.st_uid != 0 || (st.st_mode & 077) != 0)
		return -EPERM;
	dir = path_open_beneath(removed, name.text, O_RDONLY | O_DIRECTORY, 0);
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
	return fsync(parent) == 0 ? 0 : -errno;
}

/* One more id, if it can be anybody's and is not mapped yet. */
static void map_add(struct id_map *maps, size_t *count, uint32_t id)
{
	for (size_t i = 0; i < *count; i++)
		if (id >= maps[i].inside && id - maps[i].inside < maps[i].count)
			return;
	if (id != 0 && !id_special(id))
		maps[(*count)++] = (struct id_map){ id, id, 1 };
}

/*
 * Capabilities hold over a file when both its uid and its gid are mapped. What was made in a directory
 * that the account gave to its supplementary group belongs to that group, whoever made it.
 */
static int ranges_namespace(const struct homes *homes, uint32_t uid, const struct link_owner *owner,
			    const struct id_range *ranges, size_t count)
{
	struct id_map uids[MAPS_MAX] = { { uid, uid, 1 } }, gids[MAPS_MAX];
	size_t uids_count = 1, gids_count;

	if (count > PURGE_RANGES_MAX)
		return -E2BIG;
	for (size_t i = 0; i < count; i++) {
		if (!id_range_valid(ranges[i].first, ranges[i].count) || ranges[i].first == 0)
			return -EINVAL;
		uids[uids_count++] = (struct id_map){ ranges[i].first, ranges[i].first, ranges[i].count };
	}
	memcpy(gids, uids, sizeof(gids));
	gids_count = uids_count;
	map_add(gids, &gids_count, homes->common_gid);
	if (owner != NULL) {
		map_add(uids, &uids_count, owner->uid);
		map_add(gids, &gids_count, owner->gid);
	}
	return user_namespace_open(uids, uids_count, gids, gids_count);
}

/* A subvolume goes whole and at once, whoever's files are in it; not when it holds further ones. */
static bool subvolume_delete(int dir, int home)
{
	return home_is_subvolume(home) && btrfs_util_delete_subvolume_fd(dir, "home", 0) == BTRFS_UTIL_OK;
}

int home_purge_start_ranges(const struct homes *homes, uint32_t uid, const struct link_owner *owner,
			    const struct id_range *ranges, size_t count, int *pidfd)
{
	struct purge_job job = { .uid = uid, .home = -1, .userns = -1 };
	const struct child_job child = { .run = purge_child, .argument = &job };
	cleanup_fd int parent = -1, home = -1, userns = -1;
	cleanup_fd int dir = home_aside_open(homes, uid, &parent);
	pid_t pid;
	int r = 0;

	if (dir >= 0)
		home = home_directory_open(dir, uid);
	if (dir == -ENOENT || home == -ENOENT || (home >= 0 && subvolume_delete(dir, home))) {
		r = home_purge_finish(homes, uid);
		if (r == 0)
			*pidfd = -1;
		return r;
	}
	if (dir < 0 || home < 0)
		return dir < 0 ? dir : home;
	if (count > 0 || owner != NULL) {
		userns = ranges_namespace(homes, uid, owner, ranges, count);
		if (userns < 0)
			return userns;
	}
	job.home = home;
	job.userns = userns;
	return child_start(&child, &pid, pidfd);
}

int home_purge_start(const struct homes *homes, uint32_t uid, int *pidfd)
{
	return home_purge_start_ranges(homes, uid, NULL, NULL, 0, pidfd);
}
