/* SPDX-License-Identifier: ISC */
/* The directory of all homes, and the way to the directories in it. */
#include "account/passwd.h"
#include "home/home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "account/name.h"
#include "confine/cleanup.h"
#include "confine/path.h"
#include "confine/view.h"
#include "home/internal.h"
#include "home/mounts.h"

#define SUBUIDS_GROUP "subuids"
#define BTRFS_TOP_INODE 256
#define XFS_MAGIC 0x58465342 /* linux/magic.h has it since 5.14 */

struct uid_name home_uid_name(uint32_t uid)
{
	struct uid_name name;

	snprintf(name.text, sizeof(name.text), "%u", uid);
	return name;
}

int home_account_valid(const struct account *account)
{
	const char *owner = account->owner;

	/* names that begin with a dot are ours (HOME_REMOVED, HOME_MAKING) */
	if (owner[0] == '\0' || owner[0] == '.' || strnlen(owner, sizeof(account->owner)) > OWNER_MAX ||
	    strchr(owner, '/') != NULL || !label_valid(account->label))
		return -EINVAL;
	if (account->uid == 0 || account->uid == (uint32_t)-1 || account->owner_uid == (uint32_t)-1)
		return -EINVAL;
	return 0;
}

bool home_roots_directory(const struct stat *st)
{
	return S_ISDIR(st->st_mode) && st->st_uid == 0 && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int roots_open(int dirfd, const char *path, struct stat *st)
{
	cleanup_fd int fd = path_open_beneath(dirfd, path, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return fd;
	if (fstat(fd, st) != 0)
		return -errno;
	return home_roots_directory(st) ? steal_fd(&fd) : -EPERM;
}

int home_owner_open(const struct homes *homes, const struct account *account)
{
	struct stat st;
	int r = home_account_valid(account);

	return r < 0 ? r : roots_open(homes->fd, account->owner, &st);
}

int home_account_open_in(int owner_dir, const struct account *account, struct stat *st)
{
	cleanup_fd int fd = roots_open(owner_dir, account->label, st);

	if (fd < 0)
		return fd;
	return st->st_gid == account->uid ? steal_fd(&fd) : -EEXIST;
}

int home_account_open(const struct homes *homes, const struct account *account)
{
	cleanup_fd int owner = home_owner_open(homes, account);
	struct stat st;

	return owner < 0 ? owner : home_account_open_in(owner, account, &st);
}

int home_inside_open(int account_dir)
{
	cleanup_fd int fd = path_open_same_mount(account_dir, "home", O_RDONLY | O_DIRECTORY), place = -1;

	if (fd != -EXDEV)
		return fd < 0 ? fd : steal_fd(&fd);
	/* an administrator gave it a disk of its own; or somebody mounted something there that need not answer */
	place = path_open_beneath(account_dir, "home", O_PATH | O_DIRECTORY, 0);
	if (place < 0)
		return place;
	if (!mount_answers(place, account_dir))
		return -EXDEV;
	fd = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : steal_fd(&fd);
}

int home_of_uid(int home, uint32_t uid)
{
	cleanup_fd int fd = home;
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) != 0)
		return -errno;
	return st.st_uid == uid ? steal_fd(&fd) : -EPERM;
}

int home_directory_open(int account_dir, uint32_t uid)
{
	return home_of_uid(home_inside_open(account_dir), uid);
}

int home_view_look(int account_dir, struct stat *st)
{
	cleanup_fd int fd = path_open_same_mount(account_dir, "view", O_PATH | O_NOFOLLOW);

	if (fd < 0)
		return fd == -EXDEV ? 1 : fd;
	return fstat(fd, st) == 0 ? 0 : -errno;
}

int home_directory_empty(int dirfd)
{
	cleanup_fd int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *dir = NULL;
	const struct dirent *entry;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (dir == NULL)
		return -errno;
	steal_fd(&fd); /* the directory's now */
	while (errno = 0, (entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return 0;
	return errno == 0 ? 1 : -errno;
}

int home_move(int from_dir, const char *from, int to_dir, const char *to)
{
	if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* The file system does not know the flag (ZFS before 2.2). Both directories belong to root, and only the broker
	 * works in them; a complete account directory is never empty, so rename(2) does not replace one. */
	return renameat(from_dir, from, to_dir, to) == 0 ? 0 : -errno;
}

bool home_on_btrfs(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == (__typeof__(fs.f_type))BTRFS_SUPER_MAGIC;
}

bool home_is_subvolume(int fd)
{
	struct stat st;

	return home_on_btrfs(fd) && fstat(fd, &st) == 0 && st.st_ino == BTRFS_TOP_INODE;
}

/* Opens the parent, makes the last component. */
int homes_directory_open(const char *path)
{
	char parent[sizeof(((struct homes *)0)->path)];
	const char *slash = strrchr(path, '/');
	size_t length = slash == NULL ? 0 : (size_t)(slash - path);
	cleanup_fd int dirfd = -1, made = -1;

	if (path[0] != '/' || slash[1] == '\0')
		return -EINVAL;
	memcpy(parent, path, length);
	memcpy(parent + length, length == 0 ? "/" : "", length == 0 ? 2 : 1);
	dirfd = path_open_trusted(parent, O_RDONLY);
	if (dirfd < 0)
		return dirfd;
	if (faccessat(dirfd, slash + 1, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
		made = path_make_directory(dirfd, slash + 1, 0711, 0);
		if (made < 0)
			return made;
		if (fsync(dirfd) != 0)
			return -errno;
	}
	/* it may be a symlink of root's, to where the disk is */
	return path_open_trusted(path, O_RDONLY);
}

/* A directory that belongs to root, directly below <homes>, 0700. */
static int private_directory(int homes_fd, const char *name)
{
	cleanup_fd int fd = path_make_directory(homes_fd, name, 0700, 0);

	if (fd < 0)
		return fd;
	return fchmod(fd, 0700) == 0 ? steal_fd(&fd) : -errno;
}

/*
 * Tries once, in the place where views will be made, whether a directory can be shown id-mapped. Only "cannot" is an
 * answer; any other error (memory, descriptors) is a failure to find out.
 */
static int views_probe(int making, bool *views)
{
	/* left by a crash in this function: root may not even open a directory whose owner is mapped to nobody */
	int r = view_unmount(making, "probe.view");
	cleanup_fd int source = r < 0 ? r : path_make_directory(making, "probe", 0700, 0);
	cleanup_fd int target = r < 0 ? r : path_make_directory(making, "probe.view", 0, 0);

	if (source < 0 || target < 0)
		return source < 0 ? source : target;
	r = home_acl_probe(source);
	if (r < 0 && r != -ENOSPC && r != -EDQUOT) /* full is not "cannot" */
		return r == -ENOTSUP ? -EOPNOTSUPP : r;
	r = view_mount(source, target, 1, 1, 2, 2);
	*views = r == 0;
	if (r == 0)
		r = view_unmount(making, "probe.view");
	if (r == -EINVAL || r == -EOPNOTSUPP || r == -ENOSYS || r == -EPERM)
		r = 0;
	return r;
}

static int homes_probe(int homes_fd, bool *views)
{
	cleanup_fd int removed = private_directory(homes_fd, HOME_REMOVED);
	cleanup_fd int making = private_directory(homes_fd, HOME_MAKING);
	int r;

	if (removed < 0 || making < 0)
		return removed < 0 ? removed : making;
	r = views_probe(making, views); /* its two directories stay: on a full disk they could not be made */
	if (r == 0 && fsync(homes_fd) != 0)
		r = -errno;
	return r;
}

/*
 * Whether metadata goes to disk in the order in which it was changed: then fsync(2) of the last changed directory also
 * writes all earlier changes, and an fsync of each would only flush the disk again. This holds for XFS, and for ext4
 * with a journal (ext2 and ext4 without one look the same to statfs).
 */
static bool journal_in_order(int fd, const struct stat *st)
{
	char path[64], device[PATH_MAX], journal[NAME_MAX + 32];
	const char *name;
	struct statfs fs;
	ssize_t length;

	if (fstatfs(fd, &fs) != 0)
		return false;
	if (fs.f_type == (__typeof__(fs.f_type))XFS_MAGIC)
		return true;
	if (fs.f_type != (__typeof__(fs.f_type))EXT4_SUPER_MAGIC)
		return false;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(st->st_dev), minor(st->st_dev));
	length = readlink(path, device, sizeof(device) - 1);
	if (length <= 0)
		return false;
	device[length] = '\0';
	name = strrchr(device, '/');
	snprintf(journal, sizeof(journal), "/proc/fs/jbd2/%.*s-8", NAME_MAX, name != NULL ? name + 1 : device);
	return access(journal, F_OK) == 0; /* its own, inode 8 */
}

int homes_open(const char *path, const char *link_directory, struct homes *homes)
{
	struct homes opened = { .fd = -1, .alone = -1 };
	cleanup_fd int fd = -1;
	entry_cleanup struct host_entry group = { 0 };
	struct stat st;
	int r;

	if (strlen(path) >= sizeof(opened.path) || strlen(link_directory) >= sizeof(opened.link_directory))
		return -ENAMETOOLONG;
	if (link_directory[0] == '\0' || strchr(link_directory, '/') != NULL || strcmp(link_directory, ".") == 0 ||
	    strcmp(link_directory, "..") == 0)
		return -EINVAL;
	fd = homes_directory_open(path);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) != 0)
		return -errno;
	if (!home_roots_directory(&st))
		return -EPERM;
	r = homes_probe(fd, &opened.views);
	if (r < 0)
		return r;
	opened.alone = opened.views ? view_source(fd) : -1;
	opened.subvolumes = home_on_btrfs(fd);
	opened.ordered = journal_in_order(fd, &st);
	r = group_find(SUBUIDS_GROUP, &group);
	if (r < 0 && r != -ENOENT)
		return r;
	opened.common_gid = r == 0 ? group.group.gr_gid : VIEW_NO_GROUP;
	memcpy(opened.path, path, strlen(path) + 1);
	memcpy(opened.link_directory, link_directory, strlen(link_directory) + 1);
	opened.fd = steal_fd(&fd);
	*homes = opened;
	return 0;
}

void homes_close(struct homes *homes)
{
	if (homes->fd >= 0)
		close(homes->fd);
	if (homes->alone >= 0)
		close(homes->alone);
	homes->fd = homes->alone = -1;
}
