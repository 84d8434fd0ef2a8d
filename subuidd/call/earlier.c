/* SPDX-License-Identifier: ISC */
/* Finds traces of an earlier store on this host: the note that ids were given out, and the daily copies. */
#include "subuidd/call/earlier.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/date.h"
#include "confine/cleanup.h"
#include "confine/path.h"

#define COPY "state-" /* and the day: state/daily.c */

static const char note[] =
	"subuidd has given out ids on this host. While this file is here, it does not start without a store as if\n"
	"nothing had been there: that would give them out a second time. See subuidd(8).\n";

static int directory_make(const char *path)
{
	const char *slash = strrchr(path, '/');
	cleanup_fd int above = -1;
	char parent[256];

	if (snprintf(parent, sizeof(parent), "%.*s/", (int)(slash - path), path) >= (int)sizeof(parent))
		return -ENAMETOOLONG;
	above = path_open_trusted(parent, O_RDONLY | O_DIRECTORY);
	return above < 0 ? above : path_make_directory(above, slash + 1, 0700, 0);
}

int earlier_directory(const char *path, bool make)
{
	cleanup_fd int fd = path_open_trusted(path, O_RDONLY | O_DIRECTORY);
	struct stat st;

	if (fd == -ENOENT && make)
		fd = directory_make(path);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_uid != 0 || (st.st_mode & 022) != 0 ? -EPERM : steal_fd(&fd);
}

static bool roots_file(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && st.st_uid == 0;
}

/* Empty, when the disk was full or the power went, it says the same. */
static int note_write(int dirfd)
{
	cleanup_fd int fd =
		openat(dirfd, EARLIER_NOTE, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0600);

	if (fd < 0)
		return -errno;
	if (write(fd, note, sizeof(note) - 1) != (ssize_t)sizeof(note) - 1 || fsync(fd) < 0 || fsync(dirfd) < 0)
		return errno != 0 ? -errno : -ENOSPC;
	return 0;
}

int earlier_note(void)
{
	cleanup_fd int dirfd = earlier_directory(EARLIER_DIRECTORY, true);

	if (dirfd < 0)
		return dirfd;
	return roots_file(dirfd, EARLIER_NOTE) ? 0 : note_write(dirfd);
}

static bool copy_named(const char *name)
{
	int32_t day;

	return strncmp(name, COPY, strlen(COPY)) == 0 && date_parse(name + strlen(COPY), &day) == 0 &&
	       strlen(name) <= EARLIER_NAME_MAX;
}

/* The content of the files is checked when one is loaded. */
static int directory_look(const char *path, char name[EARLIER_NAME_MAX + 1])
{
	cleanup_fd int fd = earlier_directory(path, false);
	cleanup_dir DIR *dir = NULL;
	const struct dirent *entry;
	char newest[EARLIER_NAME_MAX + 1] = "";

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	dir = fdopendir(fd);
	if (dir == NULL)
		return -errno;
	steal_fd(&fd);
	while ((errno = 0, entry = readdir(dir)) != NULL) {
		bool copy = copy_named(entry->d_name);

		if (!(copy || strcmp(entry->d_name, EARLIER_NOTE) == 0) || !roots_file(dirfd(dir), entry->d_name))
			continue;
		if (newest[0] == '\0' || (copy && strcmp(entry->d_name, newest) > 0))
			snprintf(newest, sizeof(newest), "%s", entry->d_name);
	}
	if (errno != 0)
		return -errno;
	if (newest[0] != '\0')
		memcpy(name, newest, sizeof(newest));
	return newest[0] != '\0';
}

int earlier_seen(const char *copies, char *path)
{
	const char *const places[] = { copies, EARLIER_DIRECTORY };
	char name[EARLIER_NAME_MAX + 1];
	int r = 0;

	for (size_t i = 0; r <= 0 && i < (strcmp(copies, EARLIER_DIRECTORY) == 0 ? 1u : 2u); i++) {
		int found = directory_look(places[i], name);

		if (found == 1)
			snprintf(path, EARLIER_PATH_MAX, "%s/%s", places[i], name);
		if (found != 0)
			r = found;
	}
	return r;
}
