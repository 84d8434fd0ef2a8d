/* SPDX-License-Identifier: ISC */
/*
 * Counting a tree that somebody may be changing meanwhile. It follows no link and enters no mount: an entry is opened
 * with O_PATH, which asks no file server, before it is looked at. It ends when a limit is passed, so that its cost is
 * bounded by the limit, whatever the tree is like.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/account.h"
#include "confine/cleanup.h"
#include "confine/path.h"
#include "home/count.h"

#define BLOCK 512u /* of st_blocks */

struct walk {
	const struct count_limits *limits;
	DIR *levels[COUNT_DEPTH];
	size_t depth;
	double files, bytes; /* each name of a file with n names counts 1/n */
	uint64_t names, names_max;
	bool deep;
};

static bool walk_over(const struct walk *walk)
{
	const struct count_limits *limits = walk->limits;

	return walk->deep || (limits->files != 0 && walk->files > (double)limits->files + 0.5) ||
	       (limits->bytes != 0 && walk->bytes > (double)limits->bytes) ||
	       (walk->names_max != 0 && walk->names > walk->names_max);
}

/* Takes fd. */
static void walk_enter(struct walk *walk, int fd)
{
	DIR *dir = walk->depth < COUNT_DEPTH ? fdopendir(fd) : NULL;

	if (dir != NULL) {
		walk->levels[walk->depth++] = dir;
		return;
	}
	walk->deep = true;
	close(fd);
}

static void walk_entry(struct walk *walk, int dirfd, const char *name)
{
	cleanup_fd int place = path_open_same_mount(dirfd, name, O_PATH | O_NOFOLLOW);
	struct stat st;
	int fd;

	if (place < 0 || fstat(place, &st) != 0) /* gone, or a mount: its content is on another file system */
		return;
	walk->names++;
	walk->files += S_ISDIR(st.st_mode) || st.st_nlink < 2 ? 1 : 1.0 / (double)st.st_nlink;
	walk->bytes +=
		(double)st.st_blocks * BLOCK / (S_ISDIR(st.st_mode) || st.st_nlink < 2 ? 1 : (double)st.st_nlink);
	if (!S_ISDIR(st.st_mode))
		return;
	fd = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		walk_enter(walk, fd);
	else if (errno == EMFILE || errno == ENFILE)
		walk->deep = true;
}

static bool dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

struct home_count tree_count(int root, const struct count_limits *limits)
{
	struct walk walk = { .limits = limits };
	struct home_count count = { .verdict = COUNT_NOT };
	int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return count;
	if (limits->files != 0)
		walk.names_max = (limits->files > FILES_LEAST ? limits->files : FILES_LEAST) * COUNT_NAMES;
	walk.files = 1;
	walk_enter(&walk, fd);
	while (walk.depth > 0 && !walk_over(&walk)) {
		DIR *dir = walk.levels[walk.depth - 1];
		const struct dirent *entry = readdir(dir);

		if (entry == NULL) {
			closedir(dir);
			walk.depth--;
		} else if (!dots(entry->d_name)) {
			walk_entry(&walk, dirfd(dir), entry->d_name);
		}
	}
	count.verdict = walk_over(&walk) ? COUNT_OVER : COUNT_WITHIN;
	while (walk.depth > 0)
		closedir(walk.levels[--walk.depth]);
	count.files = (uint64_t)(walk.files + 0.5);
	count.bytes = (uint64_t)walk.bytes;
	return count;
}
