/* SPDX-License-Identifier: ISC */
/* Finds the daily copies, and removes old ones. Run by the state program (root): see daily.h. */
#include "subuidd/state/daily.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/date.h"
#include "confine/cleanup.h"
#include "confine/grow.h"
#include "subuidd/call/earlier.h"

#define PREFIX "state-"

int daily_name(int64_t saved, char *out)
{
	char day[DATE_TEXT_MAX + 1];
	int r = date_format(saved / SECONDS_PER_DAY, day);

	if (r == 0)
		snprintf(out, DAILY_NAME_MAX + 1, PREFIX "%s", day);
	return r;
}

int daily_open(const struct settings *settings, bool make, char *why, size_t size)
{
	int fd = earlier_directory(settings->backup_directory, make);

	if (fd == -EPERM)
		snprintf(why, size, "%s must belong to root, and nobody else may write it", settings->backup_directory);
	else if (fd < 0)
		snprintf(why, size, "%s: %s", settings->backup_directory, strerror(-fd));
	return fd;
}

/* The name of one, whatever is in it. */
static bool named(const char *name)
{
	int32_t day;

	return strncmp(name, PREFIX, strlen(PREFIX)) == 0 && date_parse(name + strlen(PREFIX), &day) == 0;
}

static bool header_read(int fd, struct state_header *header)
{
	char text[STATE_HEADER_MAX];
	ssize_t got = pread(fd, text, sizeof(text), 0);
	const char *end = got > 0 ? memmem(text, (size_t)got, "\n\n", 2) : NULL;

	return end != NULL && state_header_parse(text, (size_t)(end + 2 - text), header) == STATE_SOUND;
}

bool daily_made(int dirfd, const char *name, struct state_header *header)
{
	cleanup_fd int fd = -1;
	char expected[DAILY_NAME_MAX + 1];
	struct stat st;

	if (!named(name))
		return false;
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != 0 || !header_read(fd, header))
		return false;
	return daily_name(header->saved, expected) == 0 && strcmp(expected, name) == 0;
}

/* ---- all of them, newest first */

struct copy {
	uint64_t generation;
	char name[DAILY_NAME_MAX + 1];
};

struct copies {
	struct copy *list;
	size_t count, room;
};

/* By the change that they have reached. The day comes from the clock: copies that were made while it ran ahead are no
 * newer. */
static int newer_first(const void *a, const void *b)
{
	const struct copy *one = a, *two = b;

	if (one->generation != two->generation)
		return one->generation < two->generation ? 1 : -1;
	return strcmp(two->name, one->name);
}

static int copies_add(struct copies *copies, const char *name, uint64_t generation)
{
	struct copy *list = array_grow(copies->list, copies->count, &copies->room, sizeof(*list));

	if (list == NULL)
		return -ENOMEM;
	copies->list = list;
	copies->list[copies->count].generation = generation;
	memcpy(copies->list[copies->count++].name, name, sizeof(copies->list->name)); /* daily_made(): just so long */
	return 0;
}

static int copies_list(int dirfd, struct copies *copies)
{
	cleanup_dir DIR *dir = NULL;
	const struct dirent *entry;
	struct state_header header;
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		r = -errno;
		cleanup_fd_p(&fd);
		return r;
	}
	while (r == 0 && (errno = 0, entry = readdir(dir)) != NULL)
		if (daily_made(dirfd, entry->d_name, &header))
			r = copies_add(copies, entry->d_name, header.generation);
	if (r == 0 && errno != 0)
		r = -errno;
	if (r == 0 && copies->count > 0)
		qsort(copies->list, copies->count, sizeof(*copies->list), newer_first);
	return r;
}

int daily_prune(int dirfd, unsigned keep, const char *made)
{
	struct copies copies = { .count = 0 };
	int r = copies_list(dirfd, &copies), left = (int)copies.count;

	for (size_t i = keep; r == 0 && i < copies.count; i++) {
		if (strcmp(copies.list[i].name, made) == 0)
			continue;
		if (unlinkat(dirfd, copies.list[i].name, 0) < 0)
			r = -errno;
		else
			left--;
	}
	free(copies.list);
	return r < 0 ? r : left;
}

int daily_newest(int dirfd, char *name, struct state_header *header)
{
	struct copies copies = { .count = 0 };
	int r = copies_list(dirfd, &copies);

	if (r == 0 && (copies.count == 0 || !daily_made(dirfd, copies.list[0].name, header)))
		r = -ENOENT;
	if (r == 0)
		memcpy(name, copies.list[0].name, sizeof(copies.list[0].name));
	free(copies.list);
	return r;
}
