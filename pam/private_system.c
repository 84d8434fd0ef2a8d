/* SPDX-License-Identifier: ISC */
/* The system in the root of a session, and what the session has of its own in there. Run by pam_subuid, as root. */
#include "pam/private_build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/run.h"
#include "confine/cleanup.h"
#include "confine/path.h"

#define FILES_EACH_MIB 64 /* names in /tmp: one for each 16 KiB */
#define STAGE "/usr"      /* what is built is mounted here until it is the root: any directory that every host has */

/* Parts of the system that may be file systems of their own. */
static const struct system_tree {
	const char *path;
	bool always; /* copied also if it is no file system of its own: for its attributes, or for what is mounted in it
		      */
	unsigned flags;
	uint64_t attributes;
} system_trees[] = {
	{ "/usr", false, AT_RECURSIVE, READ_ONLY },
	{ "/usr/local", false, AT_RECURSIVE, READ_ONLY },
	{ "/etc", true, AT_RECURSIVE, READ_ONLY }, /* containers have files of it mounted */
	{ "/opt", false, AT_RECURSIVE, READ_ONLY },
	{ "/nix", false, AT_RECURSIVE, READ_ONLY },
	{ "/gnu", false, AT_RECURSIVE, READ_ONLY },
	{ "/snap", false, AT_RECURSIVE, READ_ONLY },
	{ "/var", false, 0, READ_ONLY },
	{ STATE_DIR, false, 0, READ_ONLY | MOUNT_ATTR_NOEXEC },
	{ STATE_DIR "/" RUN_SPOOL_NAME, true, 0, MOUNT_DATA }, /* the login shell leaves its records there */
	{ "/run", false, 0, READ_ONLY | MOUNT_ATTR_NOEXEC },
	{ "/sys", false, AT_RECURSIVE, READ_ONLY | MOUNT_ATTR_NOEXEC },
	{ "/dev", true, AT_RECURSIVE, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC },
	{ "/dev/pts", false, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC }, /* sshd gives a terminal to the account */
};
#define SYSTEM_TREES (sizeof(system_trees) / sizeof(system_trees[0]))
_Static_assert(SYSTEM_TREES <= PRIVATE_TREES_MAX, "a place for each");

/* Files that the session has in place of those of the host. */
static const struct {
	const char *path, *name;
	uint64_t attributes;
} files[] = {
	{ "/etc/passwd", "passwd", READ_ONLY },
	{ "/etc/group", "group", READ_ONLY },
	{ "/etc/nsswitch.conf", "nsswitch.conf", READ_ONLY },
	{ "/etc/passwd-", "empty", READ_ONLY },
	{ "/etc/group-", "empty", READ_ONLY },
	{ "/etc/subuid", "empty", READ_ONLY },
	{ "/etc/subuid-", "empty", READ_ONLY },
	{ "/etc/subgid", "empty", READ_ONLY },
	{ "/etc/subgid-", "empty", READ_ONLY },
	/* root's process writes to these when there is a terminal: to nowhere, as others must not be read there */
	{ "/run/utmp", "utmp", MOUNT_DATA },
	{ "/var/log/wtmp", "wtmp", MOUNT_DATA },
	{ "/var/log/lastlog", "lastlog", MOUNT_DATA },
};

static const char *const made_empty[] = { "empty", "utmp", "wtmp", "lastlog" };

/* Directories of one file system in memory, which the session may fill. */
static const struct {
	const char *path, *name;
	mode_t mode;
} scratch[] = {
	{ "/tmp", "tmp", 01777 },
	{ "/var/tmp", "var-tmp", 01777 },
	{ "/dev/shm", "shm", 01777 },
	{ "/run/user", "user", 0755 },
};

static int system_open(const struct building *b, const struct system_tree *tree)
{
	cleanup_fd int same = path_open_same_mount(b->host, tree->path + 1, O_PATH);

	if (same >= 0 && !tree->always)
		return -ENOENT;
	if (same < 0 && same != -EXDEV)
		return same == -ELOOP ? -ENOENT : same;
	return mount_copy(AT_FDCWD, tree->path, tree->flags, tree->attributes);
}

int systems_open(struct building *b)
{
	for (size_t i = 0; i < SYSTEM_TREES; i++) {
		b->trees[i] = system_open(b, &system_trees[i]);
		if (b->trees[i] < 0 && b->trees[i] != -ENOENT)
			return b->trees[i];
	}
	b->root = mount_copy(b->host, "", 0, READ_ONLY);
	return b->root < 0 ? b->root : 0;
}

int put_and_close(int tree, int target)
{
	int r = target < 0 ? target : mount_put(tree, target);

	if (target >= 0)
		close(target);
	return r;
}

/* Puts it on this path of the new root; nothing if there is no such place. */
static int put_at(const struct building *b, int tree, const char *path)
{
	int target = path_open_in_root(b->root, path, O_PATH);

	return target == -ENOENT || target == -ENOTDIR ? 0 : put_and_close(tree, target);
}

static int copy_at(const struct building *b, const char *name, uint64_t attributes, const char *path)
{
	cleanup_fd int tree = mount_copy(b->frame, name, 0, attributes);

	return tree < 0 ? tree : put_at(b, tree, path);
}

static int directory_make(int dirfd, const char *name, mode_t mode)
{
	int fd = path_make_directory(dirfd, name, mode, 0);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

int stage_make(struct building *b)
{
	static const struct mount_option options[] = {
		{ "mode", "0755" }, { "size", "8m" }, { "nr_inodes", "4096" }, { NULL, NULL }
	};
	int r, fd;

	b->frame = mount_new("tmpfs", options, MOUNT_DATA);
	if (b->frame < 0)
		return b->frame;
	fd = open(STAGE, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = put_and_close(b->frame, fd < 0 ? -errno : fd);
	if (r == 0)
		r = put_and_close(b->root, path_make_directory(b->frame, "root", 0755, 0));
	for (size_t i = 0; r == 0 && i < SYSTEM_TREES; i++)
		if (b->trees[i] >= 0)
			r = put_at(b, b->trees[i], system_trees[i].path);
	return r;
}

int proc_put(const struct building *b)
{
	static const struct mount_option options[] = { { "hidepid", "invisible" }, { NULL, NULL } };
	cleanup_fd int proc = mount_new("proc", options, MOUNT_DATA);

	return proc < 0 ? proc : put_at(b, proc, "/proc");
}

static int user_directory_make(int scratch_fd, uint32_t uid)
{
	char name[32];
	cleanup_fd int fd = -1;

	snprintf(name, sizeof(name), "user/%u", (unsigned)uid);
	if (mkdirat(scratch_fd, name, 0700) != 0)
		return -errno;
	fd = openat(scratch_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 || fchmod(fd, 0700) != 0 || fchown(fd, uid, uid) != 0 ? -errno : 0;
}

/* On the frame, since the kernel copies parts only of what is mounted. */
int scratch_put(const struct building *b)
{
	const uint64_t attributes = MOUNT_PLAIN | (b->view->executes ? 0 : MOUNT_ATTR_NOEXEC);
	const uint64_t mib = b->view->rules->tmp_mib;
	char size[32], names[32], path[32];
	const struct mount_option options[] = { { "size", size }, { "nr_inodes", names }, { NULL, NULL } };
	cleanup_fd int fs = -1;
	int r;

	snprintf(size, sizeof(size), "%llum", (unsigned long long)mib);
	snprintf(names, sizeof(names), "%llu", (unsigned long long)(mib * FILES_EACH_MIB));
	fs = mount_new("tmpfs", options, attributes);
	r = fs < 0 ? fs : put_and_close(fs, path_make_directory(b->frame, "scratch", 0755, 0));
	for (size_t i = 0; r == 0 && i < sizeof(scratch) / sizeof(scratch[0]); i++)
		r = directory_make(fs, scratch[i].name, scratch[i].mode);
	if (r == 0)
		r = user_directory_make(fs, b->view->account->uid);
	for (size_t i = 0; r == 0 && i < sizeof(scratch) / sizeof(scratch[0]); i++) {
		snprintf(path, sizeof(path), "scratch/%s", scratch[i].name);
		r = copy_at(b, path, attributes, scratch[i].path);
	}
	return r;
}

bool files_have(const char *path)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (strcmp(files[i].path, path) == 0)
			return true;
	return false;
}

int files_put(const struct building *b)
{
	int r = private_files_make(b->view, b->frame);

	for (size_t i = 0; r == 0 && i < sizeof(made_empty) / sizeof(made_empty[0]); i++) {
		cleanup_fd int fd = openat(b->frame, made_empty[i], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

		if (fd < 0 || fchmod(fd, 0644) != 0)
			r = -errno;
	}
	for (size_t i = 0; r == 0 && i < sizeof(files) / sizeof(files[0]); i++)
		r = copy_at(b, files[i].name, files[i].attributes, files[i].path);
	return r;
}
