/* SPDX-License-Identifier: ISC */
/*
 * Distinguishes a damaged file from one that the disk cannot deliver. SQLite does not always do so: a read error while
 * it loads the schema, or while it checks the file, becomes "malformed". A program that believes this makes a new
 * store. Run only after damage was found.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "store/sqlite.h"

#define PIECE (256 * 1024)

static int file_read(const char *path)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	cleanup_free char *piece = malloc(PIECE);
	ssize_t got = 1;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (piece == NULL)
		return -ENOMEM;
	while (got > 0)
		got = read(fd, piece, PIECE);
	return got < 0 ? -errno : 0;
}

int store_files_read(const char *path)
{
	char log[PATH_MAX];
	int r = file_read(path);

	if (r < 0)
		return r;
	if (snprintf(log, sizeof(log), "%s-wal", path) >= (int)sizeof(log))
		return -ENAMETOOLONG;
	return file_read(log);
}

int store_file_read(sqlite3 *db)
{
	cleanup_free char *piece = malloc(PIECE);
	sqlite3_file *file = NULL;
	sqlite3_int64 size = 0;
	int code = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);

	if (piece == NULL)
		return -ENOMEM;
	if (code != SQLITE_OK || file == NULL || file->pMethods == NULL)
		return -EIO;
	code = file->pMethods->xFileSize(file, &size);
	for (sqlite3_int64 at = 0; code == SQLITE_OK && at < size; at += PIECE)
		code = file->pMethods->xRead(file, piece, (int)(size - at < PIECE ? size - at : PIECE), at);
	return code == SQLITE_OK ? 0 : -EIO;
}
