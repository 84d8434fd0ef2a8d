/* SPDX-License-Identifier: ISC */
/*
 * Preloaded into a confined tool that does not start without knowing who it is (sftp-server). It sees neither
 * passwd nor the index, which would also tell it about all others: this is the one entry of its own, from the
 * environment that the gate made. A guest: libc only, prints nothing, keeps errno.
 *
 * It also keeps the tool from opening /dev/null for writing, as it does to fill missing standard descriptors (none
 * is missing): a filter that only lets existing files be read cannot tell which file it is.
 */
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static char password[] = "x", nothing[] = "", root[] = "/";

static struct passwd *own(void)
{
	static struct passwd entry;
	char *name = getenv("USER");

	entry = (struct passwd){ .pw_name = name != NULL ? name : nothing, .pw_passwd = password, .pw_uid = getuid(),
				 .pw_gid = getgid(), .pw_gecos = nothing, .pw_dir = root, .pw_shell = nothing };
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
	mode_t mode = 0;
	va_list list;

	if ((flags & (O_CREAT | O_TMPFILE)) != 0) {
		va_start(list, flags);
		mode = va_arg(list, mode_t);
		va_end(list);
	}
	if ((flags & O_ACCMODE) == O_RDWR && strcmp(path, "/dev/null") == 0)
		flags = (flags & ~O_ACCMODE) | O_RDONLY;
	return openat(AT_FDCWD, path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...) __attribute__((alias("open")));
