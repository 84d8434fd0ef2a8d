/* SPDX-License-Identifier: ISC */
/*
 * Takes away all mounts below a directory: an owner's FUSE, a bind mount of root's. Run by a child of the broker,
 * as root, before the data of a removed account is deleted.
 *
 * Mounts are read from /proc and never asked: a dead or hanging file server would hold up the process that asks. The
 * mount point is reached by descriptor, from the directory, through no link and no other mount, so that changes by the
 * account meanwhile lead nowhere else; a mount below another one goes together with it.
 */
#include "home/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "account/name.h"
#include "confine/cleanup.h"
#include "confine/path.h"

#define ROUNDS 16 /* each takes one of several stacked mounts off */

struct below {
	int dir;
	char path[PATH_MAX]; /* of dir, with a slash at its end */
	size_t length;
	unsigned detached, left;
	char *why; /* the first one that is left */
	size_t size;
};

static void file_close(FILE **file)
{
	if (*file != NULL)
		fclose(*file);
}

/* Blanks and the like are written as \040. In place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' && from[2] <= '7' &&
		    from[3] >= '0' && from[3] <= '7') {
			*to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* The mount point and the type in a line of mountinfo, which is cut up. */
static bool line_parse(char *line, char **point, char **type)
{
	char *rest = NULL, *word = strtok_r(line, " ", &rest);

	*point = NULL;
	for (int i = 0; word != NULL && strcmp(word, "-") != 0; i++, word = strtok_r(NULL, " ", &rest))
		if (i == 4)
			*point = word;
	*type = word == NULL ? NULL : strtok_r(NULL, " ", &rest);
	if (*point == NULL || *type == NULL)
		return false;
	unescape(*point);
	return true;
}

/* The directory that the mount point is in. -EXDEV: it is below another mount. */
static int parent_open(int dir, const char *path, const char **name)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');

	*name = slash == NULL ? path : slash + 1;
	if (slash == NULL)
		return path_open_same_mount(dir, ".", O_PATH | O_DIRECTORY);
	snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	return path_open_same_mount(dir, parent, O_PATH | O_DIRECTORY);
}

int mount_detach(int dir, const char *path)
{
	char place[64 + NAME_MAX];
	const char *name;
	cleanup_fd int parent = parent_open(dir, path, &name);

	if (parent < 0)
		return parent;
	if (snprintf(place, sizeof(place), "/proc/self/fd/%d/%s", parent, name) >= (int)sizeof(place))
		return -ENAMETOOLONG;
	/* umount2(2) takes no descriptor; /proc/self/fd leads to the very directory, and the last name is not followed
	 */
	return umount2(place, MNT_DETACH | UMOUNT_NOFOLLOW) == 0 ? 0 : -errno;
}

static void line_serve(void *data, char *line)
{
	struct below *below = data;
	char escaped[128], *point, *type;
	int r;

	if (!line_parse(line, &point, &type) || strncmp(point, below->path, below->length) != 0)
		return;
	r = mount_detach(below->dir, point + below->length);
	if (r == 0) {
		below->detached++;
		return;
	}
	if (below->left++ == 0)
		snprintf(below->why, below->size, "%.32s is mounted on its %s", type,
			 text_escape(point + below->length, escaped, sizeof(escaped)));
}

static int lines_each(void (*each)(void *data, char *line), void *data)
{
	__attribute__((cleanup(file_close))) FILE *mounts = fopen("/proc/self/mountinfo", "re");
	cleanup_free char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (mounts == NULL)
		return -errno;
	while ((n = getline(&line, &size, mounts)) > 0) {
		line[n - 1] = '\0';
		each(data, line);
	}
	return ferror(mounts) ? -EIO : 0;
}

static int round_run(struct below *below)
{
	below->detached = below->left = 0;
	return lines_each(line_serve, below);
}

struct asked {
	const char *path;
	mounts_each_fn each;
	void *data;
};

static void line_tell(void *data, char *line)
{
	const struct asked *asked = data;
	size_t length = strlen(asked->path);
	char *point, *type;

	if (line_parse(line, &point, &type) && strncmp(point, asked->path, length) == 0 && point[length] == '/')
		asked->each(asked->data, point + length + 1);
}

int mounts_each(const char *path, mounts_each_fn each, void *data)
{
	struct asked asked = { path, each, data };

	return lines_each(line_tell, &asked);
}

static int below_open(struct below *below)
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", below->dir);
	n = readlink(link, below->path, sizeof(below->path) - 2);
	if (n <= 0)
		return -errno;
	below->path[n] = '/';
	below->path[n + 1] = '\0';
	below->length = (size_t)n + 1;
	return 0;
}

int mounts_detach(int dir, char *why, size_t size)
{
	struct below below = { .dir = dir, .why = why, .size = size };
	int r = below_open(&below);

	for (int i = 0; r == 0 && i < ROUNDS; i++) {
		r = round_run(&below);
		if (r == 0 && below.detached == 0)
			return below.left == 0 ? 0 : -EBUSY;
	}
	return r < 0 ? r : -EBUSY;
}
