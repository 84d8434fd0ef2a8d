/* SPDX-License-Identifier: ISC */
/* Lines of /etc/subuid and /etc/subgid that are adopted go away: run by root, under shadow's locks. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "account/subid_lock.h"
#include "cli/subid_text.h"
#include "confine/cleanup.h"

#define FILES 2
#define LABEL_BYTES_MAX 512

struct shortened {
	const char *name, *old, *new;
	struct subid_entries *entries;
	bool ready; /* `new` exists, to be put in its place */
};

/* Lines are compared by their text, not by the user they mean. */
static int text_order(const void *a, const void *b)
{
	const struct subid_entry *x = a, *y = b;

	if (x->first != y->first)
		return x->first > y->first ? 1 : -1;
	if (x->count != y->count)
		return x->count > y->count ? 1 : -1;
	return strcmp(x->name, y->name);
}

void subid_entries_sort(struct subid_entries *entries)
{
	if (entries->count > 0)
		qsort(entries->list, entries->count, sizeof(entries->list[0]), text_order);
}

const struct subid_entry *subid_entries_find(const struct subid_entries *entries, const struct subid_entry *entry)
{
	return entries->count == 0 ? NULL :
				     bsearch(entry, entries->list, entries->count, sizeof(entries->list[0]), text_order);
}

static bool line_goes(const struct subid_entries *entries, const struct subid_entries *published, const char *line,
		      size_t length)
{
	const struct subid_entry *found;
	struct subid_entry entry;

	if (subid_entry_parse(line, length, &entry) < 0 || subid_entries_find(published, &entry) != NULL)
		return false;
	found = subid_entries_find(entries, &entry); /* any of equal lines: all of them are the same range of the same owner */
	return found != NULL && found->taken;
}

/* The rest of the file, in memory of *out. */
static int rest(int fd, const struct subid_entries *entries, const struct subid_entries *published, char **out,
		size_t *length)
{
	cleanup_file FILE *from = fdopen(fcntl(fd, F_DUPFD_CLOEXEC, 0), "re"), *to = open_memstream(out, length);
	cleanup_free char *line = NULL;
	size_t room = 0;
	ssize_t got;

	if (from == NULL || to == NULL)
		return -errno;
	while ((got = getline(&line, &room, from)) >= 0)
		if (!line_goes(entries, published, line, (size_t)got - (got > 0 && line[got - 1] == '\n')))
			fwrite(line, 1, (size_t)got, to);
	return ferror(from) || fflush(to) != 0 ? -EIO : 0;
}

static int whole_write(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t wrote = write(fd, text, length);

		if (wrote < 0 && errno != EINTR)
			return -errno;
		text += wrote > 0 ? wrote : 0;
		length -= wrote > 0 ? (size_t)wrote : 0;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* Owner, mode and SELinux label of the file that it takes the place of. */
static int look_alike(int old, const struct stat *st, int fd)
{
	char label[LABEL_BYTES_MAX];
	ssize_t length = fgetxattr(old, "security.selinux", label, sizeof(label));

	if (fchown(fd, st->st_uid, st->st_gid) != 0 || fchmod(fd, st->st_mode & 07777) != 0)
		return -errno;
	return length > 0 && fsetxattr(fd, "security.selinux", label, (size_t)length, 0) != 0 ? -errno : 0;
}

/* Beside the old one, which stays as `old` until both are done. */
static int file_prepare(int etc, struct shortened *file, const struct subid_entries *published)
{
	cleanup_fd int before = openat(etc, file->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), fd = -1;
	cleanup_free char *text = NULL;
	size_t length = 0;
	struct stat st;
	int r;

	unlinkat(etc, file->new, 0); /* of one that was killed */
	unlinkat(etc, file->old, 0);
	if (before < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(before, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	r = rest(before, file->entries, published, &text, &length);
	if (r < 0 || length == (size_t)st.st_size)
		return r;
	fd = openat(etc, file->new, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	file->ready = true;
	r = look_alike(before, &st, fd);
	if (r == 0)
		r = whole_write(fd, text, length);
	return r == 0 && linkat(etc, file->name, etc, file->old, 0) != 0 ? -errno : r;
}

/* Both or none. A run that is killed between the two finds the other line when it is run again: its range is
 * adopted. */
static int files_replace(int etc, struct shortened files[FILES])
{
	int done = 0, r = 0;

	for (; r == 0 && done < FILES; done++)
		if (files[done].ready && renameat(etc, files[done].new, etc, files[done].name) != 0)
			r = -errno;
	while (r < 0 && done-- > 0)
		if (files[done].ready)
			renameat(etc, files[done].old, etc, files[done].name);
	if (r == 0 && fsync(etc) != 0)
		r = -errno;
	return r;
}

static int locked_remove(int etc, struct shortened files[FILES])
{
	struct subid_entries published = {0};
	int r = subid_entries_read(SUBID_LINES, &published);

	subid_entries_sort(&published);
	for (int i = 0; r == 0 && i < FILES; i++)
		r = file_prepare(etc, &files[i], &published);
	if (r == 0)
		r = files_replace(etc, files);
	for (int i = 0; i < FILES; i++) {
		unlinkat(etc, files[i].new, 0);
		unlinkat(etc, files[i].old, 0);
	}
	subid_entries_free(&published);
	return r;
}

int subid_entries_remove(struct subid_entries *uids, struct subid_entries *gids)
{
	struct shortened files[FILES] = {
		{.name = "subuid", .old = "subuid.adopt-old", .new = "subuid.adopt-new", .entries = uids},
		{.name = "subgid", .old = "subgid.adopt-old", .new = "subgid.adopt-new", .entries = gids},
	};
	cleanup_fd int etc = open(SYSCONFDIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	sigset_t until_done, before;
	int r;

	if (etc < 0)
		return -errno;
	subid_entries_sort(uids);
	subid_entries_sort(gids);
	sigemptyset(&until_done);
	sigaddset(&until_done, SIGINT);
	sigaddset(&until_done, SIGTERM);
	sigaddset(&until_done, SIGHUP);
	sigprocmask(SIG_BLOCK, &until_done, &before);
	r = subid_lock(etc);
	if (r == 0) {
		r = locked_remove(etc, files);
		subid_unlock(etc);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}
