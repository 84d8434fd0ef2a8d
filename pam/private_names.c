/* SPDX-License-Identifier: ISC */
/*
 * Directories of a session's own in the place of those in which the host names its users, for sessions that no gate
 * gives a root of their own: of su, cron, at, login. Run by pam_subuid, as root.
 *
 * Files that only lie on those of the host do not do: when the host replaces one (useradd does so with passwd,
 * logrotate with wtmp, the daemon with its index), the kernel takes away what is mounted on it, in every mount
 * namespace, and a session that is open would see the new file.
 */
#include "pam/private_build.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/path.h"

static const struct directory {
	const char *path, *name;
	bool filled; /* with all that is in the host's, but for the files that the session has in their place */
} directories[] = {
	{ "/etc", "etc", true },
	{ "/var/log", "log", false },
	{ STATE_DIR, "state", false }, /* the index, which the login shell alone needs */
};

/* The session has a file in the place of this one. */
static bool is_own(const struct directory *directory, const char *name)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/%s", directory->path, name) < (int)sizeof(path) && files_have(path);
}

static int link_copy(int from, const char *name, int made)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(from, name, target, sizeof(target) - 1);

	if (length < 0)
		return -errno;
	target[length] = '\0';
	return symlinkat(target, made, name) == 0 ? 0 : -errno;
}

/* What the name is to lie on, or the link itself. Sockets and pipes are left out. */
static int place_make(int from, const char *name, int made)
{
	cleanup_fd int fd = -1;
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return link_copy(from, name, made);
	if (S_ISDIR(st.st_mode))
		return mkdirat(made, name, 0755) == 0 ? 0 : -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	fd = openat(made, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : 0;
}

/* The host's, as it is now: a file that is replaced later stays what it was. A link has nothing to be put on it. */
static int place_fill(int from, const char *name, int place)
{
	cleanup_fd int target = openat(place, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), tree = -1;
	struct stat st;

	if (target < 0 || fstat(target, &st) != 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return 0;
	tree = mount_copy(from, name, AT_RECURSIVE | AT_SYMLINK_NOFOLLOW, READ_ONLY);
	return tree < 0 ? tree : mount_put(tree, target);
}

typedef int entry_act(int from, const char *name, int to);

/* Each entry that belongs there. One that has gone meanwhile is passed over. */
static int each(const struct directory *directory, DIR *entries, entry_act *act, int to, bool own)
{
	const struct dirent *entry;
	int r = 0;

	rewinddir(entries);
	while (r == 0 && (errno = 0, entry = readdir(entries)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (is_own(directory, entry->d_name) ? own : directory->filled)
			r = act(dirfd(entries), entry->d_name, to);
		if (r == -ENOENT)
			r = 0;
	}
	return r != 0 ? r : -errno;
}

static int directory_fill(const struct building *b, const struct directory *directory, DIR *entries)
{
	cleanup_fd int made = path_make_directory(b->frame, directory->name, 0755, 0), tree = -1, place = -1;
	int r = made < 0 ? made : each(directory, entries, place_make, made, true);

	if (r < 0)
		return r;
	tree = mount_copy(b->frame, directory->name, 0, READ_ONLY | MOUNT_ATTR_NOEXEC);
	if (tree < 0)
		return tree;
	r = put_and_close(tree, path_open_in_root(b->root, directory->path, O_PATH | O_DIRECTORY));
	if (r < 0)
		return r;
	place = path_open_in_root(b->root, directory->path, O_PATH | O_DIRECTORY);
	return place < 0 ? place : each(directory, entries, place_fill, place, false);
}

static int directory_put(const struct building *b, const struct directory *directory)
{
	cleanup_fd int fd = path_open_in_root(b->root, directory->path, O_RDONLY | O_DIRECTORY);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	int r;

	if (entries == NULL)
		return fd == -ENOENT ? 0 : fd < 0 ? fd : -errno;
	steal_fd(&fd);
	r = directory_fill(b, directory, entries);
	closedir(entries);
	return r;
}

int names_put(const struct building *b)
{
	int r = 0;

	for (size_t i = 0; r == 0 && !b->view->gated && i < sizeof(directories) / sizeof(directories[0]); i++)
		r = directory_put(b, &directories[i]);
	return r;
}
