/* SPDX-License-Identifier: ISC */
/*
 * An account of another name: its directory, by the broker (root), on descriptors; and its link, by a child that has
 * become the owner. Each step finds out whether it was done before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/path.h"
#include "home/internal.h"

static int sync_both(int one, int other)
{
	return fsync(one) == 0 && fsync(other) == 0 ? 0 : -errno;
}

/* The directory of the former owner goes with the last account in it. True: it should have gone, and stays. */
static bool former_owner_stays(const struct homes *homes, const struct account *from, const struct account *to)
{
	if (strcmp(from->owner, to->owner) == 0)
		return false;
	if (unlinkat(homes->fd, from->owner, AT_REMOVEDIR) == 0)
		return fsync(homes->fd) != 0;
	return errno != ENOTEMPTY && errno != EEXIST && errno != ENOENT;
}

/* The new place is synced first: whenever the host goes down, it is in one of the two. */
static int move(const struct homes *homes, const struct account *from, const struct account *to)
{
	cleanup_fd int dir = home_account_open(homes, from);
	cleanup_fd int old = dir < 0 ? dir : home_owner_open(homes, from);
	cleanup_fd int new = old < 0 ? old : home_owner_make(homes, to);
	int r = new < 0 ? new : home_move(old, from->label, new, to->label);

	if (r == 0)
		r = sync_both(new, old);
	return r == 0 && fsync(homes->fd) != 0 ? -errno : r;
}

int home_rename(const struct homes *homes, const struct account *from, const struct account *to)
{
	cleanup_fd int dir = -1;
	int r = from->uid == to->uid ? home_account_valid(to) : -EINVAL;
	bool stays;

	if (r == 0)
		r = home_account_valid(from);
	if (r < 0)
		return r;
	dir = home_account_open(homes, to);
	if (dir == -ENOENT) {
		r = move(homes, from, to);
		dir = r < 0 ? r : home_account_open(homes, to);
	}
	if (dir < 0)
		return dir;
	stays = former_owner_stays(homes, from, to);
	if (home_acl_closed(dir, to->owner_uid))
		return stays;
	r = home_acl_close(dir, to->owner_uid);
	if (r == 0 && fsync(dir) != 0)
		r = -errno;
	return r < 0 ? r : stays;
}

/* ---- the link */

static enum link_result former_take(const struct link_job *job, int home)
{
	cleanup_fd int dir = path_open_beneath(home, job->directory, O_RDONLY | O_DIRECTORY, 0);

	if (dir < 0)
		return dir == -ENOENT ? LINK_OK : LINK_DIRECTORY;
	if (strcmp(job->former_label, job->label) == 0 || (link_says(dir, job->former_label, job->former[0]) != 1 &&
							   link_says(dir, job->former_label, job->former[1]) != 1))
		return LINK_OK;
	if (unlinkat(dir, job->former_label, 0) != 0 && errno != ENOENT)
		return LINK_FAILED;
	return fsync(dir) == 0 ? LINK_OK : LINK_FAILED;
}

enum link_result link_rename(const struct link_job *job, int home)
{
	enum link_result made = link_mend(job, home), gone;

	if (job->mend == LINK_MEND_LOOK)
		return made;
	gone = former_take(job, home);
	return made == LINK_OK || made == LINK_MENDED ? (gone == LINK_OK ? made : gone) : made;
}

int link_start_rename(const struct homes *homes, const struct link_owner *owner, const struct account *from,
		      const struct account *to, enum link_mend how, pid_t *pid, int *pidfd)
{
	struct link_job job, former;
	int r = link_job_valid(owner, to);

	if (r < 0)
		return r;
	job = link_job_of(homes, owner);
	former = job;
	link_job_texts(&former, homes, from);
	link_job_texts(&job, homes, to);
	job.mend = how;
	job.renamed = true;
	memcpy(job.former_label, former.label, sizeof(job.former_label));
	memcpy(job.former[0], former.text, sizeof(job.former[0]));
	memcpy(job.former[1], former.other, sizeof(job.former[1]));
	return link_job_start(&job, pid, pidfd);
}
