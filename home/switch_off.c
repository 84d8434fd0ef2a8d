/* SPDX-License-Identifier: ISC */
/*
 * Takes off what the daemon has mounted, for a host that is switched off: the owners' views, and the mount that the
 * homes were made when the mount that they are in was not shared (subuidd/base/handed.c). Data, links and directories
 * stay. Run as root by `subuidd --withdraw`, while no daemon runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "confine/cleanup.h"
#include "confine/path.h"
#include "home/home.h"
#include "home/mounts.h"

#define MOUNTINFO "/proc/self/mountinfo"
#define ROUNDS 16 /* views that are mounted over one another */

struct views {
	int dir;
	unsigned detached;
	int error; /* of the last one that stays */
};

/* OWNER/LABEL/view */
static bool is_view(const char *name)
{
	const char *label = strchr(name, '/'), *last = label == NULL ? NULL : strchr(label + 1, '/');

	return last != NULL && strcmp(last, "/view") == 0;
}

static void view_detach(void *data, const char *name)
{
	struct views *views = data;
	int r = is_view(name) ? mount_detach(views->dir, name) : -ENOENT;

	if (r == 0)
		views->detached++;
	else if (r != -ENOENT) /* or hidden by another mount */
		views->error = r;
}

/* A round for the topmost of each. */
static int views_detach(const char *homes)
{
	cleanup_fd int dir = path_open_trusted(homes, O_RDONLY | O_DIRECTORY);
	struct views views = { .dir = dir };
	int r = dir < 0 ? dir : 0;

	for (int i = 0; r == 0 && i < ROUNDS; i++) {
		views.detached = 0;
		views.error = 0;
		r = mounts_each(homes, view_detach, &views);
		if (views.detached == 0)
			break;
	}
	return r == -ENOENT ? 0 : r < 0 ? r : views.error;
}

/* A line of mountinfo, as far as it is asked here. */
struct mount_line {
	char id[16], parent[16], device[16], root[256], point[256];
};

/* The last line that fits: the topmost mount of those at one place. NULL: any id, any point. */
static bool line_find(const char *id, const char *point, struct mount_line *found)
{
	cleanup_file FILE *file = fopen(MOUNTINFO, "re");
	cleanup_free char *text = NULL;
	struct mount_line line;
	size_t size = 0;
	bool any = false;

	while (file != NULL && getline(&text, &size, file) > 0) {
		if (sscanf(text, "%15s %15s %15s %255s %255s", line.id, line.parent, line.device, line.root,
			   line.point) != 5 ||
		    (id != NULL && strcmp(line.id, id) != 0) || (point != NULL && strcmp(line.point, point) != 0))
			continue;
		*found = line;
		any = true;
	}
	return any;
}

/* The directory is mounted over itself: no administrator's disk, and no other directory. */
static bool over_itself(const char *path)
{
	struct mount_line own, parent;
	size_t above;

	if (!line_find(NULL, path, &own) || !line_find(own.parent, NULL, &parent) ||
	    strcmp(own.device, parent.device) != 0)
		return false;
	above = strcmp(parent.point, "/") == 0 ? 0 : strlen(parent.point);
	if (strncmp(path, parent.point, above) != 0)
		return false;
	if (strcmp(parent.root, "/") == 0)
		return strcmp(own.root, path + above) == 0;
	return strncmp(own.root, parent.root, strlen(parent.root)) == 0 &&
	       strcmp(own.root + strlen(parent.root), path + above) == 0;
}

int homes_switch_off(const char *path)
{
	/* a mount of its own hides the views that were mounted before, which are named all the same */
	for (int i = 0; i < ROUNDS; i++) {
		int r = views_detach(path);

		if (!over_itself(path))
			return r;
		if (umount2(path, UMOUNT_NOFOLLOW) < 0)
			return -errno;
	}
	return -EBUSY;
}
