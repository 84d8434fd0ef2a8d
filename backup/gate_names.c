/* SPDX-License-Identifier: ISC */
/*
 * Copies the backup's own etc/passwd and etc/group into the private root. Run by the gate, as the account: the files
 * are the client's, so they are bounded and never interpreted here; rsync reads them when it is confined.
 */
#include "backup/gate_names.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "backup/name_table.h"
#include "confine/cleanup.h"
#include "confine/path.h"

#define STAT_ATTRIBUTE "user.rsync.%stat" /* "100644 0,0 0:0": mode, device, owner */

/* A link, a fifo or a device that was pushed is also stored as a regular file, with its real kind in the attribute. */
static bool said_to_be_regular(int fd)
{
	char text[256];
	ssize_t length = fgetxattr(fd, STAT_ATTRIBUTE, text, sizeof(text) - 1);
	char *end;

	if (length < 0)
		return errno == ENODATA || errno == EOPNOTSUPP;
	text[length] = '\0';
	return S_ISREG(strtoul(text, &end, 8)) && *end == ' ';
}

/* All of a regular file, no more than GATE_NAMES_SIZE_MAX. The account may change it meanwhile. */
static int read_whole(int fd, bool fake_super, char **ret, size_t *size)
{
	cleanup_free char *text = NULL;
	struct stat st;
	size_t have = 0;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (fake_super && !said_to_be_regular(fd)))
		return -EINVAL;
	text = malloc(GATE_NAMES_SIZE_MAX + 1);
	if (text == NULL)
		return -ENOMEM;
	while (have <= GATE_NAMES_SIZE_MAX) {
		ssize_t n = pread(fd, text + have, GATE_NAMES_SIZE_MAX + 1 - have, (off_t)have);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		have += n > 0 ? (size_t)n : 0;
	}
	if (have > GATE_NAMES_SIZE_MAX)
		return -EFBIG;
	*ret = steal_ptr(&text);
	*size = have;
	return 0;
}

static int file_read(int directory, const char *name, bool fake_super, char **ret, size_t *size)
{
	/* do not wait for the other end of a fifo, or for the holder of a lease */
	cleanup_fd int fd = path_open_beneath(directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

	return fd < 0 ? fd : read_whole(fd, fake_super, ret, size);
}

static bool is_absent(int error)
{
	return error == -ENOENT || error == -ENOTDIR;
}

/* Links on the way to a backup ("latest") are followed if they stay in DIR, as rsync itself does. */
static int directory_open(const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* Cuts the last component off; "." is above the first one, and nothing above ".". */
static bool go_up(char *path)
{
	size_t length = strlen(path);

	if (strcmp(path, ".") == 0 || length == 0)
		return false;
	while (length > 0 && path[length - 1] == '/')
		length--;
	while (length > 0 && path[length - 1] != '/')
		length--;
	if (length == 0)
		path[length++] = '.'; /* of a text that was not empty */
	path[length] = '\0';
	return true;
}

/* The directory at or above path (cut to its name) with an etc/passwd, and the text of that. */
static int passwd_find(char *path, bool fake_super, int *directory, char **text, size_t *size)
{
	int r;

	do {
		cleanup_fd int fd = directory_open(path);

		r = fd < 0 ? fd : file_read(fd, "etc/passwd", fake_super, text, size);
		if (r == 0)
			*directory = steal_fd(&fd);
	} while (is_absent(r) && go_up(path));
	return r;
}

static int table_write(int fd, enum name_table_kind kind, const char *text, size_t size)
{
	cleanup_free char *made = malloc(NAME_TABLE_GROWTH * size + 1);
	size_t length;

	if (made == NULL)
		return -ENOMEM;
	length = name_table_make(kind, text, size, made);
	return write(fd, made, length) == (ssize_t)length ? 0 : -ENOSPC;
}

/* *file: which one is being read. */
static int place(const struct gate_names *names, char *path, bool fake_super, const char **file)
{
	cleanup_free char *passwd = NULL, *group = NULL;
	size_t passwd_size = 0, group_size = 0;
	cleanup_fd int directory = -1;
	int r;

	*file = "etc/passwd";
	r = passwd_find(path, fake_super, &directory, &passwd, &passwd_size);
	if (r < 0)
		return is_absent(r) ? 0 : r;
	*file = "etc/group"; /* without it groups alone come by number */
	r = file_read(directory, "etc/group", fake_super, &group, &group_size);
	if (r < 0 && !is_absent(r))
		return r;
	r = table_write(names->passwd, NAME_TABLE_PASSWD, passwd, passwd_size);
	return r < 0 ? r : table_write(names->group, NAME_TABLE_GROUP, group, group_size);
}

int gate_names_place(struct gate_names *names, const char *source, bool fake_super, char *path, size_t size)
{
	char directory[PATH_MAX];
	const char *file;
	int r;

	if (names->passwd < 0 || names->group < 0)
		return 0;
	if ((size_t)snprintf(directory, sizeof(directory), "%s", source) >= sizeof(directory))
		return 0; /* not something that rsync could open */
	r = place(names, directory, fake_super, &file);
	if (r < 0) {
		snprintf(path, size, "%s%s%s", strcmp(directory, ".") == 0 ? "" : directory,
			 strcmp(directory, ".") == 0 || directory[strlen(directory) - 1] == '/' ? "" : "/", file);
		if (ftruncate(names->passwd, 0) != 0 || ftruncate(names->group, 0) != 0)
			r = -errno;
	}
	gate_names_close(names);
	return r;
}

void gate_names_close(struct gate_names *names)
{
	if (names->passwd >= 0)
		close(steal_fd(&names->passwd));
	if (names->group >= 0)
		close(steal_fd(&names->group));
}
