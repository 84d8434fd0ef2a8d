/* SPDX-License-Identifier: ISC */
/*
 * Emptying a tree that somebody may be changing meanwhile. Depth first, without
 * recursion: the way back up is a descriptor for the first FDS_MAX levels and ".." below these, which is used only if
 * it is the directory that we came from. A directory is entered only when rmdir(2) says that it is not empty, so names
 * need not be kept.
 */
#include "home/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/cleanup.h"

#define FDS_MAX 64
#define STUCK_MAX 4096
#define ENTRIES_SIZE 32768

struct inode {
	dev_t dev;
	ino_t ino;
};

struct level {
	int fd; /* -1: deeper than FDS_MAX, come back by ".." */
	struct inode inode;
};

struct tree {
	int root;
	struct inode root_inode;
	int fd; /* the directory that is being emptied */
	struct inode inode;
	bool removed;         /* something was deleted since its first entry was read */
	bool visited;         /* something was deleted since it was entered */
	size_t left;          /* entries that stayed since the first one was read */
	struct level *levels; /* the directories above */
	size_t depth, levels_size;
	struct inode *stuck; /* directories that cannot be emptied */
	size_t stuck_count;
	int error; /* the last thing that could not be deleted */
	_Alignas(struct dirent64) char entries[ENTRIES_SIZE];
};

static bool inode_same(struct inode a, struct inode b)
{
	return a.dev == b.dev && a.ino == b.ino;
}

static bool tree_stuck(const struct tree *tree, struct inode inode)
{
	for (size_t i = 0; i < tree->stuck_count; i++)
		if (inode_same(tree->stuck[i], inode))
			return true;
	return false;
}

static void tree_gone(struct tree *tree)
{
	tree->removed = tree->visited = true;
}

static void tree_failed(struct tree *tree, int error)
{
	if (error == ENOENT)
		return;
	tree->left++;
	tree->error = -error;
	/* swapped since it was read: the next round sees it as it is now */
	if (error == ENOTDIR || error == ELOOP)
		tree->removed = true;
}

static int directory_open(int dirfd, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	long fd = syscall(SYS_openat2, dirfd, name, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

static int level_push(struct tree *tree)
{
	if (tree->depth == tree->levels_size) {
		size_t size = tree->levels_size == 0 ? 256 : tree->levels_size * 2;
		struct level *levels = reallocarray(tree->levels, size, sizeof(*levels));

		if (levels == NULL)
			return -ENOMEM;
		tree->levels = levels;
		tree->levels_size = size;
	}
	tree->levels[tree->depth].inode = tree->inode;
	tree->levels[tree->depth].fd = tree->depth < FDS_MAX ? tree->fd : -1;
	if (tree->depth >= FDS_MAX)
		close(tree->fd);
	tree->depth++;
	return 0;
}

/* Goes down into name, a directory that is not empty. 1 gone down, 0 passed over, negative errno: give up. */
static int tree_down(struct tree *tree, const char *name)
{
	cleanup_fd int fd = directory_open(tree->fd, name);
	struct stat st;
	int r;

	/* closed to its own owner: opened by a chmod that does not follow links either */
	if (fd == -EACCES && fchmodat(tree->fd, name, 0700, AT_SYMLINK_NOFOLLOW) == 0)
		fd = directory_open(tree->fd, name);
	if (fd < 0 || fstat(fd, &st) != 0) {
		tree_failed(tree, fd < 0 ? -fd : errno);
		return 0;
	}
	if (tree_stuck(tree, (struct inode){ st.st_dev, st.st_ino })) {
		tree->left++;
		return 0;
	}
	if ((st.st_mode & 0700) != 0700)
		fchmod(fd, 0700); /* without effect on another user's directory: then deleting fails, and says so */
	r = level_push(tree);
	if (r < 0)
		return r;
	tree->fd = steal_fd(&fd);
	tree->inode = (struct inode){ st.st_dev, st.st_ino };
	tree->removed = tree->visited = false;
	tree->left = 0;
	return 1;
}

/* Back to the directory above, by descriptor or by a ".." that is still the same. */
static int tree_up(struct tree *tree)
{
	const struct level *level = &tree->levels[tree->depth - 1];
	cleanup_fd int up = -1;
	struct stat st;

	if (level->fd < 0) {
		up = openat(tree->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (up < 0 || fstat(up, &st) != 0)
			return -errno;
		if (!inode_same(level->inode, (struct inode){ st.st_dev, st.st_ino }))
			return -ESTALE;
	} else {
		up = level->fd;
	}
	close(tree->fd);
	tree->fd = steal_fd(&up);
	tree->inode = level->inode;
	tree->depth--;
	/* the content below has changed, so this one has to be looked at again */
	tree_gone(tree);
	return 0;
}

/* Back to the top: at the end, and if somebody has moved the directories that we are in. */
static void tree_restart(struct tree *tree)
{
	if (tree->fd != tree->root)
		close(tree->fd);
	while (tree->depth > 0) {
		const struct level *level = &tree->levels[--tree->depth];

		if (level->fd >= 0 && level->fd != tree->root)
			close(level->fd);
	}
	tree->fd = tree->root;
	tree->inode = tree->root_inode;
	tree_gone(tree);
}

/* Deletes one entry. 1 gone down into it, 0 done with it, negative errno: give up. */
static int entry_delete(struct tree *tree, const char *name, unsigned char type)
{
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	if (type != DT_DIR && unlinkat(tree->fd, name, 0) == 0)
		tree_gone(tree);
	else if (type != DT_DIR && errno != EISDIR)
		tree_failed(tree, errno);
	else if (unlinkat(tree->fd, name, AT_REMOVEDIR) == 0)
		tree_gone(tree);
	else if (errno == ENOTEMPTY || errno == EEXIST)
		return tree_down(tree, name);
	else
		tree_failed(tree, errno);
	return 0;
}

/* Reads on in the directory. 1 gone down, 0 nothing more to delete in it, negative errno. */
static int tree_read(struct tree *tree)
{
	for (;;) {
		ssize_t n = getdents64(tree->fd, tree->entries, sizeof(tree->entries));

		if (n < 0)
			return -errno;
		if (n == 0) {
			if (!tree->removed)
				return 0;
			/* entries may have been skipped while others were deleted: read it again */
			tree->removed = false;
			tree->left = 0;
			if (lseek(tree->fd, 0, SEEK_SET) < 0)
				return -errno;
		}
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *entry = (const void *)(tree->entries + at);
			int above = tree->fd, r = entry_delete(tree, entry->d_name, entry->d_type);

			if (r < 0)
				return r;
			if (r > 0) {
				/* come back to the entry after it, where the descriptor is kept */
				if (tree->depth <= FDS_MAX)
					lseek(above, entry->d_off, SEEK_SET);
				return 1;
			}
			at += entry->d_reclen;
		}
	}
}

/* A directory that could not be read, or in which a whole visit deleted nothing although it is not empty, is not
 * entered again. */
static int tree_leave(struct tree *tree, bool unreadable)
{
	if (unreadable || (!tree->visited && tree->left > 0)) {
		if (tree->stuck_count == STUCK_MAX)
			return -E2BIG;
		tree->stuck[tree->stuck_count++] = tree->inode;
	}
	if (tree_up(tree) < 0)
		tree_restart(tree);
	return 0;
}

static int tree_run(struct tree *tree)
{
	for (;;) {
		int r = tree_read(tree);

		if (r < 0 && (tree->depth == 0 || r == -ENOMEM))
			return r;
		if (r < 0)
			tree_failed(tree, -r);
		if (r == 0 && tree->depth == 0)
			return tree->left == 0 ? 0 : tree->error != 0 ? tree->error : -ENOTEMPTY;
		if (r > 0)
			continue;
		r = tree_leave(tree, r < 0);
		if (r < 0)
			return r;
	}
}

int tree_empty(int dirfd)
{
	cleanup_free struct tree *tree = calloc(1, sizeof(*tree));
	cleanup_free struct inode *stuck = calloc(STUCK_MAX, sizeof(*stuck));
	struct stat st;
	int r;

	if (tree == NULL || stuck == NULL)
		return -ENOMEM;
	if (fstat(dirfd, &st) != 0)
		return -errno;
	if ((st.st_mode & 0700) != 0700 && fchmod(dirfd, 0700) != 0)
		return -errno;
	tree->root = tree->fd = dirfd;
	tree->root_inode = tree->inode = (struct inode){ st.st_dev, st.st_ino };
	tree->stuck = stuck;
	r = tree_run(tree);
	tree_restart(tree);
	free(tree->levels);
	return r;
}
