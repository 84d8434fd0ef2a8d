/* SPDX-License-Identifier: ISC */
/*
 * Reads and replaces the files that setup edits: beside the old one, synced, renamed, with the same owner, mode
 * and xattrs.
 */
#include "setup/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/read_full.h"
#include "confine/path.h"

#define XATTR_NAMES_MAX 4096
#define XATTR_VALUE_MAX 65536

void setup_file_done(struct setup_file *file)
{
	cleanup_free_p(&file->text);
}

int file_directory_open(const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char directory[PATH_MAX];

	if (slash == NULL ||
	    snprintf(directory, sizeof(directory), "%.*s/", (int)(slash - path), path) >= (int)sizeof(directory))
		return -EINVAL;
	*name = slash + 1;
	return path_open_trusted(directory, O_RDONLY);
}

static int text_read(int fd, struct setup_file *file)
{
	size_t size = (size_t)file->st.st_size, done = 0;
	cleanup_free char *text = malloc(size + 1);

	if (text == NULL)
		return -ENOMEM;
	while (done < size) {
		ssize_t got = read(fd, text + done, size - done);

		if (got < 0 && errno != EINTR)
			return -errno;
		if (got == 0)
			return -ESTALE;
		if (got > 0)
			done += (size_t)got;
	}
	text[size] = '\0';
	if (memchr(text, '\0', size) != NULL)
		return -EBADMSG;
	file->text = steal_ptr(&text);
	file->length = size;
	return 0;
}

int file_load(const char *path, struct setup_file *file)
{
	const char *name;
	cleanup_fd int directory = file_directory_open(path, &name), fd = -1;
	struct setup_file loaded = { 0 };
	int r;

	if (directory < 0 && directory != -ENOENT)
		return directory;
	fd = directory < 0 ? -1 : openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && directory >= 0 && errno != ENOENT)
		return -errno;
	if (fd < 0) {
		loaded.text = strdup("");
		*file = loaded;
		return file->text == NULL ? -ENOMEM : 0;
	}
	if (fstat(fd, &loaded.st) != 0)
		return -errno;
	if (!S_ISREG(loaded.st.st_mode))
		return -EBADMSG;
	if (loaded.st.st_uid != 0 || (loaded.st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return -EPERM;
	if (loaded.st.st_size > (off_t)SETUP_FILE_MAX)
		return -EFBIG;
	r = text_read(fd, &loaded);
	if (r < 0)
		return r;
	loaded.exists = true;
	*file = loaded;
	return 0;
}

/* Security labels, ACLs and the like. Those of another kernel or file system than ours
 * (-ENOTSUP) cannot be there to begin with. */
static int xattrs_copy(int from, int to)
{
	char names[XATTR_NAMES_MAX];
	cleanup_free char *value = malloc(XATTR_VALUE_MAX);
	ssize_t length = flistxattr(from, names, sizeof(names));

	if (value == NULL)
		return -ENOMEM;
	if (length < 0)
		return errno == ENOTSUP ? 0 : -errno;
	for (const char *name = names; name < names + length; name += strlen(name) + 1) {
		ssize_t size = fgetxattr(from, name, value, XATTR_VALUE_MAX);

		if (size < 0 || fsetxattr(to, name, value, (size_t)size, 0) != 0)
			return -errno;
	}
	return 0;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Gives the new file what the old one has. mode last: it takes the ACL's mask with it. */
static int like_old(int directory, const char *name, int fd, const struct setup_file *old, mode_t mode)
{
	cleanup_fd int from = -1;
	struct stat now;
	int r;

	if (old == NULL || !old->exists)
		return fchmod(fd, mode) == 0 ? 0 : -errno;
	from = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (from < 0 || fstat(from, &now) != 0)
		return errno == ENOENT ? -ESTALE : -errno;
	if (!same_file(&now, &old->st))
		return -ESTALE;
	if (fchown(fd, now.st_uid, now.st_gid) != 0)
		return -errno;
	r = xattrs_copy(from, fd);
	if (r < 0)
		return r;
	return fchmod(fd, now.st_mode & 07777) == 0 ? 0 : -errno;
}

static int replace(int directory, const char *name, const char *temporary, const char *text,
		   const struct setup_file *old, mode_t mode)
{
	cleanup_fd int fd = openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = write_full(fd, text, strlen(text));
	if (r == 0)
		r = like_old(directory, name, fd, old, mode);
	if (r == 0 && fsync(fd) != 0)
		r = -errno;
	if (r < 0)
		return r;
	if (old != NULL && !old->exists) { /* it did not exist a moment ago: written only if it still does not */
		if (linkat(directory, temporary, directory, name, 0) != 0)
			return errno == EEXIST ? -ESTALE : -errno;
	} else if (renameat(directory, temporary, directory, name) != 0) {
		return -errno;
	}
	return fsync(directory) == 0 ? 0 : -errno;
}

static int temporary_name(char temporary[NAME_MAX + 1], const char *name)
{
	return snprintf(temporary, NAME_MAX + 1, ".%s.subuidd-new", name) <= NAME_MAX ? 0 : -ENAMETOOLONG;
}

int file_store(const char *path, const char *text, const struct setup_file *old, mode_t mode)
{
	const char *name;
	cleanup_fd int directory = file_directory_open(path, &name);
	char temporary[NAME_MAX + 1];
	int r;

	if (directory < 0)
		return directory;
	r = temporary_name(temporary, name);
	if (r < 0)
		return r;
	unlinkat(directory, temporary, 0); /* of a run that was cut short; only one runs at a time */
	r = replace(directory, name, temporary, text, old, mode);
	unlinkat(directory, temporary, 0);
	return r;
}

int file_tidy(const char *path)
{
	const char *name;
	cleanup_fd int directory = file_directory_open(path, &name);
	char temporary[NAME_MAX + 1];
	int r;

	if (directory < 0)
		return directory == -ENOENT ? 0 : directory;
	r = temporary_name(temporary, name);
	if (r < 0)
		return r;
	return unlinkat(directory, temporary, 0) == 0 || errno == ENOENT ? 0 : -errno;
}

int file_unlink(const char *path)
{
	const char *name;
	cleanup_fd int directory = file_directory_open(path, &name);

	if (directory < 0)
		return directory == -ENOENT ? 0 : directory;
	if (unlinkat(directory, name, 0) != 0 && errno != ENOENT)
		return -errno;
	return fsync(directory) == 0 ? 0 : -errno;
}

int file_set_aside(const char *path, const char *suffix)
{
	const char *name;
	cleanup_fd int directory = file_directory_open(path, &name);
	char aside[NAME_MAX + 1];

	if (directory < 0)
		return directory;
	if (snprintf(aside, sizeof(aside), "%s%s", name, suffix) >= (int)sizeof(aside))
		return -ENAMETOOLONG;
	return renameat(directory, name, directory, aside) == 0 ? 0 : -errno;
}

const char *file_why(int error)
{
	const char *text;

	switch (error) {
	case -ELOOP:
		return "it is a symbolic link, so another tool keeps it";
	case -EPERM:
		return "it does not belong to root, or others may write it";
	case -EBADMSG:
		return "it is not a text file";
	case -EFBIG:
		return "it is too large";
	case -ESTALE:
		return "it was changed by somebody else at the same moment";
	case -EBUSY:
		return "it cannot be replaced (a mount point, as in some containers?)";
	default:
		text = strerrordesc_np(-error);
		return text != NULL ? text : "failed";
	}
}
