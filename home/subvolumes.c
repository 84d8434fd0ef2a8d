/* SPDX-License-Identifier: ISC */
/*
 * Deletes btrfs subvolumes inside a home. Containers make them, and so can anyone who has the uid, also read-only
 * ones. Only root can delete them. Run by a child of the broker, as root.
 *
 * The kernel says where they are; the way to each is walked by descriptor, below the home, through no link and no
 * mount: an account that moves something meanwhile can only get something else of its own deleted.
 */
#include "home/subvolumes.h"

#include <btrfsutil.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/path.h"
#include "home/internal.h"

#define ROUNDS 4 /* while somebody makes new ones */

/* The part of the kernel's paths that leads to the home; "" if the home is a subvolume itself. */
struct top {
	int home;
	uint64_t id; /* of the subvolume that the home is, or is in */
	char prefix[BTRFS_INO_LOOKUP_PATH_MAX + 1];
};

typedef int (*each)(const struct top *top, const char *path, uint64_t id);

static int top_find(int home, struct top *top)
{
	struct btrfs_ioctl_ino_lookup_args where = { .treeid = 0 };
	struct stat st;

	*top = (struct top){ .home = home };
	errno = 0;
	if (fstat(home, &st) != 0 || btrfs_util_subvolume_id_fd(home, &top->id) != BTRFS_UTIL_OK)
		return errno != 0 ? -errno : -EIO;
	if (home_is_subvolume(home))
		return 0;
	where.objectid = st.st_ino;
	if (ioctl(home, BTRFS_IOC_INO_LOOKUP, &where) != 0)
		return -errno;
	memcpy(top->prefix, where.name, strnlen(where.name, sizeof(where.name))); /* ends with a slash */
	return 0;
}

/* How many `act` was called for, or negative errno. */
static int walk(const struct top *top, int order, each act)
{
	struct btrfs_util_subvolume_iterator *iterator;
	size_t length = strlen(top->prefix);
	enum btrfs_util_error error;
	int r = 0, count = 0;
	uint64_t id;
	char *path;

	errno = 0;
	if (btrfs_util_create_subvolume_iterator_fd(top->home, top->id, order, &iterator) != BTRFS_UTIL_OK)
		return errno != 0 ? -errno : -EIO;
	while ((error = btrfs_util_subvolume_iterator_next(iterator, &path, &id)) == BTRFS_UTIL_OK) {
		if (strncmp(path, top->prefix, length) == 0) {
			int one = act(top, path + length, id);

			count++;
			r = one < 0 ? one : r;
		}
		free(path);
	}
	btrfs_util_destroy_subvolume_iterator(iterator);
	if (error != BTRFS_UTIL_ERROR_STOP_ITERATION)
		return -EIO;
	return r < 0 ? r : count;
}

static int make_writable(const struct top *top, const char *path, uint64_t id)
{
	cleanup_fd int fd = path_open_same_mount(top->home, path, O_RDONLY | O_DIRECTORY);
	bool read_only = false;

	(void)id;
	if (fd < 0)
		return fd;
	errno = 0;
	if (btrfs_util_get_subvolume_read_only_fd(fd, &read_only) != BTRFS_UTIL_OK ||
	    (read_only && btrfs_util_set_subvolume_read_only_fd(fd, false) != BTRFS_UTIL_OK))
		return errno != 0 ? -errno : -EIO;
	return 0;
}

/* The broker lacks CAP_DAC_OVERRIDE, and deleting takes CAP_SYS_ADMIN, so the entry is looked up as the directory's
 * owner (file system uid), with root's capabilities. The directory keeps its owner; its mode is put back, and a run
 * that is killed before that does not make it worse for the next one. */
static int delete_in(int parent, const char *name)
{
	struct stat st;
	int r = 0;

	if (fstat(parent, &st) != 0 || fchmod(parent, 0700) != 0)
		return -errno;
	setfsuid(st.st_uid);
	errno = 0;
	if (btrfs_util_delete_subvolume_fd(parent, name, 0) != BTRFS_UTIL_OK)
		r = errno != 0 ? -errno : -EIO;
	setfsuid(0);
	if (fchmod(parent, st.st_mode & 0777) != 0)
		r = r < 0 ? r : -errno;
	return r;
}

static int delete_one(const struct top *top, const char *path, uint64_t id)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *above = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path));
	cleanup_fd int parent =
		above == NULL ? -ENOMEM : path_open_same_mount(top->home, above, O_RDONLY | O_DIRECTORY);

	(void)id;
	return parent < 0 ? parent : delete_in(parent, slash == NULL ? path : slash + 1);
}

static int delete_nested(int home)
{
	struct top top;
	int r = top_find(home, &top), count = 1;

	for (int i = 0; r >= 0 && count > 0 && i < ROUNDS; i++) {
		walk(&top, 0, make_writable); /* outer ones first: nothing inside a read-only one can be deleted */
		count = walk(&top, BTRFS_UTIL_SUBVOLUME_ITERATOR_POST_ORDER, delete_one);
		r = count < 0 ? count : 0;
	}
	return r < 0 ? r : count == 0 ? 0 : -EBUSY;
}

int subvolumes_delete(int dir, int home)
{
	int r;

	if (!home_on_btrfs(home))
		return 0;
	/* most have none in them */
	if (home_is_subvolume(home) && btrfs_util_delete_subvolume_fd(dir, "home", 0) == BTRFS_UTIL_OK)
		return 1;
	if (home_is_subvolume(home))
		(void)btrfs_util_set_subvolume_read_only_fd(home, false);
	r = delete_nested(home);
	if (r < 0 || !home_is_subvolume(home))
		return r;
	errno = 0;
	return btrfs_util_delete_subvolume_fd(dir, "home", 0) == BTRFS_UTIL_OK ? 1 : errno != 0 ? -errno : -EIO;
}

struct visit {
	struct top top; /* first: act is given a visit */
	subvolume_act act;
	const void *data;
};

static int visit_one(const struct top *top, const char *path, uint64_t id)
{
	const struct visit *visit = (const void *)top;

	(void)path;
	return visit->act(visit->data, top->home, id);
}

int subvolumes_each(int home, subvolume_act act, const void *data)
{
	struct visit visit = { .act = act, .data = data };
	int r = home_on_btrfs(home) ? top_find(home, &visit.top) : -EOPNOTSUPP;

	return r < 0 ? r : walk(&visit.top, 0, visit_one);
}
