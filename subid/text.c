/* SPDX-License-Identifier: ISC */
/* /etc/subuid, its like and our records of them, read whole and written whole: the one place where they are. */
#include "subid/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/read_full.h"
#include "confine/trusted.h"

#define FILE_BYTES_MAX (1 << 30)
#define LABEL_BYTES_MAX 512

int subid_text_take(int fd, const struct stat *st, char **text, size_t *length)
{
	size_t size = (size_t)st->st_size;
	cleanup_free char *buffer = NULL;
	ssize_t used;

	if (!S_ISREG(st->st_mode) || st->st_size > FILE_BYTES_MAX)
		return S_ISREG(st->st_mode) ? -EFBIG : -EINVAL;
	buffer = malloc(size + 1);
	used = buffer == NULL ? -ENOMEM : read_full(fd, buffer, size);
	if (used < 0)
		return (int)used;
	if ((size_t)used != size)
		return -EAGAIN; /* a program that takes no lock writes it in place */
	buffer[size] = '\0';
	*length = size;
	*text = steal_ptr(&buffer);
	return 0;
}

/* What is in a file that was opened, or cannot be: none is an empty one. */
static int text_of(int fd, const struct stat *st, char **text, size_t *length)
{
	if (fd != -ENOENT)
		return fd < 0 ? fd : subid_text_take(fd, st, text, length);
	*length = 0;
	*text = calloc(1, 1);
	return *text != NULL ? 0 : -ENOMEM;
}

int subid_text_read(int dirfd, const char *name, char **text, size_t *length)
{
	struct stat st;
	cleanup_fd int fd = file_open_trusted(dirfd, name, geteuid(), &st);

	return text_of(fd, &st, text, length);
}

int subid_text_look(const char *path, char **text, size_t *length)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	return text_of(fd < 0 || fstat(fd, &st) < 0 ? -errno : fd, &st, text, length);
}

/* Mode and SELinux label of the file that it takes the place of. */
static int look_alike(int dirfd, const char *name, int fd, mode_t mode)
{
	cleanup_fd int old = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char label[LABEL_BYTES_MAX];
	struct stat st;
	ssize_t length;

	if (old < 0 && errno == ENOENT)
		return fchmod(fd, mode) < 0 ? -errno : 0;
	if (old < 0 || fstat(old, &st) < 0)
		return -errno;
	if (fchown(fd, (uid_t)-1, st.st_gid) < 0 || fchmod(fd, st.st_mode & 07777) < 0)
		return -errno;
	length = fgetxattr(old, "security.selinux", label, sizeof(label));
	if (length > 0 && fsetxattr(fd, "security.selinux", label, (size_t)length, 0) < 0)
		return -errno;
	return 0;
}

int subid_text_prepare(int dirfd, const char *name, const char *temporary, mode_t mode, const char *text, size_t length)
{
	cleanup_fd int fd = -1;
	int r;

	unlinkat(dirfd, temporary, 0);
	fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = look_alike(dirfd, name, fd, mode);
	if (r == 0)
		r = write_full(fd, text, length);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dirfd, temporary, 0);
	return r;
}

int subid_text_write(int dirfd, const char *name, const char *temporary, mode_t mode, const char *text, size_t length)
{
	int r = subid_text_prepare(dirfd, name, temporary, mode, text, length);

	if (r < 0)
		return r;
	if (renameat(dirfd, temporary, dirfd, name) < 0) {
		r = -errno;
		unlinkat(dirfd, temporary, 0);
		return r;
	}
	return fsync(dirfd) < 0 ? -errno : 0;
}
