/* SPDX-License-Identifier: ISC */
/*
 * Preloaded into a confined tool that does not start without knowing who it is (sftp-server). It sees neither passwd
 * nor the index, which would also tell it about all other users: this gives it its one own entry, from the environment
 * that the gate made. A guest: libc only, prints nothing, keeps errno.
 *
 * It also keeps the tool from opening /dev/null for writing, as it does to fill missing standard descriptors (none
 * is missing): a filter that only lets existing files be read cannot tell which file it is. And it gives a changed
 * owner the answer that a client understands. A message of its log is one line, whatever names are in it.
 */
#include "backup/own_root.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

#define MESSAGE_MAX 1024 /* of sftp-server's log, which writes each in one piece with "\r\n" behind it */

static char password[] = "x", nothing[] = "", root[] = "/";

static struct passwd *own(void)
{
	static struct passwd entry;
	char *name = getenv("USER");

	entry = (struct passwd){ .pw_name = name != NULL ? name : nothing,
				 .pw_passwd = password,
				 .pw_uid = getuid(),
				 .pw_gid = getgid(),
				 .pw_gecos = nothing,
				 .pw_dir = root,
				 .pw_shell = nothing };
	return &entry;
}

EXPORT struct passwd *getpwuid(uid_t uid)
{
	return uid == getuid() ? own() : NULL;
}

EXPORT struct passwd *getpwnam(const char *name)
{
	return strcmp(name, own()->pw_name) == 0 ? own() : NULL;
}

EXPORT int open(const char *path, int flags, ...)
{
	char made[PATH_MAX];
	const char *real;
	mode_t mode = 0;
	va_list list;
	int fd;

	if ((flags & (O_CREAT | O_TMPFILE)) != 0) {
		va_start(list, flags);
		mode = va_arg(list, mode_t);
		va_end(list);
	}
	if ((flags & (O_ACCMODE | O_CREAT)) == O_RDWR && strcmp(path, "/dev/null") == 0)
		return openat(AT_FDCWD, path, (flags & ~O_ACCMODE) | O_RDONLY);
	real = own_path(path, made);
	fd = real == NULL ? -1 : openat(AT_FDCWD, real, flags, mode);
	if (fd >= 0 && (flags & O_EXCL) != 0)
		own_file_made(fd);
	return fd;
}

/* Nobody else's number exists in a user namespace, for which the kernel says EINVAL; to sftp's clients that would be a
 * bad message, where a permission is missing. */
static int as_permission(int result)
{
	if (result != 0 && errno == EINVAL)
		errno = EPERM;
	return result;
}

EXPORT int fchown(int fd, uid_t uid, gid_t gid)
{
	return as_permission((int)syscall(SYS_fchown, fd, uid, gid));
}

EXPORT int fchownat(int directory, const char *path, uid_t uid, gid_t gid, int flags)
{
	char made[PATH_MAX];
	const char *real = own_path(path, made);

	return real == NULL ? -1 : as_permission((int)syscall(SYS_fchownat, directory, real, uid, gid, flags));
}

EXPORT int chown(const char *path, uid_t uid, gid_t gid)
{
	return fchownat(AT_FDCWD, path, uid, gid, 0);
}

/* It leaves newlines as they are: a file's name could say that another file was written. */
EXPORT ssize_t write(int fd, const void *bytes, size_t size)
{
	char line[MESSAGE_MAX];

	if (fd == STDOUT_FILENO)
		return own_answer(fd, bytes, size);
	if (fd != STDERR_FILENO || size < 2 || size > sizeof(line))
		return syscall(SYS_write, fd, bytes, size);
	memcpy(line, bytes, size);
	for (size_t i = 0; i < size - 2; i++)
		if (line[i] == '\n' || line[i] == '\r')
			line[i] = '?';
	return syscall(SYS_write, fd, line, size);
}

EXPORT int open64(const char *path, int flags, ...) __attribute__((alias("open")));
