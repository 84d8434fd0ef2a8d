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
#include <linux/securebits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/cleanup.h"

#define TREES_MAX 80 /* a tool may name 64 paths */
#define STAGE "/usr" /* covered by the new root until it is the root: any directory that every host has */

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

static int write_text(const char *path, const char *text)
{
	cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -errno;
}

/* uid and gid are what they were, so that files that are made belong to the same account. */
static int map_self(uid_t uid, gid_t gid)
{
	char text[64];
	int r = write_text("/proc/self/setgroups", "deny");

	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%u %u 1", (unsigned)uid, (unsigned)uid);
	r = write_text("/proc/self/uid_map", text);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%u %u 1", (unsigned)gid, (unsigned)gid);
	return write_text("/proc/self/gid_map", text);
}

/* Gives up again what a process may do in its own user namespace, so that an exec as uid 0 does not bring it
 * back. */
static int drop_namespace_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	if (prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
			  SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED) != 0)
		return -errno;
	return syscall(SYS_capset, &header, none) != 0 ? -errno : 0;
}

static int tree_open(const char *path, uint64_t attributes)
{
	struct mount_attr attr = { .attr_set = attributes, .propagation = MS_PRIVATE };
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | (path[0] == '\0' ? AT_EMPTY_PATH : 0);
	cleanup_fd int fd = open_tree(AT_FDCWD, path, flags);

	if (fd < 0)
		return -errno;
	if (mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) != 0)
		return -errno;
	return steal_fd(&fd);
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
	const uint64_t closed = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	int fd = tree_open("", closed | (writable ? 0 : MOUNT_ATTR_RDONLY));

	if (fd < 0)
		return fd;
	trees[(*count)++] = (struct tree){ directory, fd };
	for (; entries->path != NULL; entries++) {
		if (entries->file != NULL)
			continue;
		if (*count == TREES_MAX)
			return -E2BIG;
		fd = tree_open(entries->path, MOUNT_ATTR_NOSUID | (entries->device ? 0 : MOUNT_ATTR_NODEV) |
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
static int make_mount_point(const char *path, int tree)
{
	char made[PATH_MAX];
	struct stat st;
	size_t length = strlen(path);
	int fd;

	if (fstat(tree, &st) != 0)
		return -errno;
	if (length >= sizeof(made))
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= length; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(made, path + 1, i - 1);
		made[i - 1] = '\0';
		if (path[i] != '/' && !S_ISDIR(st.st_mode))
			continue;
		if (mkdir(made, 0755) != 0 && errno != EEXIST) /* allowed-path: in a root of our own */
			return -errno;
	}
	if (S_ISDIR(st.st_mode))
		return 0;
	fd = open(made, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return errno == EROFS || errno == EACCES ? 0 : -errno; /* there already, in a tree mounted before */
	close(fd);
	return 0;
}

static int trees_place(struct tree *trees, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int r = make_mount_point(trees[i].path, trees[i].fd);

		if (r < 0)
			return r;
		if (move_mount(trees[i].fd, "", AT_FDCWD, trees[i].path + 1, MOVE_MOUNT_F_EMPTY_PATH) != 0)
			return -errno;
	}
	return 0;
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
 * Through a mount of the working directory of their own, which is nowhere: the one that is seen becomes
 * read-only, which it could not while somebody has a file of it open for writing.
 */
static int files_make(const struct root_entry *entries)
{
	cleanup_fd int root = open_tree(AT_FDCWD, ".", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int r = root < 0 ? -errno : 0;

	for (; r == 0 && entries->path != NULL; entries++)
		if (entries->file != NULL)
			r = file_make(root, entries->path + 1, entries->fifo, entries->file);
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
		r = files_make(entries);
	if (r == 0)
		r = root_change(directory);
	if (r == 0)
		return 0;
	/* as it was; if that fails nothing is left, and a process that goes on finds nothing */
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
	const uid_t uid = geteuid();
	const gid_t gid = getegid();
	char directory[PATH_MAX];
	int r = 0, dropped;

	*step = "working directory";
	if (getcwd(directory, sizeof(directory)) == NULL)
		return -errno;
	if (directory[0] != '/' || directory[1] == '\0')
		return -EINVAL;
	*step = privileged ? "mount namespace" : "user namespace";
	if (unshare(privileged ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) != 0)
		return -errno;
	if (!privileged)
		r = map_self(uid, gid);
	if (r == 0)
		r = mounts_make(directory, writable, entries, step);
	if (privileged)
		return r;
	dropped = drop_namespace_capabilities();
	if (dropped < 0)
		*step = "capabilities";
	return dropped < 0 ? -ENOTRECOVERABLE : r;
}
