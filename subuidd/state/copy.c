/* SPDX-License-Identifier: ISC */
/* Unpacking a saved state into a private directory, for the state program: see copy.h. */
#include "subuidd/state/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/read_full.h"
#include "confine/path.h"
#include "subuidd/state/save.h"
#include "store/state.h"

#define PIECE (256 * 1024)

static const char *const names[] = { STATE_DB, STATE_DB "-wal", STATE_DB "-journal", STATE_DB "-shm" };

static int empty(int dirfd)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (unlinkat(dirfd, names[i], 0) < 0 && errno != ENOENT)
			return -errno;
	return 0;
}

int copy_prepare(struct copy *copy)
{
	const char *above = secure_getenv("TMPDIR");

	*copy = (struct copy){ .dirfd = -1 };
	if (above == NULL || above[0] != '/')
		above = "/var/tmp";
	if (snprintf(copy->made, sizeof(copy->made), "%s/subuid-state.XXXXXX", above) >= (int)sizeof(copy->made) - 16)
		return -ENAMETOOLONG;
	if (mkdtemp(copy->made) == NULL) {
		copy->made[0] = '\0';
		return -errno;
	}
	copy->dirfd = open(copy->made, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (copy->dirfd < 0)
		return -errno;
	snprintf(copy->db, sizeof(copy->db), "%.*s/" STATE_DB, (int)sizeof(copy->db) - 16, copy->made);
	return 0;
}

int copy_prepare_at(int state_fd, const char *name, struct copy *copy)
{
	*copy = (struct copy){ .dirfd = path_make_directory(state_fd, name, 0700, 0) };
	if (copy->dirfd < 0)
		return copy->dirfd;
	snprintf(copy->made, sizeof(copy->made), STATE_DIR "/%s", name);
	snprintf(copy->db, sizeof(copy->db), STATE_DIR "/%s/" STATE_DB, name);
	return empty(copy->dirfd);
}

void copy_close(struct copy *copy)
{
	store_close(copy->store);
	copy->store = NULL;
	if (copy->dirfd >= 0) {
		empty(copy->dirfd);
		close(copy->dirfd);
	}
	copy->dirfd = -1;
	if (copy->made[0] != '\0')
		unlinkat(AT_FDCWD, copy->made, AT_REMOVEDIR);
	copy->made[0] = '\0';
}

/* The store keeps its log (store/reserve.c), and clears the header when all of it is in the file. 1: that is so, 0:
 * not. */
static int log_settled(int dirfd)
{
	cleanup_fd int fd = openat(dirfd, STATE_DB "-wal", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char header[32], nothing[sizeof(header)] = "";
	ssize_t got;

	if (fd < 0)
		return errno == ENOENT ? 1 : -errno;
	got = pread(fd, header, sizeof(header), 0);
	return got < 0 ? -errno : got == 0 || (got == sizeof(header) && memcmp(header, nothing, sizeof(header)) == 0);
}

int copy_settle(struct copy *copy)
{
	int r;

	store_close(copy->store);
	copy->store = NULL;
	r = log_settled(copy->dirfd);
	if (r <= 0)
		return r < 0 ? r : -EIO;
	return unlinkat(copy->dirfd, STATE_DB "-wal", 0) < 0 && errno != ENOENT ? -errno : 0;
}

int copy_open(const char *file)
{
	int fd = strcmp(file, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) :
					  open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : fd;
}

/* ---- reading */

static int sink(void *data, const void *bytes, size_t size)
{
	return write_full(*(const int *)data, bytes, size);
}

static int unpack(struct state_decoder *decoder, int in_fd, int out_fd)
{
	cleanup_free char *piece = malloc(PIECE);
	ssize_t got = 1;
	int r = piece == NULL ? -ENOMEM : 0;

	while (r == 0 && got > 0) {
		got = read(in_fd, piece, PIECE);
		if (got < 0 && errno != EINTR)
			return -errno;
		if (got > 0)
			r = state_decode(decoder, piece, (size_t)got, sink, &out_fd);
		else if (got < 0)
			got = 1;
	}
	return r == 0 && state_decoder_end(decoder) != STATE_SOUND ? -EBADMSG : r;
}

static int reason(char *why, size_t size, int error)
{
	snprintf(why, size, "%s", strerror(-error));
	return error;
}

static int file_read(struct copy *copy, int in_fd, char *why, size_t size)
{
	cleanup_free struct state_decoder *decoder = malloc(sizeof(*decoder));
	cleanup_fd int out_fd = path_open_beneath(copy->dirfd, STATE_DB, O_WRONLY | O_CREAT | O_EXCL, 0600);
	int r;

	if (decoder == NULL || out_fd < 0)
		return reason(why, size, decoder == NULL ? -ENOMEM : out_fd);
	state_decoder_start(decoder);
	r = unpack(decoder, in_fd, out_fd);
	if (r == -EBADMSG)
		snprintf(why, size, "%s", state_fault_why(state_decoder_end(decoder)));
	else if (r < 0)
		reason(why, size, r);
	if (r == 0)
		copy->header = decoder->header;
	return r;
}

/* A header that was written for another database. */
static bool header_fits(const struct copy *copy, const struct store_counts *counts)
{
	const struct state_header *header = &copy->header;

	return store_identity(copy->store) == header->store && store_generation(copy->store) == header->generation &&
	       counts->accounts == header->accounts && counts->keys == header->keys && counts->ranges == header->ranges;
}

static int database_open(struct copy *copy, char *why, size_t size)
{
	struct store_counts counts = { 0 };
	int r;

	if (copy->header.schema > (uint32_t)store_schema()) {
		snprintf(why, size,
			 "it is of subuidd %s, whose database has version %u, and this program knows %d; install "
			 "that one",
			 copy->header.program, copy->header.schema, store_schema());
		return -EPROTO;
	}
	r = store_open(copy->db, &copy->store);
	if (r < 0) {
		snprintf(why, size, "the database in it cannot be opened: %s", strerror(-r));
		return r;
	}
	r = store_check(copy->store, why, size);
	if (r == 0)
		r = store_counts(copy->store, &counts);
	if (r < 0)
		return why[0] != '\0' ? r : reason(why, size, r);
	if (header_fits(copy, &counts))
		return 0;
	snprintf(why, size, "its header says something else than the database in it");
	return -EBADMSG;
}

int copy_read(struct copy *copy, int in_fd, char *why, size_t size)
{
	int r = file_read(copy, in_fd, why, size);

	return r < 0 ? r : database_open(copy, why, size);
}
