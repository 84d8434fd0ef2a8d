/* SPDX-License-Identifier: ISC */
/* A tree that was pushed, copied out harmless (copy.h). Runs as the owner, in the namespace of the account. */
#include "cli/copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/path.h"

#define CHUNK (1u << 20)

struct inode {
	dev_t dev;
	ino_t ino;
	char *path; /* of the copy, below its top */
};

bool copy_link_stays(const char *target, unsigned depth)
{
	bool down = false;

	if (target[0] == '/' || target[0] == '\0')
		return false;
	for (const char *at = target; *at != '\0';) {
		size_t length = strcspn(at, "/");

		if (length == 2 && at[0] == '.' && at[1] == '.') {
			/* after a name, which may be a link itself, it could lead anywhere */
			if (down || depth == 0)
				return false;
			depth--;
		} else if (length > 0 && !(length == 1 && at[0] == '.')) {
			down = true;
		}
		at += length;
		at += strspn(at, "/");
	}
	return true;
}

static void failed(struct copy *copy, const char *path, int error)
{
	copy->counts.failed++;
	copy->failed(copy->data, path, error < 0 ? -error : error);
}

static int remember(char ***list, size_t *count, const char *path)
{
	char **more = reallocarray(*list, *count + 1, sizeof(*more));
	char *copy = strdup(path);

	if (more != NULL)
		*list = more;
	if (more == NULL || copy == NULL) {
		free(copy);
		return -ENOMEM;
	}
	more[(*count)++] = copy;
	return 0;
}

/* ---- mode and owner: last, when nothing is written to it any more */

static int finish(const struct copy *copy, const struct stored_entry *entry, int fd)
{
	const struct timespec times[2] = { entry->disk.st_atim, entry->disk.st_mtim };
	bool directory = S_ISDIR(entry->server.mode);
	mode_t mode = (entry->server.mode & 0777) | (directory ? 0700 : 0600);

	if (copy->untrusted)
		mode = directory ? 0755 : 0644;
	if (fchmod(fd, mode) != 0 || futimens(fd, times) != 0)
		return -errno;
	return copy->untrusted && fchown(fd, copy->uid, copy->uid) != 0 ? -errno : 0;
}

/* ---- files */

static int inode_compare(const void *a, const void *b)
{
	const struct inode *one = a, *other = b;

	if (one->dev != other->dev)
		return one->dev < other->dev ? -1 : 1;
	return one->ino == other->ino ? 0 : one->ino < other->ino ? -1 : 1;
}

static void inode_free(void *inode)
{
	free(((struct inode *)inode)->path);
	free(inode);
}

/* A file that has several names: 1 if the copy of the first one got this name too. Otherwise a copy is made. */
static int link_again(struct copy *copy, const struct stored_entry *entry, int target, const char *name)
{
	const struct inode key = { .dev = entry->disk.st_dev, .ino = entry->disk.st_ino };
	struct inode *const *found = entry->disk.st_nlink > 1 ? tfind(&key, &copy->inodes, inode_compare) : NULL;
	cleanup_fd int fd = -1;
	char self[32];

	if (found == NULL)
		return 0;
	fd = path_open_beneath(copy->target, (*found)->path, O_PATH | O_NOFOLLOW, 0);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return fd >= 0 && linkat(AT_FDCWD, self, target, name, AT_SYMLINK_FOLLOW) == 0 ? 1 : 0;
}

static void link_remember(struct copy *copy, const struct stored_entry *entry, const char *path)
{
	struct inode *inode = entry->disk.st_nlink > 1 && path != NULL ? calloc(1, sizeof(*inode)) : NULL;

	if (inode == NULL)
		return;
	*inode = (struct inode){ entry->disk.st_dev, entry->disk.st_ino, strdup(path) };
	if (inode->path == NULL || tsearch(inode, &copy->inodes, inode_compare) == NULL)
		inode_free(inode);
}

static int write_whole(int fd, const char *buffer, size_t size, off_t at)
{
	while (size > 0) {
		ssize_t n = pwrite(fd, buffer, size, at);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			buffer += n;
			at += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

static int span_copy(struct copy *copy, int from, int to, off_t at, off_t end)
{
	static char buffer[CHUNK];

	while (at < end) {
		size_t most = end - at < (off_t)CHUNK ? (size_t)(end - at) : CHUNK;
		ssize_t n = pread(from, buffer, most, at);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0; /* it became shorter */
		r = write_whole(to, buffer, (size_t)n, at);
		if (r < 0)
			return r;
		at += n;
		copy->counts.bytes += (uint64_t)n;
		copy->progress(copy->data, &copy->counts);
	}
	return 0;
}

/* Holes stay holes: one of 8 TiB costs the pusher nothing. */
static int data_copy(struct copy *copy, const struct stored_entry *entry, int to)
{
	off_t size = entry->disk.st_size, at = 0;

	while (at < size) {
		off_t data = lseek(entry->fd, at, SEEK_DATA), hole;
		int r;

		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0 || data >= size)
			data = data < 0 ? at : size;
		hole = lseek(entry->fd, data, SEEK_HOLE);
		if (hole < 0 || hole > size)
			hole = size;
		r = span_copy(copy, entry->fd, to, data, hole);
		if (r < 0)
			return r;
		at = hole;
	}
	return ftruncate(to, size) == 0 ? 0 : -errno;
}

static int file_copy(struct copy *copy, const struct stored_entry *entry, int target, const char *name,
		     const char *path)
{
	cleanup_fd int fd = -1;
	int r = link_again(copy, entry, target, name);

	if (r == 0) {
		fd = openat(target, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		r = fd < 0 ? -errno : data_copy(copy, entry, fd);
		if (r == 0)
			r = finish(copy, entry, fd);
		if (r == 0)
			link_remember(copy, entry, path);
	}
	if (r < 0)
		return r;
	copy->counts.files++;
	copy->progress(copy->data, &copy->counts);
	return 0;
}

/* ---- everything */

static unsigned depth_of(const char *path)
{
	unsigned depth = 0;

	for (; path != NULL && *path != '\0'; path++)
		depth += *path == '/';
	return depth;
}

static int link_copy(struct copy *copy, const struct stored_entry *entry, int target, const char *name,
		     const char *path)
{
	if (path == NULL || !copy_link_stays(entry->target, depth_of(path))) {
		copy->counts.links_left++;
		return 1;
	}
	if (symlinkat(entry->target, target, name) != 0)
		return -errno;
	copy->counts.links++;
	return copy->untrusted && fchownat(target, name, copy->uid, copy->uid, AT_SYMLINK_NOFOLLOW) != 0 ? -errno : 0;
}

/* path: below the top, NULL for one file that is copied alone. 0, 1 left out, or negative errno. */
static int other_copy(struct copy *copy, struct stored_entry *entry, int target, const char *name, const char *path)
{
	if (S_ISREG(entry->server.mode))
		return file_copy(copy, entry, target, name, path);
	if (S_ISLNK(entry->server.mode))
		return link_copy(copy, entry, target, name, path);
	copy->counts.devices_left++;
	return 1;
}

int copy_one(struct copy *copy, struct stored_entry *entry, int target, const char *name)
{
	return other_copy(copy, entry, target, name, NULL);
}

static void child_copy(struct copy *copy, int source, int target, const char *path, const char *name)
{
	static struct stored_entry entry;
	char whole[PATH_MAX];
	bool top = strcmp(path, ".") == 0;
	int r;

	if (snprintf(whole, sizeof(whole), "%s%s%s", top ? "" : path, top ? "" : "/", name) >= (int)sizeof(whole)) {
		failed(copy, name, ENAMETOOLONG);
		return;
	}
	r = entry_open(source, name, &entry);
	if (r == 0 && S_ISDIR(entry.server.mode)) {
		r = mkdirat(target, name, 0700) == 0 ? remember(&copy->left, &copy->left_count, whole) : -errno;
		copy->counts.directories++;
	} else if (r == 0) {
		r = other_copy(copy, &entry, target, name, whole);
	}
	if (r >= 0 && copy->listed != NULL)
		copy->listed(copy->data, whole, &entry, r == 1);
	entry_close(&entry);
	if (r < 0)
		failed(copy, whole, r);
}

static void directory_copy(struct copy *copy, const char *path)
{
	cleanup_fd int source = path_open_same_mount(copy->source, path, O_RDONLY | O_DIRECTORY);
	cleanup_fd int target = path_open_beneath(copy->target, path, O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = source < 0 || target < 0 ? NULL : fdopendir(dup(source));
	const struct dirent *entry;

	if (dir == NULL || remember(&copy->made, &copy->made_count, path) < 0) {
		failed(copy, path, source < 0 ? source : target < 0 ? target : errno);
		if (dir != NULL)
			closedir(dir);
		return;
	}
	while ((entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			child_copy(copy, source, target, path, entry->d_name);
	closedir(dir);
}

/* The top itself is the caller's business. */
static void directory_finish(struct copy *copy, const char *path)
{
	static struct stored_entry entry;
	cleanup_fd int target = path_open_beneath(copy->target, path, O_RDONLY | O_DIRECTORY, 0);
	int r = target < 0 ? target : entry_open(copy->source, path, &entry);

	if (r == 0) {
		r = strcmp(path, ".") != 0 || !copy->untrusted ? finish(copy, &entry, target) : 0;
		entry_close(&entry);
	}
	if (r < 0)
		failed(copy, path, r);
}

void copy_tree(struct copy *copy, int source, int target)
{
	copy->source = source;
	copy->target = target;
	directory_copy(copy, ".");
	while (copy->left_count > 0) {
		cleanup_free char *next = copy->left[--copy->left_count];

		directory_copy(copy, next);
	}
	while (copy->made_count > 0) {
		cleanup_free char *next = copy->made[--copy->made_count];

		directory_finish(copy, next);
	}
	tdestroy(copy->inodes, inode_free);
	free(copy->left);
	free(copy->made);
}
