/* SPDX-License-Identifier: ISC */
/*
 * Looks for the newest file that a pattern matches in a repository below the home. Run by the login shell, outside of
 * what the client's tool runs in, as the account: it follows no link and reads names and dates alone.
 */
#include "backup/run_added.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/cleanup.h"

#define DEPTH_MAX 4         /* of a repository below the home */
#define ENTRIES_MAX 100000u /* of all that is looked at */

struct look {
	const char *pattern;
	struct timespec newest;
	unsigned entries;
	bool full;
};

static bool later(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

static DIR *open_directory(int at, const char *name)
{
	cleanup_fd int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);

	if (directory != NULL)
		steal_fd(&fd);
	return directory;
}

static struct dirent *next_entry(struct look *look, DIR *directory)
{
	struct dirent *entry;

	do
		entry = readdir(directory);
	while (entry != NULL && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	if (entry != NULL && ++look->entries > ENTRIES_MAX) {
		look->full = true;
		return NULL;
	}
	return entry;
}

/* Looks at the matches of the pattern in a directory. True if there are any. */
static bool look_at(struct look *look, int at)
{
	char way[RUN_ADDED_PATTERN_MAX + 1] = ".";
	const char *slash = strrchr(look->pattern, '/'), *last = slash != NULL ? slash + 1 : look->pattern;
	struct dirent *entry;
	struct stat st;
	bool any = false;
	DIR *directory;

	if (slash != NULL)
		snprintf(way, sizeof(way), "%.*s", (int)(slash - look->pattern), look->pattern);
	directory = open_directory(at, way);
	while (directory != NULL && (entry = next_entry(look, directory)) != NULL) {
		if (fnmatch(last, entry->d_name, FNM_PERIOD) != 0 ||
		    fstatat(dirfd(directory), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		any = true;
		if (later(st.st_ctim, look->newest))
			look->newest = st.st_ctim;
	}
	if (directory != NULL)
		closedir(directory);
	return any;
}

/* A directory that is a repository is not looked into any further. */
static void look_below(struct look *look, int at, const char *name, unsigned depth)
{
	DIR *directory = open_directory(at, name);
	struct dirent *entry;

	if (directory == NULL)
		return;
	if (!look_at(look, dirfd(directory)) && depth < DEPTH_MAX)
		while ((entry = next_entry(look, directory)) != NULL)
			if (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN)
				look_below(look, dirfd(directory), entry->d_name, depth + 1);
	closedir(directory);
}

static struct look look_from(const char *home, const char *pattern)
{
	struct look look = { .pattern = pattern };

	look_below(&look, AT_FDCWD, home, 0);
	return look;
}

void run_trace_begin(struct run_trace *trace, const char *home, const char *pattern)
{
	struct look look;

	snprintf(trace->pattern, sizeof(trace->pattern), "%s", pattern);
	look = look_from(home, trace->pattern);
	trace->newest = look.newest;
	trace->unknown = look.full;
}

bool run_trace_more(const struct run_trace *trace, const char *home)
{
	struct look look;

	if (trace->pattern[0] == '\0')
		return false;
	look = look_from(home, trace->pattern);
	return trace->unknown || look.full || later(look.newest, trace->newest);
}
