/* SPDX-License-Identifier: ISC */
/*
 * Builds a mount namespace that holds one directory, a few paths of the system, and nothing else. Run by the
 * gates.
 */
#include "confine/private_root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/mounts.h"
#include "confine/namespaces.h"

#define TREES_MAX 80 /* a tool may name 64 paths */
#define STAGE "/usr" /* mount point of the new root until that becomes the root: any directory that every host has */

struct tree {
	const char *path;
	int fd; /* a detached copy of the mounts there */
};

bool private_root_keeps_ids(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	return syscall(SYS_capget, &header, data) == 0 && (data[0].effective & (1u << CAP_SYS_ADMIN)) != 0;
}

/* Sorted by length: a mount on a path inside another one comes after it. */
static void tree_insert(struct tree *trees, size_t count, struct tree made)
{
	while (count > 0 && strlen(trees[count - 1].path) > strlen(made.path)) {
		trees[count] = trees[count - 1];
		count--;
	}
	trees[count] = made;
}

static int trees_open(const char *directory, bool writable, const struct root_entry *entries, struct tree *trees,
		      size_t *count)
{
	int fd = mount_copy(AT_FDCWD, "", AT_RECURSIVE, MOUNT_PLAIN | (writable ? 0 : MOUNT_ATTR_RDONLY));

	if (fd < 0)
		return fd;
	trees[(*count)++] = (struct tree){ directory, fd };
	for (; entries->path != NULL; entries++) {
		const char *from = entries->from != NULL ? entries->from : entries->path;

		if (entries->file != NULL || entries->kind != NULL || entries->link != NULL)
			continue;
		if (*count == TREES_MAX)
			return -E2BIG;
		fd = mount_copy(AT_FDCWD, from, AT_RECURSIVE,
				MOUNT_ATTR_NOSUID | (entries->device ? 0 : MOUNT_ATTR_NODEV) |
					(entries->device || entries->writable ? 0 : MOUNT_ATTR_RDONLY));
		if (fd == -ENOENT && entries->optional)
			continue;
		if (fd < 0)
			return fd;
		tree_insert(trees, *count, (struct tree){ entries->path, fd });
		++*count;
	}
	return 0;
}

/* Below the working directory: an empty directory or file of that path to mount on. */
static int make_mount_point(const char *path, bool directory)
{
	char made[PATH_MAX];
	size_t length = strlen(path);
	int fd;

	if (length >= sizeof(made))
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= length; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(made, path + 1, i - 1);
		made[i - 1] = '\0';
		if (path[i] != '/' && !directory)
			continue;
		if (mkdir(made, 0755) != 0 && errno != EEXIST) /* allowed-path: in a root of our own */
			return -errno;
	}
	if (directory)
		return 0;
	fd = open(made, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return errno == EROFS || errno == EACCES ? 0 : -errno; /* it exists already, in a tree mounted before */
	close(fd);
	return 0;
}

static int trees_place(struct tree *trees, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct stat st;
		int r = fstat(trees[i].fd, &st) != 0 ? -errno : make_mount_point(trees[i].path, S_ISDIR(st.st_mode));

		if (r < 0)
			return r;
		if (move_mount(trees[i].fd, "", AT_FDCWD, trees[i].path + 1, MOVE_MOUNT_F_EMPTY_PATH) != 0)
			return -errno;
	}
	return 0;
}

static int kind_mount(const struct root_entry *entry)
{
	const bool data = strcmp(entry->kind, "tmpfs") == 0; /* nothing is executed from others */
	const unsigned long closed = MS_NOSUID | (data ? 0 : MS_NOEXEC) | (entry->device ? 0 : MS_NODEV);
	const char *place = entry->path + 1;
	int r = make_mount_point(entry->path, true);

	if (r < 0)
		return r;
	r = mount(entry->kind, place, entry->kind, closed, entry->options); /* allowed-path: in a root of our own */
	return r != 0 ? -errno : 0;
}

static int kinds_mount(const struct root_entry *entries)
{
	int r = 0;

	for (; r == 0 && entries->path != NULL; entries++)
		if (entries->kind != NULL)
			r = kind_mount(entries);
	return r;
}

static int file_make(int root, const char *path, bool fifo, int *ret)
{
	const int how = fifo ? O_RDONLY | O_NONBLOCK : O_RDWR | O_CREAT | O_EXCL;
	char parent[PATH_MAX];
	int fd;

	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		if ((size_t)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path) >= sizeof(parent))
			return -ENAMETOOLONG;
		if (mkdirat(root, parent, 0755) != 0 && errno != EEXIST)
			return -errno;
	}
	if (fifo && mknodat(root, path, S_IFIFO | 0600, 0) != 0)
		return -errno;
	fd = openat(root, path, how | O_NOFOLLOW | O_CLOEXEC, 0444);
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

static void files_close(const struct root_entry *entries)
{
	for (; entries->path != NULL; entries++)
		if (entries->file != NULL && *entries->file >= 0)
			close(steal_fd(entries->file));
}

/*
 * Written through another mount of the working directory, which is attached nowhere: the visible mount becomes
 * read-only, which it could not while somebody has a file of it open for writing.
 */
static int files_make(const struct root_entry *entries)
{
	cleanup_fd int root = open_tree(AT_FDCWD, ".", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int r = root < 0 ? -errno : 0;

	for (; r == 0 && entries->path != NULL; entries++)
		if (entries->file != NULL)
			r = file_make(root, entries->path + 1, entries->fifo, entries->file);
		else if (entries->link != NULL)
			r = symlinkat(entries->link, root, entries->path + 1) != 0 ? -errno : 0;
	return r;
}

/* The working directory is the new root. Afterwards nothing but old descriptors leads to the old one. */
static int root_change(const char *directory)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	if (syscall(SYS_pivot_root, ".", ".") != 0)
		return -errno;
	if (umount2(".", MNT_DETACH) != 0 || chdir("/") != 0)
		return -errno;
	if (mount_setattr(AT_FDCWD, "/", 0, &attr, sizeof(attr)) != 0)
		return -errno;
	return chdir(directory) != 0 ? -errno : 0;
}

static int root_build(const char *directory, const struct root_entry *entries, struct tree *trees, size_t count)
{
	const unsigned long closed = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	int r, back;

	r = mount("root", STAGE, "tmpfs", closed, "mode=0755,size=8m,nr_inodes=4096"); /* allowed-path: root's */
	if (r != 0)
		return -errno;
	r = chdir(STAGE) != 0 ? -errno : trees_place(trees, count);
	if (r == 0)
		r = kinds_mount(entries);
	if (r == 0)
		r = files_make(entries);
	if (r == 0)
		r = root_change(directory);
	if (r == 0)
		return 0;
	/* as it was; if that fails, nothing is visible, and a process that goes on finds no files */
	files_close(entries);
	back = umount2(STAGE, MNT_DETACH);
	return chdir(directory) != 0 || back != 0 ? -ENOTRECOVERABLE : r;
}

static int mounts_make(const char *directory, bool writable, const struct root_entry *entries, const char **step)
{
	struct tree trees[TREES_MAX] = { 0 };
	size_t count = 0;
	int r;

	*step = "mount propagation";
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) /* allowed-path: "/" of our own namespace */
		return -errno;
	*step = "copies of mounts";
	r = trees_open(directory, writable, entries, trees, &count);
	if (r == 0) {
		*step = "new root";
		r = root_build(directory, entries, trees, count);
	}
	for (size_t i = 0; i < count; i++)
		close(trees[i].fd);
	return r;
}

int private_root_enter(bool writable, const struct root_entry *entries, const char **step)
{
	const bool privileged = private_root_keeps_ids();
	char directory[PATH_MAX];
	int r = 0, dropped;

	*step = "working directory";
	if (getcwd(directory, sizeof(directory)) == NULL)
		return -errno;
	if (directory[0] != '/' || directory[1] == '\0')
		return -EINVAL;
	*step = "mount namespace";
	if (privileged)
		r = unshare(CLONE_NEWNS) != 0 ? -errno : 0;
	else
		r = namespaces_enter(CLONE_NEWNS, step);
	if (r < 0 && !(privileged || private_root_keeps_ids()))
		return r;
	if (r == 0)
		r = mounts_make(directory, writable, entries, step);
	if (privileged)
		return r;
	dropped = namespaces_drop();
	if (dropped < 0)
		*step = "capabilities";
	return dropped < 0 ? -ENOTRECOVERABLE : r;
}
