/* SPDX-License-Identifier: ISC */
/*
 * Finds the missing parts of an account on the disk and makes them again. Run by the broker (root) for `add` and a
 * repair, and by the child that checks, which only finds out. Nothing that exists is ever replaced.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/path.h"
#include "confine/view.h"
#include "home/internal.h"

/* 1: .removed/<uid> is this account's directory with its home; 0: it does not exist; -EEXIST: it is something
 * else. */
static int data_aside(const struct homes *homes, const struct account *account)
{
	struct uid_name name = home_uid_name(account->uid);
	cleanup_fd int removed = path_open_beneath(homes->fd, HOME_REMOVED, O_RDONLY | O_DIRECTORY, 0);
	cleanup_fd int dir = removed < 0 ? -1 : path_open_beneath(removed, name.text, O_RDONLY | O_DIRECTORY, 0);
	cleanup_fd int home = dir < 0 ? -1 : home_directory_open(dir, account->uid);
	struct stat st;

	if (removed < 0 || dir < 0)
		return removed == -ENOENT || dir == -ENOENT ? 0 : removed < 0 ? removed : dir;
	if (fstat(dir, &st) != 0)
		return -errno;
	return home >= 0 && home_roots_directory(&st) && st.st_gid == account->uid ? 1 : -EEXIST;
}

static int view_missing(const struct homes *homes, const struct account *account, int dir, int home, gid_t owner_gid,
			bool views, unsigned *parts)
{
	struct stat st, home_st = { .st_ino = 0 };

	int r = home_view_look(dir, &st);

	if (r < 0) {
		*parts |= r == -ENOENT ? PART_VIEW : 0;
		return r == -ENOENT ? 0 : r;
	}
	if (home >= 0 && fstat(home, &home_st) != 0)
		return -errno;
	if (r == 1) {
		if (home < 0 || !home_view_right(homes, account, dir, &home_st, owner_gid))
			*parts |= PART_VIEW;
		return 0;
	}
	if (!S_ISDIR(st.st_mode) || st.st_uid != 0 || (st.st_mode & 07777) != 0)
		return -EEXIST;
	*parts |= homes->views && views ? PART_VIEW : 0;
	return 0;
}

static int parts_missing(const struct homes *homes, const struct account *account, gid_t owner_gid, bool views,
			 unsigned *parts)
{
	cleanup_fd int dir = home_account_open(homes, account);
	cleanup_fd int home = dir < 0 ? -1 : home_directory_open(dir, account->uid);
	int aside = dir == -ENOENT || home == -ENOENT ? data_aside(homes, account) : 0;
	unsigned found = 0;
	struct stat st;
	int r;

	if (aside < 0 || (aside == 1 && dir >= 0))
		return aside < 0 ? aside : -EEXIST;
	if (dir == -ENOENT) {
		*parts = (aside == 1 ? PART_DATA : PART_HOME) | (homes->views && views ? PART_VIEW : 0);
		return 0;
	}
	if (dir < 0 || (home < 0 && home != -ENOENT))
		return dir < 0 ? dir : home;
	if (fstat(dir, &st) != 0)
		return -errno;
	found |= home < 0 ? PART_HOME : 0;
	found |= (st.st_mode & 07777) != 0710 || !home_acl_closed(dir, account->owner_uid) ? PART_ACCESS : 0;
	found |= home >= 0 && !homes->views && !home_acl_granted(home, account->owner_uid) ? PART_ACCESS : 0;
	r = view_missing(homes, account, dir, home, owner_gid, views, &found);
	if (r == 0)
		*parts = found;
	return r;
}

static int take_back(const struct homes *homes, const struct account *account)
{
	struct uid_name name = home_uid_name(account->uid);
	cleanup_fd int removed = path_open_beneath(homes->fd, HOME_REMOVED, O_RDONLY | O_DIRECTORY, 0);
	cleanup_fd int owner = removed < 0 ? removed : home_owner_make(homes, account);
	int r = owner < 0 ? owner : home_move(removed, name.text, owner, account->label);

	return r == 0 && (fsync(owner) != 0 || fsync(removed) != 0) ? -errno : r;
}

int home_mend(const struct homes *homes, const struct account *account, gid_t owner_gid, bool views, bool dry,
	      unsigned *parts)
{
	struct home_kept kept;
	unsigned missing = 0;
	int r = parts_missing(homes, account, owner_gid, views, &missing);

	if (r == 0 && !dry && missing != 0) {
		r = (missing & PART_DATA) != 0 ? take_back(homes, account) : 0;
		if (r == 0)
			r = home_make(homes, account);
		if (r == 0 && (missing & PART_HOME) != 0 && (account->facts.quota != 0 || account->facts.files > 0))
			r = home_quota_set(homes, account, &kept);
		if (r == 0 && (views || !homes->views))
			r = home_view_open(homes, account, owner_gid);
		if (r == 0)
			r = home_sync(homes, &account, 1);
	}
	if (r == 0)
		*parts = missing;
	return r;
}
