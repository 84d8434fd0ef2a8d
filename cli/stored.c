/* SPDX-License-Identifier: ISC */
/*
 * Reads what was pushed. Runs as the owner, in a namespace in which they may read all of it; the account chooses every
 * byte: a name may come to mean something else between two looks, so each entry is one descriptor from the first look
 * on.
 */
#include "cli/stored.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/path.h"

#define STAT_ATTRIBUTE "user.rsync.%stat"
#define STAT_TEXT 80

/* Decimal or octal digits up to `end`, which is skipped. */
static int number(const char **text, unsigned base, char end, uint32_t *value)
{
	uint64_t parsed = 0;
	const char *at = *text;

	for (; *at >= '0' && *at < (char)('0' + base); at++) {
		parsed = parsed * base + (unsigned)(*at - '0');
		if (parsed > UINT32_MAX)
			return -EINVAL;
	}
	if (at == *text || *at != end)
		return -EINVAL;
	*text = at + (end != '\0');
	*value = (uint32_t)parsed;
	return 0;
}

static bool kind_known(mode_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || S_ISCHR(mode) || S_ISBLK(mode) || S_ISFIFO(mode) ||
	       S_ISSOCK(mode);
}

int stored_parse(const char *text, struct stored *stored)
{
	struct stored parsed;
	uint32_t mode;

	if (number(&text, 8, ' ', &mode) < 0 || number(&text, 10, ',', &parsed.major) < 0 ||
	    number(&text, 10, ' ', &parsed.minor) < 0 || number(&text, 10, ':', &parsed.uid) < 0 ||
	    number(&text, 10, '\0', &parsed.gid) < 0 || mode > (S_IFMT | 07777u) || !kind_known(mode))
		return -EINVAL;
	parsed.mode = mode;
	*stored = parsed;
	return 0;
}

/* A directory is always a directory; only a file can stand for something else. */
static void server_read(struct stored_entry *entry)
{
	char text[STAT_TEXT];
	ssize_t n = fgetxattr(entry->fd, STAT_ATTRIBUTE, text, sizeof(text) - 1);
	struct stored stored;

	if (n <= 0)
		return;
	text[n] = '\0';
	if (stored_parse(text, &stored) < 0 || S_ISDIR(stored.mode) != S_ISDIR(entry->disk.st_mode))
		return;
	entry->server = stored;
	entry->has_stored = true;
}

/* rsync keeps a link as a file with its text in it. */
static int target_read(struct stored_entry *entry, int path_fd)
{
	ssize_t n = S_ISLNK(entry->disk.st_mode) ? readlinkat(path_fd, "", entry->target, sizeof(entry->target) - 1) :
						   pread(entry->fd, entry->target, sizeof(entry->target) - 1, 0);

	if (n < 0)
		return -errno;
	entry->target[n] = '\0';
	return 0;
}

static int entry_fill(struct stored_entry *entry, int path_fd)
{
	char self[32];

	if (fstat(path_fd, &entry->disk) != 0)
		return -errno;
	entry->server =
		(struct stored){ .mode = entry->disk.st_mode, .uid = entry->disk.st_uid, .gid = entry->disk.st_gid };
	if (S_ISREG(entry->disk.st_mode) || S_ISDIR(entry->disk.st_mode)) {
		snprintf(self, sizeof(self), "/proc/self/fd/%d", path_fd);
		entry->fd = open(self, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		if (entry->fd < 0)
			return -errno;
		server_read(entry);
	}
	return S_ISLNK(entry->server.mode) ? target_read(entry, path_fd) : 0;
}

int entry_open(int dir, const char *path, struct stored_entry *entry)
{
	cleanup_fd int path_fd = path_open_same_mount(dir, path, O_PATH | O_NOFOLLOW);
	int r;

	entry->fd = -1;
	entry->has_stored = false;
	entry->target[0] = '\0';
	r = path_fd < 0 ? path_fd : entry_fill(entry, path_fd);
	if (r < 0)
		entry_close(entry);
	return r;
}

void entry_close(struct stored_entry *entry)
{
	cleanup_fd int fd = entry->fd;

	(void)fd;
	entry->fd = -1;
}

void stored_mode_text(mode_t mode, char out[12])
{
	static const char letters[] = "rwxrwxrwx";

	out[0] = S_ISDIR(mode)  ? 'd' :
		 S_ISLNK(mode)  ? 'l' :
		 S_ISCHR(mode)  ? 'c' :
		 S_ISBLK(mode)  ? 'b' :
		 S_ISFIFO(mode) ? 'p' :
		 S_ISSOCK(mode) ? 's' :
				  '-';
	for (int i = 0; i < 9; i++)
		out[i + 1] = (mode & (0400u >> i)) != 0 ? letters[i] : '-';
	if (mode & S_ISUID)
		out[3] = out[3] == 'x' ? 's' : 'S';
	if (mode & S_ISGID)
		out[6] = out[6] == 'x' ? 's' : 'S';
	if (mode & S_ISVTX)
		out[9] = out[9] == 'x' ? 't' : 'T';
	out[10] = '\0';
}

bool stored_is_device(mode_t mode)
{
	return S_ISCHR(mode) || S_ISBLK(mode);
}

uint64_t entry_size(const struct stored_entry *entry)
{
	return S_ISLNK(entry->server.mode) ? strlen(entry->target) : (uint64_t)entry->disk.st_size;
}
