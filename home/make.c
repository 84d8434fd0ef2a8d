/* SPDX-License-Identifier: ISC */
/*
 * Makes, unmakes and sets aside an account directory. It is made whole below .making (root 0700) and then renamed
 * into its place, so that nobody ever sees a half-made one; every step may be repeated after a crash. Things that
 * existed before (ACCOUNT_THERE) are taken up where they are, or brought back from where they were set aside; an
 * undo leaves them there, or puts them back aside.
 */
#include <btrfsutil.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/path.h"
#include "confine/view.h"
#include "home/internal.h"
#include "home/quota.h"

static int sync_directory(int fd)
{
	return fsync(fd) == 0 ? 0 : -errno;
}

static int home_create(int dir)
{
	struct statfs fs;

	if (fstatfs(dir, &fs) != 0)
		return -errno;
	if (fs.f_type == (__typeof__(fs.f_type))BTRFS_SUPER_MAGIC) {
		cleanup_fd int there = path_open_same_mount(dir, "home", O_PATH | O_NOFOLLOW);

		if (there != -ENOENT)
			return there < 0 && there != -EXDEV ? there : 0;
		errno = 0;
		if (btrfs_util_create_subvolume_fd(dir, "home", 0, NULL, NULL) == BTRFS_UTIL_OK || errno == EEXIST)
			return 0;
		return errno != 0 ? -errno : -EIO;
	}
	return mkdirat(dir, "home", 0700) == 0 || errno == EEXIST ? 0 : -errno;
}

/* An empty `home` that belongs to root is one that a crash left before it was given away. */
static int home_complete(int dir, uint32_t uid)
{
	cleanup_fd int fd = -1;
	struct stat st;
	int r = home_create(dir);

	if (r < 0)
		return r;
	fd = home_inside_open(dir);
	if (fd == -ENOTDIR || fd == -ELOOP)
		return -EEXIST;
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) != 0)
		return -errno;
	if (st.st_uid == uid)
		return 0;
	if (st.st_uid != 0)
		return -EEXIST;
	r = home_directory_empty(fd);
	if (r <= 0)
		return r < 0 ? r : -EEXIST;
	/* the mode first: nothing belongs to the account before it is closed */
	return fchmod(fd, 0700) == 0 && fchown(fd, uid, uid) == 0 ? 0 : -errno;
}

/* The whole account directory, before it is moved to where others can see it. */
static int account_sync(int dir)
{
	cleanup_fd int home = home_inside_open(dir);
	int r = home < 0 ? home : sync_directory(home);

	return r < 0 ? r : sync_directory(dir);
}

static int view_complete(int dir)
{
	struct stat st;
	int r;

	if (mkdirat(dir, "view", 0) != 0 && errno != EEXIST)
		return -errno;
	r = home_view_look(dir, &st);
	if (r != 0)
		return r == 1 ? 0 : r;
	return S_ISDIR(st.st_mode) && st.st_uid == 0 && (st.st_mode & 07777) == 0 ? 0 : -EEXIST;
}

static int account_complete(int dir, const struct account *account)
{
	int r = home_complete(dir, account->uid);

	if (r == 0)
		r = view_complete(dir);
	if (r < 0)
		return r;
	/* the group says whose directory this is; the ACL sets the mode too */
	if (fchown(dir, 0, account->uid) != 0)
		return -errno;
	return home_acl_close(dir, account->owner_uid);
}

/* In a directory that only root can enter yet, so everything is given away by name. */
static int account_new(int dir, const struct account *account)
{
	if (mkdirat(dir, "home", 0700) != 0 || mkdirat(dir, "view", 0) != 0)
		return -errno;
	if (fchownat(dir, "home", account->uid, account->uid, AT_SYMLINK_NOFOLLOW) != 0 ||
	    fchown(dir, 0, account->uid) != 0)
		return -errno;
	return home_acl_close(dir, account->owner_uid);
}

/* Nothing that we make has data in it before it is in its place. */
static bool has_data(int dir)
{
	cleanup_fd int home = home_inside_open(dir);

	return home != -ENOENT && (home < 0 || home_directory_empty(home) != 1);
}

/* All of it, below .making. A descriptor of the account directory. */
static int account_stage(const struct homes *homes, int making, const struct account *account)
{
	struct uid_name name = home_uid_name(account->uid);
	bool made = mkdirat(making, name.text, 0700) == 0;
	cleanup_fd int dir = made ? path_open_beneath(making, name.text, O_RDONLY | O_DIRECTORY, 0) :
				    path_make_directory(making, name.text, 0700, 0);
	int r = dir;

	if (dir >= 0 && !made && has_data(dir))
		return -EEXIST;
	if (dir >= 0 && !homes->subvolumes)
		quota_disk_tag(dir, account->uid);
	if (dir >= 0)
		r = made && !homes->subvolumes ? account_new(dir, account) : account_complete(dir, account);
	return r < 0 ? r : steal_fd(&dir);
}

int home_owner_make(const struct homes *homes, const struct account *account)
{
	cleanup_fd int owner = path_make_directory(homes->fd, account->owner, 0711, 0);
	struct stat st;

	if (owner < 0)
		return owner;
	if (fstat(owner, &st) != 0)
		return -errno;
	return home_roots_directory(&st) ? steal_fd(&owner) : -EPERM;
}

/* Moves it into its place. *owner is the directory of the owner `whose`, kept for consecutive accounts of one owner. */
static int account_move(const struct homes *homes, int making, const struct account *account, int *owner,
			const char **whose)
{
	struct uid_name name = home_uid_name(account->uid);

	if (*owner < 0 || strcmp(account->owner, *whose) != 0) {
		cleanup_fd_p(owner);
		*owner = home_owner_make(homes, account);
		*whose = account->owner;
	}
	return *owner < 0 ? *owner : home_move(making, name.text, *owner, account->label);
}

/* Brings it back from where it was set aside; 0 also if it is in its place already. */
static int bring_back(const struct homes *homes, const struct account *account)
{
	struct uid_name name = home_uid_name(account->uid);
	cleanup_fd int parent = -1, aside = home_aside_open(homes, account->uid, &parent);
	cleanup_fd int owner = aside < 0 ? aside : home_owner_make(homes, account);

	if (owner < 0)
		return aside == -ENOENT ? 0 : owner;
	return home_move(parent, name.text, owner, account->label);
}

static int take_up(const struct homes *homes, const struct account *account)
{
	int r = account->flags & ACCOUNT_ASIDE_THERE ? bring_back(homes, account) : 0;
	cleanup_fd int dir = r < 0 ? r : home_account_open(homes, account);

	return dir < 0 ? dir : account_complete(dir, account);
}

static bool was_there(const struct account *account)
{
	return (account->flags & (ACCOUNT_HOME_THERE | ACCOUNT_ASIDE_THERE)) != 0;
}

static int make_one(const struct homes *homes, int making, const struct account *account, int *owner,
		    const char **whose)
{
	cleanup_fd int dir = account_stage(homes, making, account);

	return dir < 0 ? dir : account_move(homes, making, account, owner, whose);
}

int home_make_many(const struct homes *homes, const struct account *const *accounts, size_t count, int *results)
{
	cleanup_fd int making = path_make_directory(homes->fd, HOME_MAKING, 0700, 0);
	cleanup_fd int owner = -1;
	const char *whose = "";

	if (making < 0 || count > HOMES_AT_ONCE)
		return making < 0 ? making : -E2BIG;
	for (size_t i = 0; i < count; i++) {
		results[i] = home_account_valid(accounts[i]);
		if (results[i] == 0)
			results[i] = was_there(accounts[i]) ? take_up(homes, accounts[i]) :
							      make_one(homes, making, accounts[i], &owner, &whose);
	}
	return 0;
}

int home_make(const struct homes *homes, const struct account *account)
{
	cleanup_fd int dir = was_there(account) ? -ENOENT : home_account_open(homes, account);
	int r, result = 0;

	if (dir >= 0)
		return account_complete(dir, account) ?: account_sync(dir);
	if (dir != -ENOENT)
		return dir;
	r = home_make_many(homes, &account, 1, &result);
	return r < 0 ? r : result;
}

static int account_written(const struct homes *homes, const struct account *account, const char *whose)
{
	cleanup_fd int owner = home_owner_open(homes, account);
	cleanup_fd int dir = owner < 0 ? owner : home_account_open(homes, account);
	int r = dir < 0 ? dir : account_sync(dir);

	return r < 0 || strcmp(whose, account->owner) == 0 ? r : sync_directory(owner);
}

int home_sync(const struct homes *homes, const struct account *const *accounts, size_t count)
{
	cleanup_fd int making = path_make_directory(homes->fd, HOME_MAKING, 0700, 0);
	const char *whose = "";
	int r = making < 0 ? making : 0;

	/* backwards: the owner's directory once for all of the owner's accounts in a row, after the last. By the order
	 * of the journal this also writes those that were moved out of .making, but not those that were taken up. */
	for (size_t i = count; r == 0 && i-- > 0;) {
		if (homes->ordered && !was_there(accounts[i]))
			continue;
		r = account_written(homes, accounts[i], whose);
		whose = accounts[i]->owner;
	}
	if (r == 0)
		r = sync_directory(making);
	return r < 0 || homes->ordered ? r : sync_directory(homes->fd);
}

static int directory_remove(int dirfd, const char *name)
{
	return unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

/* Only by rmdir(2), for a subvolume too: a directory that is not empty stays, and the answer is -ENOTEMPTY. */
int home_dismantle(int parent, const char *name, int dir)
{
	int r = view_unmount(dir, "view");

	if (r == 0)
		r = directory_remove(dir, "home");
	if (r == 0)
		r = directory_remove(dir, "view");
	if (r == 0)
		r = directory_remove(parent, name);
	return r < 0 ? r : sync_directory(parent);
}

/* Anything with data in it is not ours, and stays. */
static int staged_dismantle(const struct homes *homes, const struct account *account)
{
	struct uid_name name = home_uid_name(account->uid);
	cleanup_fd int making = path_open_beneath(homes->fd, HOME_MAKING, O_RDONLY | O_DIRECTORY, 0);
	cleanup_fd int dir = making < 0 ? -1 : path_open_beneath(making, name.text, O_RDONLY | O_DIRECTORY, 0);

	if (making < 0 || dir < 0)
		return making == -ENOENT || dir == -ENOENT ? 0 : making < 0 ? making : dir;
	return has_data(dir) ? 0 : home_dismantle(making, name.text, dir);
}

/* The owner's directory goes with the owner's last account, unless it existed before the first one. */
static void owner_remove(const struct homes *homes, const struct account *account)
{
	if ((account->flags & ACCOUNT_OWNER_THERE) == 0 && unlinkat(homes->fd, account->owner, AT_REMOVEDIR) == 0)
		fsync(homes->fd);
}

/* Undoes the directory that was made in its place. */
static int placed_dismantle(const struct homes *homes, const struct account *account)
{
	cleanup_fd int owner = home_owner_open(homes, account);
	cleanup_fd int dir = -1;
	int r = 0;

	if (owner < 0)
		return owner == -ENOENT ? 0 : owner;
	dir = home_account_open(homes, account);
	if (dir >= 0)
		r = home_dismantle(owner, account->label, dir);
	else if (dir != -ENOENT && dir != -EEXIST) /* it belongs to another account: nothing of this one to undo */
		r = dir;
	if (r == 0)
		owner_remove(homes, account);
	return r;
}

int home_unmake(const struct homes *homes, const struct account *account)
{
	int r = home_account_valid(account);

	if (r == 0)
		r = staged_dismantle(homes, account);
	if (r < 0 || (account->flags & ACCOUNT_HOME_THERE) != 0)
		return r;
	if ((account->flags & ACCOUNT_ASIDE_THERE) == 0)
		return placed_dismantle(homes, account);
	r = home_set_aside(homes, account);
	return r == -ENOENT ? 0 : r;
}

int home_set_aside(const struct homes *homes, const struct account *account)
{
	struct uid_name name = home_uid_name(account->uid);
	cleanup_fd int removed = path_make_directory(homes->fd, HOME_REMOVED, 0700, 0);
	cleanup_fd int owner = -1, dir = -1;
	int r;

	if (removed < 0)
		return removed;
	dir = home_account_open(homes, account);
	if (dir == -ENOENT || dir == -EEXIST) {
		owner_remove(homes, account); /* the process that moved it may have been killed right after that */
		return faccessat(removed, name.text, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -ENOENT;
	}
	if (dir < 0)
		return dir;
	owner = home_owner_open(homes, account);
	if (owner < 0)
		return owner;
	r = view_unmount(dir, "view");
	if (r == 0)
		r = home_move(owner, account->label, removed, name.text);
	if (r == 0)
		r = sync_directory(removed);
	if (r == 0)
		r = sync_directory(owner);
	if (r == 0)
		owner_remove(homes, account);
	return r;
}
