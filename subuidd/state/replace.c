/* SPDX-License-Identifier: ISC */
/* Replaces the present store by another one, for the state program (root): see replace.h. */
#include "subuidd/state/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/read_full.h"
#include "confine/path.h"
#include "subuidd/state/save.h"

#define PIECE (256 * 1024)

static const char *const beside[] = { "-wal", "-journal", "-shm" };

int present_open(struct store **store, char *why, size_t size)
{
	struct store *opened = NULL;
	int r;

	if (access(STATE_DB_PATH, F_OK) < 0)
		return -errno;
	r = store_open(STATE_DB_PATH, &opened);
	if (r == 0)
		r = store_check(opened, why, size);
	if (r == 0) {
		*store = opened;
		return 0;
	}
	store_close(opened);
	if (r == -EPROTO)
		snprintf(why, size, STATE_DB_PATH " was written by a newer subuidd, or not by subuidd at all");
	else if (why[0] == '\0')
		snprintf(why, size, STATE_DB_PATH ": %s", strerror(-r));
	return r;
}

/* ---- keeping the old one */

static int bytes_copy(int from, int to)
{
	cleanup_free char *piece = malloc(PIECE);
	ssize_t got;
	int r = piece == NULL ? -ENOMEM : 0;

	while (r == 0 && (got = read(from, piece, PIECE)) != 0)
		r = got > 0 ? write_full(to, piece, (size_t)got) : errno == EINTR ? 0 : -errno;
	return r == 0 && fsync(to) < 0 ? -errno : r;
}

static int file_keep(int state_fd, const char *name, const char *kept)
{
	cleanup_fd int from = path_open_beneath(state_fd, name, O_RDONLY, 0), to = -1;
	char new[64];
	int r;

	if (from < 0)
		return from;
	snprintf(new, sizeof(new), "%s.new", kept);
	if (unlinkat(state_fd, new, 0) < 0 && errno != ENOENT)
		return -errno;
	to = path_open_beneath(state_fd, new, O_WRONLY | O_CREAT | O_EXCL, 0600);
	r = to < 0 ? to : bytes_copy(from, to);
	if (r == 0 && renameat(state_fd, new, state_fd, kept) < 0)
		r = -errno;
	if (r < 0 && to >= 0)
		unlinkat(state_fd, new, 0);
	return r;
}

int present_keep(int state_fd, const char *suffix)
{
	char name[64], kept[64];
	int r;

	snprintf(kept, sizeof(kept), STATE_DB "%s", suffix);
	r = file_keep(state_fd, STATE_DB, kept);
	for (size_t i = 0; r == 0 && i < sizeof(beside) / sizeof(beside[0]); i++) {
		snprintf(name, sizeof(name), STATE_DB "%s", beside[i]);
		snprintf(kept, sizeof(kept), STATE_DB "%s%s", suffix, beside[i]);
		r = file_keep(state_fd, name, kept);
		if (r == -ENOENT) /* an older one would be taken for this one's */
			r = unlinkat(state_fd, kept, 0) < 0 && errno != ENOENT ? -errno : 0;
	}
	return r == 0 && fsync(state_fd) < 0 ? -errno : r;
}

/* ---- the new one */

/* A leftover log would be taken for the new store's. Only a store that cannot be read has one. */
static int logs_remove(int state_fd)
{
	char name[64];

	for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
		snprintf(name, sizeof(name), STATE_DB "%s", beside[i]);
		if (unlinkat(state_fd, name, 0) < 0 && errno != ENOENT)
			return -errno;
	}
	return fsync(state_fd) < 0 ? -errno : 0;
}

int present_replace(int state_fd, struct copy *copy)
{
	cleanup_fd int fd = path_open_beneath(copy->dirfd, STATE_DB, O_RDONLY, 0);
	int r = fd < 0 ? fd : 0;

	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0)
		r = logs_remove(state_fd);
	if (r == 0 && renameat(copy->dirfd, STATE_DB, state_fd, STATE_DB) < 0)
		r = -errno;
	return r == 0 && fsync(state_fd) < 0 ? -errno : r;
}

/* ---- the mark */

/* As the daemon does at its start. */
static int homes_make(struct place *place, char *why, size_t size)
{
	const char *homes = place->settings.homes, *slash = strrchr(homes, '/');
	cleanup_fd int above = -1, fd = -1;
	char parent[sizeof(place->settings.homes) + 1];

	if (place->homes_fd >= 0)
		return 0;
	snprintf(parent, sizeof(parent), "%.*s/", (int)(slash - homes), homes);
	above = path_open_trusted(parent, O_RDONLY | O_DIRECTORY);
	fd = above < 0 ? above : path_make_directory(above, slash + 1, 0711, 0);
	if (fd >= 0 && fchmod(fd, 0711) < 0)
		return -errno;
	if (fd < 0) {
		snprintf(why, size, "%s: %s", homes, strerror(-fd));
		return fd;
	}
	place->homes_fd = steal_fd(&fd);
	return 0;
}

int marks_raise(struct place *place, uint64_t identity, const uint32_t marks[HIGH_WATER_REGIONS], char *why,
		size_t size)
{
	struct high_water mark = { .store = 0 };
	struct high_water_files *files = NULL;
	unsigned sound;
	int r = homes_make(place, why, size);

	if (r < 0)
		return r;
	r = high_water_read(place->state_fd, place->homes_fd, &mark, &sound);
	if (r == -ENOENT || r == -EUCLEAN)
		r = 0;
	if (r == 0) {
		mark.store = identity;
		high_water_merge(&mark, 0, marks);
		r = high_water_open(place->state_fd, place->homes_fd, &mark, &files);
	}
	high_water_close(files);
	if (r < 0)
		snprintf(why, size, "the high-water mark: %s", strerror(-r));
	return r;
}
