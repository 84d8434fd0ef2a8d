/* SPDX-License-Identifier: ISC */
/*
 * Opens paths that others might tamper with: below a directory, on one mount, or by way of directories that only
 * root can change.
 */
#include "confine/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/cleanup.h"

#define LINKS_MAX 40 /* as the kernel's own walk */
#define AGAIN_MAX 64 /* openat2 says EAGAIN when a rename anywhere races with ".." */

static int open_resolved(int dirfd, const char *path, struct open_how how)
{
	for (int i = 0; i < AGAIN_MAX; i++) {
		long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return -EAGAIN;
}

int path_open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	return open_resolved(dirfd, path, how);
}

int path_open_same_mount(int dirfd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};

	return open_resolved(dirfd, path, how);
}

int path_open_in_root(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	return open_resolved(root, path, how);
}

/* A walk from "/": `rest` is the part that is still to be walked, `trusted` says whether only root could have put the
 * next name where it is. */
struct walk {
	int fd;
	bool trusted;
	unsigned links;
	char rest[PATH_MAX];
};

static int walk_enter(struct walk *walk, int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		walk->trusted = false;
	return 0;
}

static int walk_root(struct walk *walk)
{
	int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (walk->fd >= 0)
		close(walk->fd);
	walk->fd = fd;
	return walk_enter(walk, fd);
}

/* Puts the text of the link that `link` is in front of the rest. */
static int walk_link(struct walk *walk, int link)
{
	char text[PATH_MAX];
	size_t rest = strlen(walk->rest);
	ssize_t length;

	if (!walk->trusted || ++walk->links > LINKS_MAX)
		return -ELOOP;
	length = readlinkat(link, "", text, sizeof(text));
	if (length < 0)
		return -errno;
	if (length == 0 || (size_t)length + 1 + rest + 1 > sizeof(walk->rest))
		return -ENAMETOOLONG;
	memmove(walk->rest + length + 1, walk->rest, rest + 1);
	memcpy(walk->rest, text, (size_t)length);
	walk->rest[length] = '/';
	return text[0] == '/' ? walk_root(walk) : 0;
}

/* Cuts the first component off the rest. 1, 0 at the end, or -ENAMETOOLONG. */
static int walk_component(struct walk *walk, char name[NAME_MAX + 1])
{
	const char *start = walk->rest + strspn(walk->rest, "/");
	size_t length = strcspn(start, "/");

	if (length == 0)
		return 0;
	if (length > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, start, length);
	name[length] = '\0';
	memmove(walk->rest, start + length, strlen(start + length) + 1);
	return 1;
}

static int walk_step(struct walk *walk, const char *name)
{
	cleanup_fd int fd = -1;
	struct stat st;
	int r;

	/* below a directory that others can write, ".." leads wherever they moved it */
	if (strcmp(name, "..") == 0 && !walk->trusted)
		return -ELOOP;
	fd = openat(walk->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return walk_link(walk, fd);
	r = walk_enter(walk, fd);
	if (r < 0)
		return r;
	close(walk->fd);
	walk->fd = steal_fd(&fd);
	return 0;
}

int path_open_trusted(const char *path, int flags)
{
	struct walk walk = { .fd = -1, .trusted = true };
	char name[NAME_MAX + 1];
	int r, fd;

	if (path[0] != '/')
		return -EINVAL;
	if (strlen(path) >= sizeof(walk.rest))
		return -ENAMETOOLONG;
	memcpy(walk.rest, path, strlen(path) + 1);
	r = walk_root(&walk);
	while (r >= 0 && (r = walk_component(&walk, name)) > 0)
		r = walk_step(&walk, name);
	if (r < 0) {
		if (walk.fd >= 0)
			close(walk.fd);
		return r;
	}
	fd = openat(walk.fd, ".", flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = fd < 0 ? -errno : fd;
	close(walk.fd);
	return r;
}

int path_make_directory(int dirfd, const char *name, mode_t mode, uid_t owner)
{
	cleanup_fd int fd = -1;
	struct stat st;
	bool made;

	if (name[0] == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	made = mkdirat(dirfd, name, mode) == 0;
	if (!made && errno != EEXIST)
		return -errno;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP ? -ENOTDIR : -errno;
	if (fstat(fd, &st) != 0)
		return -errno;
	if (st.st_uid != owner)
		return -EPERM;
	/* exactly this mode, whatever the umask is */
	if (made && (st.st_mode & 07777) != mode && fchmod(fd, mode) != 0)
		return -errno;
	return steal_fd(&fd);
}
