/* SPDX-License-Identifier: ISC */
/*
 * Run by root. The locks are those of usermod(8) and its kin: lckpwdf(3), then FILE.lock, a
 * link to a file with our pid in it. A lock that is there is somebody's: it is left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <shadow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/subid_text.h"
#include "confine/cleanup.h"

#define ETC SYSCONFDIR

static int whole_write(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t wrote = write(fd, text, length);

		if (wrote < 0 && errno != EINTR)
			return -errno;
		text += wrote > 0 ? wrote : 0;
		length -= wrote > 0 ? (size_t)wrote : 0;
	}
	return 0;
}

static int lock(int etc, const char *name)
{
	char held[32], own[64], pid[24];
	int length = snprintf(pid, sizeof(pid), "%lu", (unsigned long)getpid()) + 1; /* with its NUL, as shadow */
	cleanup_fd int fd = -1;
	int r;

	snprintf(held, sizeof(held), "%s.lock", name);
	snprintf(own, sizeof(own), "%s.%lu", name, (unsigned long)getpid());
	fd = openat(etc, own, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = whole_write(fd, pid, (size_t)length);
	if (r == 0 && linkat(etc, own, etc, held, 0) != 0)
		r = errno == EEXIST ? -EBUSY : -errno;
	unlinkat(etc, own, 0);
	return r;
}

static void unlock(int etc, const char *name)
{
	char held[32];

	snprintf(held, sizeof(held), "%s.lock", name);
	unlinkat(etc, held, 0);
}

static bool line_taken(const struct subid_entries *entries, const char *line, size_t length)
{
	struct subid_entry entry;

	if (subid_entry_parse(line, length, &entry) < 0)
		return false;
	for (size_t i = 0; i < entries->count; i++)
		if (entries->list[i].taken && entries->list[i].first == entry.first &&
		    entries->list[i].count == entry.count && strcmp(entries->list[i].name, entry.name) == 0)
			return true;
	return false;
}

/* What is left of the file, in memory of *out. */
static int shortened(int fd, const struct subid_entries *entries, char **out, size_t *length)
{
	cleanup_file FILE *from = fdopen(dup(fd), "re"), *to = open_memstream(out, length);
	cleanup_free char *line = NULL;
	size_t room = 0;
	ssize_t got;

	if (from == NULL || to == NULL)
		return -errno;
	while ((got = getline(&line, &room, from)) >= 0)
		if (!line_taken(entries, line, (size_t)got - (got > 0 && line[got - 1] == '\n')))
			fwrite(line, 1, (size_t)got, to);
	return ferror(from) || fflush(to) != 0 ? -EIO : 0;
}

/* Beside the old one, with its owner and mode; then in its place. */
static int replace(int etc, const char *name, const char *text, size_t length, const struct stat *before)
{
	char beside[48];
	cleanup_fd int fd = -1;
	int r = 0;

	snprintf(beside, sizeof(beside), "%s.subuid-adopt", name);
	unlinkat(etc, beside, 0);
	fd = openat(etc, beside, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (fchown(fd, before->st_uid, before->st_gid) != 0 || fchmod(fd, before->st_mode & 07777) != 0)
		r = -errno;
	if (r == 0)
		r = whole_write(fd, text, length);
	if (r == 0 && (fsync(fd) != 0 || renameat(etc, beside, etc, name) != 0 || fsync(etc) != 0))
		r = -errno;
	if (r < 0)
		unlinkat(etc, beside, 0);
	return r;
}

static int file_shorten(int etc, const char *name, const struct subid_entries *entries)
{
	cleanup_fd int fd = openat(etc, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	cleanup_free char *text = NULL;
	size_t length = 0;
	struct stat st;
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	r = shortened(fd, entries, &text, &length);
	return r == 0 && length != (size_t)st.st_size ? replace(etc, name, text, length, &st) : r;
}

int subid_entries_remove(const struct subid_entries *entries)
{
	static const char *const names[] = {"subuid", "subgid"};
	cleanup_fd int etc = open(ETC, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int locked = 0, r = 0;

	if (etc < 0)
		return -errno;
	if (lckpwdf() < 0)
		return -EBUSY;
	for (; r == 0 && locked < 2; locked++) {
		r = lock(etc, names[locked]);
		if (r < 0)
			break;
	}
	for (int i = 0; r == 0 && i < 2; i++)
		r = file_shorten(etc, names[i], entries);
	while (locked > 0)
		unlock(etc, names[--locked]);
	ulckpwdf();
	return r;
}
