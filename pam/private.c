/* SPDX-License-Identifier: ISC */
/*
 * Builds the root of a session out of copies of a few of the host's mounts, and enters it. A session has only the
 * mounts that a table names: no other disk, no other home, nothing that a user mounted somewhere. It would not do to
 * cover these, since /proc/self/mountinfo names covered mounts too, and with them the accounts that have views. Run by
 * pam_subuid, as root.
 */
#include "pam/private_build.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/cleanup.h"

static int root_enter(const struct building *b)
{
	/* the old root comes to lie on the new one, and is taken off with all that is mounted in it */
	if (fchdir(b->root) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0)
		return -errno;
	return chdir("/") != 0 ? -errno : 0;
}

static int root_build(struct building *b)
{
	struct mount_attr apart = { .propagation = MS_PRIVATE };
	int r;

	*b->step = "mount propagation";
	b->host = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (b->host < 0 || mount_setattr(b->host, "", AT_EMPTY_PATH | AT_RECURSIVE, &apart, sizeof(apart)) != 0)
		return -errno;
	*b->step = "copies of mounts";
	r = systems_open(b);
	if (r < 0)
		return r;
	*b->step = "the home, or a path that is opened";
	r = places_open(b);
	if (r < 0)
		return r;
	*b->step = "new root";
	r = stage_make(b);
	if (r < 0)
		return r;
	*b->step = "/proc";
	r = proc_put(b);
	if (r < 0)
		return r;
	*b->step = "/tmp";
	r = scratch_put(b);
	if (r < 0)
		return r;
	*b->step = "directories with names of users";
	r = names_put(b);
	if (r < 0)
		return r;
	*b->step = "/etc/passwd";
	r = files_put(b);
	if (r < 0)
		return r;
	*b->step = "hidden directories";
	r = hide_all(b);
	if (r < 0)
		return r;
	*b->step = "place of the home, or of a path that is opened";
	r = places_put(b);
	if (r < 0)
		return r;
	*b->step = "change of the root";
	return root_enter(b);
}

static void building_done(const struct building *b)
{
	for (size_t i = 0; i < PRIVATE_TREES_MAX; i++)
		if (b->trees[i] >= 0)
			close(b->trees[i]);
	for (unsigned i = 0; i < b->count; i++)
		close(b->places[i].tree);
	for (const int *fd = (const int[]){ b->host, b->root, b->frame, -2 }; *fd != -2; fd++)
		if (*fd >= 0)
			close(*fd);
}

/* Where the process was: a directory that it has open, and the path of that. */
struct origin {
	int namespace, directory;
	char path[PATH_MAX];
};

static int origin_keep(struct origin *origin)
{
	if (getcwd(origin->path, sizeof(origin->path)) == NULL)
		origin->path[0] = '\0';
	origin->directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	origin->namespace = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	return origin->namespace < 0 ? -errno : 0;
}

/* Whatever was built goes with the namespace, in which nobody is any more. */
static void go_back(const struct origin *origin)
{
	if (setns(origin->namespace, CLONE_NEWNS) == 0 && fchdir(origin->directory) != 0)
		errno = 0; /* the root it is, then */
}

static int private_make(const struct private_view *view, const struct origin *origin, const char **step)
{
	cleanup_free struct building *b = calloc(1, sizeof(*b));
	int r;

	if (b == NULL)
		return -ENOMEM;
	*b = (struct building){ .view = view, .step = step, .host = -1, .root = -1, .frame = -1 };
	for (size_t i = 0; i < PRIVATE_TREES_MAX; i++)
		b->trees[i] = -1;
	if (unshare(CLONE_NEWNS) != 0)
		return -errno;
	r = root_build(b);
	building_done(b);
	if (r < 0)
		go_back(origin);
	else if (origin->path[0] == '/' && chdir(origin->path) != 0)
		errno = 0; /* it is not in the session, which begins in the root then */
	return r;
}

int private_enter(const struct private_view *view, const char **step)
{
	struct origin origin;
	int r;

	*step = "mount namespace";
	r = origin_keep(&origin);
	if (r == 0) {
		r = private_make(view, &origin, step);
		close(origin.namespace);
	}
	if (origin.directory >= 0)
		close(origin.directory);
	return r;
}
