/* SPDX-License-Identifier: ISC */
/* Files that root alone can write, read whole and written whole. Run by root: the writer of /etc/subuid, and `check`. */
#include "subuidd/subid/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/read_full.h"

#define FILE_BYTES_MAX (1 << 30)
#define LABEL_BYTES_MAX 512

static int text_take(int fd, size_t size, char **text, size_t *length)
{
	cleanup_free char *buffer = malloc(size + 1);
	ssize_t used = buffer == NULL ? -ENOMEM : read_full(fd, buffer, size);

	if (used < 0)
		return (int)used;
	if ((size_t)used != size)
		return -EAGAIN; /* a program that takes no lock writes it in place */
	buffer[size] = '\0';
	*length = size;
	*text = steal_ptr(&buffer);
	return 0;
}

int subid_text_read(int dirfd, const char *name, char **text, size_t *length)
{
	cleanup_fd int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 && errno == ENOENT) {
		*length = 0;
		*text = calloc(1, 1);
		return *text != NULL ? 0 : -ENOMEM;
	}
	if (fd < 0)
		return errno == ELOOP ? -EPERM : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022) != 0)
		return -EPERM;
	return st.st_size > FILE_BYTES_MAX ? -EFBIG : text_take(fd, (size_t)st.st_size, text, length);
}

static int write_whole(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, text, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		length -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
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

int subid_text_write(int dirfd, const char *name, const char *temporary, mode_t mode, const char *text,
		     size_t length)
{
	cleanup_fd int fd = -1;
	int r;

	unlinkat(dirfd, temporary, 0);
	fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = look_alike(dirfd, name, fd, mode);
	if (r == 0)
		r = write_whole(fd, text, length);
	if (r == 0 && renameat(dirfd, temporary, dirfd, name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dirfd, temporary, 0);
		return r;
	}
	return fsync(dirfd) < 0 ? -errno : 0;
}
