/* SPDX-License-Identifier: ISC */
/*
 * Reserves room while there is some, so that a change can be committed when the disk is full. Run by the broker
 * (root).
 *
 * A commit appends to the write-ahead log, and the log is brought into the file later. The log is therefore kept: it is
 * written out to its full size once, with zeros, which SQLite takes for the end of the log, and is neither truncated
 * nor deleted when the store is closed. New pages of the file come from pages that are in it already and free.
 *
 * After a clean stop all frames in the log are also in the file. They would be applied again to whatever file is there
 * at the next start, such as a restored one, so the header of the log is cleared.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "store/high_water.h"
#include "store/sqlite.h"

#define PIECE (1 << 20)    /* bytes written at a time */
#define LOG_HEADER 32      /* bytes; without it there is no frame in the log */
#define FREE_PAGES_MIN 64  /* of 4096 bytes: the audit trail of some thousand changes */
#define FREE_BYTES 1048576 /* made at a time: 256 pages */

static const char *log_path(sqlite3 *db)
{
	const char *path = sqlite3_db_filename(db, "main");

	return path == NULL || path[0] == '\0' ? NULL : sqlite3_filename_wal(path);
}

static int zeros_write(int fd, off_t from, off_t to)
{
	cleanup_free char *zeros = calloc(1, PIECE);

	if (zeros == NULL)
		return -ENOMEM;
	while (from < to) {
		ssize_t n = pwrite(fd, zeros, to - from < PIECE ? (size_t)(to - from) : PIECE, from);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		from += n;
	}
	return fdatasync(fd) == 0 ? 0 : -errno;
}

static int log_extend(sqlite3 *db)
{
	const char *path = log_path(db);
	cleanup_fd int fd =
		path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	struct stat st;

	if (path == NULL)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return -EPERM;
	if (st.st_size == 0) /* a log has checksums of its own */
		store_in_place(fd);
	return st.st_size < STORE_LOG_SIZE ? zeros_write(fd, st.st_size, STORE_LOG_SIZE) : 0;
}

int store_log_keep(sqlite3 *db)
{
	int on = 1, chunk = STORE_FILE_CHUNK;
	int r;

	sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &on);
	sqlite3_file_control(db, "main", SQLITE_FCNTL_CHUNK_SIZE, &chunk);
	r = log_extend(db);
	/* not now: the store is opened all the same, and only changes that are not locks are refused meanwhile */
	return r == -ENOSPC || r == -EDQUOT || r == -EROFS ? 0 : r;
}

/* True if everything in the log is in the file, too. */
static bool log_done(sqlite3 *db)
{
	int frames = 0, done = 0;

	return sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_FULL, &frames, &done) == SQLITE_OK &&
	       done >= frames;
}

void store_log_close(sqlite3 *db)
{
	static const char nothing[LOG_HEADER];
	const char *path = log_path(db);
	cleanup_fd int fd = -1;

	/* or SQLite would cut it to nothing */
	if (path == NULL || sqlite3_exec(db, "PRAGMA journal_size_limit = -1", NULL, NULL, NULL) != SQLITE_OK)
		return;
	if (!log_done(db))
		return;
	fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || pwrite(fd, nothing, sizeof(nothing), 0) != (ssize_t)sizeof(nothing))
		return;
	(void)fdatasync(fd);
}

static int pages_free(struct store *store, int64_t *pages)
{
	return store_one(store, SQL_FREE_PAGES, NULL, 0, number_read, pages);
}

static int pages_add(struct store *store)
{
	int r = store_begin(store);

	if (r < 0)
		return r;
	r = store_run(store, SQL_RESERVE_FILL, VALUES(NUMBER(FREE_BYTES)));
	if (r == 0)
		r = store_run(store, SQL_RESERVE_EMPTY, NULL, 0);
	if (r < 0) {
		store_rollback(store);
		return r;
	}
	return store_commit(store);
}

int store_bytes(struct store *store, int64_t *bytes)
{
	return store_one(store, SQL_BYTES, NULL, 0, number_read, bytes);
}

int store_reserve(struct store *store)
{
	int64_t pages = 0;
	int r = log_extend(store->db);

	if (r == 0)
		r = pages_free(store, &pages);
	return r < 0 || pages >= FREE_PAGES_MIN ? r : pages_add(store);
}
