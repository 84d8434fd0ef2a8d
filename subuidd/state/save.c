/* SPDX-License-Identifier: ISC */
/* Writes a saved state from a store that does not change: see save.h. Root. */
#include "subuidd/state/save.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/read_full.h"
#include "confine/path.h"
#include "subuidd/state/format.h"
#include "store/state.h"

#define PIECE (1024 * 1024)
#define SAVE_NEW STATE_SAVE ".new"

static int reason(char *why, size_t size, const char *what, int error)
{
	snprintf(why, size, "%s: %s", what, strerror(-error));
	return error;
}

int state_high_water(int state_fd, int homes_fd, struct high_water *mark, unsigned *files)
{
	/* the other directory has no file of that name */
	return high_water_read(state_fd, homes_fd >= 0 ? homes_fd : state_fd, mark, files);
}

/* ---- the header */

static void header_words(struct state_header *header)
{
	char host[HOST_NAME_MAX + 1] = "";

	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	state_word(host, header->host);
	state_word(VERSION, header->program);
	header->saved = (int64_t)time(NULL);
}

/* The store's own marks, and what is known outside of it: the higher of the two. */
static int header_marks(struct state_header *header, struct store *view, int state_fd, int homes_fd)
{
	struct high_water mark = { .store = 0 };
	unsigned files;
	int r = store_marks(view, header->marks);

	if (r < 0)
		return r;
	/* A mark that cannot be read is reported when the daemon starts; it is no reason to make no backup. */
	if (state_high_water(state_fd, homes_fd, &mark, &files) < 0)
		return 0;
	high_water_merge(&mark, 0, header->marks);
	memcpy(header->marks, mark.marks, sizeof(header->marks));
	return 0;
}

static int header_fill(struct state_header *header, int state_fd, int homes_fd)
{
	__attribute__((cleanup(store_closep))) struct store *view = NULL;
	struct store_counts counts = { 0 };
	int r = store_view(STATE_DB_PATH, &view);

	if (r == 0)
		r = store_counts(view, &counts);
	if (r == 0)
		r = header_marks(header, view, state_fd, homes_fd);
	if (r < 0)
		return r;
	header_words(header);
	header->schema = (uint32_t)store_schema();
	header->store = store_identity(view);
	header->generation = store_generation(view);
	header->accounts = counts.accounts;
	header->keys = counts.keys;
	header->ranges = counts.ranges;
	return 0;
}

/* ---- the bytes */

struct output {
	int fd;
	SHA2_CTX sum;
};

static int put(struct output *output, const void *bytes, size_t size)
{
	SHA256Update(&output->sum, bytes, size);
	return write_full(output->fd, bytes, size);
}

static int image_put(struct output *output, int image_fd, uint64_t size)
{
	cleanup_free char *piece = malloc(PIECE);
	uint64_t at = 0;
	int r = piece == NULL ? -ENOMEM : 0;

	while (r == 0 && at < size) {
		ssize_t got = pread(image_fd, piece, size - at < PIECE ? (size_t)(size - at) : PIECE, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EUCLEAN;
		at += (uint64_t)got;
		r = put(output, piece, (size_t)got);
	}
	return r;
}

static int all_put(struct state_header *header, int image_fd, int out_fd)
{
	struct output output = { .fd = out_fd };
	char text[STATE_HEADER_MAX], trailer[STATE_TRAILER_SIZE];
	int length = state_header_format(header, text);
	int r;

	if (length < 0)
		return -EUCLEAN;
	SHA256Init(&output.sum);
	r = put(&output, text, (size_t)length);
	if (r == 0)
		r = image_put(&output, image_fd, header->image);
	if (r < 0)
		return r;
	state_trailer_format(&output.sum, trailer);
	return write_full(out_fd, trailer, sizeof(trailer));
}

int state_save(int state_fd, int homes_fd, int out_fd, char *why, size_t size)
{
	cleanup_fd int image_fd = path_open_beneath(state_fd, STATE_DB, O_RDONLY, 0);
	struct state_header header = { .schema = 0 };
	struct stat st;
	int r = image_fd < 0 ? image_fd : header_fill(&header, state_fd, homes_fd);

	if (r == 0 && fstat(image_fd, &st) < 0)
		r = -errno;
	if (r < 0)
		return reason(why, size, STATE_DB_PATH, r);
	header.image = (uint64_t)st.st_size;
	r = all_put(&header, image_fd, out_fd);
	return r < 0 ? reason(why, size, "the saved state cannot be written", r) : 0;
}

int state_save_beside(int state_fd, int homes_fd, char *why, size_t size)
{
	cleanup_fd int fd = -1;
	int r;

	if (unlinkat(state_fd, SAVE_NEW, 0) < 0 && errno != ENOENT)
		return reason(why, size, STATE_DIR "/" SAVE_NEW, -errno);
	fd = path_open_beneath(state_fd, SAVE_NEW, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return reason(why, size, STATE_DIR "/" SAVE_NEW, fd);
	r = state_save(state_fd, homes_fd, fd, why, size);
	if (r == 0 && (fsync(fd) < 0 || renameat(state_fd, SAVE_NEW, state_fd, STATE_SAVE) < 0 || fsync(state_fd) < 0))
		r = reason(why, size, STATE_DIR "/" STATE_SAVE, -errno);
	if (r < 0)
		unlinkat(state_fd, SAVE_NEW, 0);
	return r;
}
