/* SPDX-License-Identifier: ISC */
/* Mounts the owner's view of a home, and checks that an account is on disk as it must be. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "account/fields.h"
#include "confine/cleanup.h"
#include "confine/path.h"
#include "confine/view.h"
#include "home/internal.h"
#include "home/mounts.h"

#ifndef ST_NOSYMFOLLOW
#define ST_NOSYMFOLLOW 0x2000 /* linux/statfs.h is the kernel's own */
#endif

static bool shown_as_owners(const struct account *account, const struct stat *home, const struct stat *st,
			    gid_t owner_gid)
{
	/* the account may have changed the group of `home`: then the group says nothing */
	return st->st_uid == account->owner_uid &&
	       (home->st_gid != home->st_uid || owner_gid == (gid_t)-1 || st->st_gid == owner_gid);
}

bool home_view_right(const struct homes *homes, const struct account *account, int account_dir, const struct stat *home,
		     gid_t owner_gid)
{
	bool theirs = account_view_kind(account, homes->view) == VIEW_THEIRS;
	const unsigned long flags = ST_NOSUID | ST_NODEV | ST_NOSYMFOLLOW | (theirs ? ST_NOEXEC : 0u);
	cleanup_fd int fd = openat(account_dir, "view", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statvfs fs;
	struct stat st;

	/* identified before it is asked: it may be a file server that the owner has put there */
	if (fd < 0 || !mount_answers(fd, account_dir) || fstat(fd, &st) != 0 || fstatvfs(fd, &fs) != 0)
		return false;
	return st.st_ino == home->st_ino && st.st_dev == home->st_dev && (fs.f_flag & flags) == flags &&
	       (theirs ? st.st_uid == home->st_uid : shown_as_owners(account, home, &st, owner_gid));
}

/* `home` in the mount without mounts below it, if it is this very directory there, and not one that somebody has
 * mounted over it. */
static int home_alone_open(const struct homes *homes, const struct account *account, const struct stat *home)
{
	struct homes alone = *homes;
	cleanup_fd int dir = -1, fd = -1;
	struct stat st;

	alone.fd = homes->alone;
	if (alone.fd < 0)
		return -EOPNOTSUPP;
	dir = home_account_open(&alone, account);
	fd = dir < 0 ? dir : home_directory_open(dir, account->uid);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) != 0)
		return -errno;
	return st.st_dev == home->st_dev && st.st_ino == home->st_ino ? steal_fd(&fd) : -EXDEV;
}

/* `home` itself lets in the same users as the account directory: everything below has the modes that it was
 * given. */
static int home_open_up(int home, const struct stat *st)
{
	const mode_t others = S_IRGRP | S_IXGRP | S_IROTH | S_IXOTH;

	if ((st->st_mode & others) == others || fchmod(home, (st->st_mode & 07777) | others) == 0 || errno == EROFS)
		return 0;
	return -errno;
}

static int view_mount_kind(const struct homes *homes, const struct account *account, int source, int target,
			   gid_t owner_gid)
{
	if (account_view_kind(account, homes->view) == VIEW_THEIRS)
		return view_mount_plain(source, target);
	return view_mount_group(source, target, account->uid, account->uid, account->owner_uid, owner_gid,
				homes->common_gid);
}

int home_view_open(const struct homes *homes, const struct account *account, gid_t owner_gid)
{
	cleanup_fd int dir = home_account_open(homes, account);
	cleanup_fd int home = -1, source = -1, target = -1;
	struct stat st;
	int r;

	if (dir < 0)
		return dir;
	home = home_directory_open(dir, account->uid);
	if (home < 0)
		return home;
	if (!homes->views)
		return home_acl_grant(home, account->owner_uid, account->uid);
	if (fstat(home, &st) != 0)
		return -errno;
	if (view_mounted(dir, "view")) {
		if (home_view_right(homes, account, dir, &st, owner_gid))
			return 0;
		r = view_unmount(dir, "view");
		if (r < 0)
			return r;
	}
	r = account_view_kind(account, homes->view) == VIEW_THEIRS ? home_open_up(home, &st) : 0;
	if (r < 0)
		return r;
	target = path_open_beneath(dir, "view", O_PATH | O_DIRECTORY, 0);
	if (target < 0)
		return target;
	source = home_alone_open(homes, account, &st);
	if (source < 0)
		source = steal_fd(&home);
	return view_mount_kind(homes, account, source, target, owner_gid);
}

int home_view_close(const struct homes *homes, const struct account *account)
{
	cleanup_fd int dir = home_account_open(homes, account);

	if (dir < 0)
		return dir == -ENOENT || dir == -EEXIST ? 0 : dir;
	return view_unmount(dir, "view");
}

int home_shut(const struct homes *homes, const struct account *account)
{
	cleanup_fd int dir = home_account_open(homes, account);
	int r = dir < 0 ? dir : home_acl_shut(dir, account->owner_uid), closed;

	if (r < 0)
		return r == -ENOENT || r == -EEXIST ? 0 : r;
	closed = view_unmount(dir, "view");
	if (r == 1 && fsync(dir) != 0)
		return -errno;
	return closed < 0 ? closed : r;
}

static __attribute__((format(printf, 4, 5))) int fault(char *why, size_t size, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, size, format, arguments);
	va_end(arguments);
	return error;
}

/* dir: or why it could not be opened. */
static int account_directory_check(const struct homes *homes, const struct account *account, bool gone, int dir,
				   const struct stat *st, char *why, size_t size)
{
	if (dir == -ENOENT)
		return fault(why, size, dir, "the account directory %s/%s/%s is missing", homes->path, account->owner,
			     account->label);
	if (dir == -EEXIST)
		return fault(why, size, dir, "the account directory %s/%s/%s belongs to another account", homes->path,
			     account->owner, account->label);
	if (dir == -EPERM)
		return fault(why, size, dir, "%s/%s/%s or the directory above can be written by users other than root",
			     homes->path, account->owner, account->label);
	if (dir < 0)
		return fault(why, size, dir, "the account directory cannot be opened");
	if ((st->st_mode & 07777) != 0710 ||
	    (!home_acl_closed(dir, account->owner_uid) && !(gone && home_acl_is_shut(dir, account->owner_uid))))
		return fault(why, size, -EPERM,
			     "the account directory has mode %04o or an ACL that is not 0710 with "
			     "user:%u:--x",
			     st->st_mode & 07777, account->owner_uid);
	return 0;
}

static int home_directory_check(const struct account *account, int home, struct stat *st, char *why, size_t size)
{
	if (home == -ENOENT)
		return fault(why, size, home, "the home is missing");
	if (home == -EXDEV)
		return fault(why, size, home, "something that need not answer is mounted over the home: unmount it");
	if (home == -ENOTDIR || home == -ELOOP)
		return fault(why, size, -ENOTDIR, "the home is not a directory");
	if (home < 0 || fstat(home, st) != 0)
		return fault(why, size, home < 0 ? home : -errno, "the home cannot be opened");
	if (st->st_uid != account->uid)
		return fault(why, size, -EPERM, "the home does not belong to uid %u", account->uid);
	return 0;
}

static int view_check(const struct homes *homes, const struct account *account, int dir, int home,
		      const struct stat *home_st, char *why, size_t size)
{
	struct stat st;
	int r = home_view_look(dir, &st);

	if (r < 0 || (r == 0 && !S_ISDIR(st.st_mode)))
		return fault(why, size, -ENOTDIR, "the directory for the owner's view is missing");
	if (r == 1) {
		if (home_view_right(homes, account, dir, home_st, (gid_t)-1))
			return 0;
		return fault(why, size, -ESTALE, "the owner's view shows something else, or without its restrictions");
	}
	if (st.st_uid != 0 || (st.st_mode & 07777) != 0)
		return fault(why, size, -EPERM,
			     "the directory for the owner's view does not belong to root with mode 0000");
	if (!homes->views)
		return home_acl_granted(home, account->owner_uid) ?
			       0 :
			       fault(why, size, -EACCES, "the owner's ACL on the home was taken away");
	return fault(why, size, -ENOTCONN, "the owner's view is not mounted");
}

/* The directory of the account's owner: the one that is open, if it is that. */
static int owner_next(const struct homes *homes, struct home_owner *owner, const struct account *account)
{
	int r = home_account_valid(account);

	if (r < 0)
		return r;
	if (owner->fd >= 0 && strcmp(owner->name, account->owner) == 0)
		return owner->fd;
	if (owner->fd >= 0)
		close(owner->fd);
	owner->fd = home_owner_open(homes, account);
	memcpy(owner->name, account->owner, sizeof(owner->name));
	return owner->fd;
}

int home_check_next(const struct homes *homes, struct home_owner *owner, const struct account *account, char *why,
		    size_t size)
{
	struct stat st, home_st;
	int in = owner_next(homes, owner, account);
	cleanup_fd int dir = in < 0 ? in : home_account_open_in(in, account, &st);
	cleanup_fd int home = dir < 0 ? -1 : home_inside_open(dir);
	int r = account_directory_check(homes, account, owner->gone, dir, &st, why, size);

	if (r == 0)
		r = home_directory_check(account, home, &home_st, why, size);
	if (r == 0 && !owner->gone)
		r = view_check(homes, account, dir, home, &home_st, why, size);
	return r;
}

int home_check(const struct homes *homes, const struct account *account, char *why, size_t size)
{
	struct home_owner owner = { .fd = -1 };
	int r = home_check_next(homes, &owner, account, why, size);

	if (owner.fd >= 0)
		close(owner.fd);
	return r;
}
