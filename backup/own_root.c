/* SPDX-License-Identifier: ISC */
/*
 * Preloaded into sftp-server and unison: "/" is the home of the account, as it is for rsync, borg and restic, and the
 * working directory is called so. Where the kernel has a root of the session's own, libraries are in it beside the
 * home; this confines nothing, and what confines does not know of it. The path of the home itself goes on meaning the
 * home. A guest: libc only, prints nothing, keeps errno.
 */
#include "backup/own_root.h"
#include "account/snapshot.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* NULL: none was given, and paths are what they are. */
static const char *own_home(void)
{
	const char *home = getenv("SUBUID_HOME");

	return home != NULL && home[0] == '/' && strlen(home) < PATH_MAX ? home : NULL;
}

/* part is path, or a directory above it. */
static bool leads_to(const char *part, const char *path)
{
	size_t length = strlen(part);

	return strncmp(part, path, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* "base/rest". out, or NULL and errno. */
static const char *joined(const char *base, const char *rest, char out[PATH_MAX])
{
	if (snprintf(out, PATH_MAX, "%s/%s", base, rest) < PATH_MAX)
		return out;
	errno = ENAMETOOLONG;
	return NULL;
}

/* Whether the home has a directory of that name itself: it cannot get one while it is only read. */
static bool own_snapshots(const char *home)
{
	static int has = -1;
	const int before = errno;
	char path[PATH_MAX];

	if (has < 0)
		has = joined(home, SNAPSHOTS_SHOWN, path) != NULL &&
		      faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	errno = before;
	return has == 1;
}

/* The path among the snapshots that it means, if there are any that this client may see, and it is one: ret, or NULL
 * and errno; *in. A path without "/" in front is one in the home, where the tool stays. */
static const char *snapshot_of(const char *home, const char *path, char out[PATH_MAX], bool *in)
{
	const char *snapshots = getenv(SNAPSHOTS_VARIABLE), *rest;

	if (snapshots == NULL)
		return NULL;
	rest = snapshot_path(leads_to(home, path) ? path + strlen(home) : path, own_snapshots(home));
	*in = rest != NULL;
	return rest == NULL ? NULL : joined(snapshots, rest, out);
}

const char *own_path(const char *path, char out[PATH_MAX])
{
	const char *home = own_home(), *snapshot;
	bool in = false;

	if (home == NULL)
		return path;
	snapshot = snapshot_of(home, path, out, &in);
	if (in)
		return snapshot;
	return path[0] != '/' || leads_to(home, path) ? path : joined(home, path + 1, out);
}

/* Clients go along a path from its beginning: on the way to the home's own one there are directories. */
static int own_stat(const char *path, struct stat *st, int flags)
{
	const char *home = own_home(), *real;
	const int before = errno;
	char made[PATH_MAX];

	real = own_path(path, made);
	if (real == NULL)
		return -1;
	if (fstatat(AT_FDCWD, real, st, flags) == 0)
		return 0;
	if (errno != ENOENT || home == NULL || path[1] == '\0' || !leads_to(path, home))
		return -1;
	errno = before;
	return fstatat(AT_FDCWD, home, st, flags);
}

EXPORT int stat(const char *restrict path, struct stat *restrict st)
{
	return own_stat(path, st, 0);
}

EXPORT int lstat(const char *restrict path, struct stat *restrict st)
{
	int r = own_stat(path, st, AT_SYMLINK_NOFOLLOW);

	own_looked_at(path, r);
	return r;
}

EXPORT int access(const char *path, int mode)
{
	char made[PATH_MAX];
	const char *real = own_path(path, made);

	return real == NULL ? -1 : faccessat(AT_FDCWD, real, mode, 0);
}

EXPORT int chdir(const char *path)
{
	char made[PATH_MAX];
	const char *real = own_path(path, made);

	return real == NULL ? -1 : (int)syscall(SYS_chdir, real);
}

EXPORT int mkdir(const char *path, mode_t mode)
{
	char made[PATH_MAX];
	const char *real = own_path(path, made);

	return real == NULL || own_refuses_directory(path) ? -1 : mkdirat(AT_FDCWD, real, mode);
}

EXPORT int rmdir(const char *path)
{
	char made[PATH_MAX];
	const char *real = own_path(path, made);

	return real == NULL ? -1 : unlinkat(AT_FDCWD, real, AT_REMOVEDIR);
}

EXPORT int unlink(const char *path)
{
	char made[PATH_MAX];
	const char *real = own_path(path, made);

	return real == NULL ? -1 : unlinkat(AT_FDCWD, real, 0);
}

EXPORT int rename(const char *from, const char *to)
{
	char made_from[PATH_MAX], made_to[PATH_MAX];
	const char *real_from = own_path(from, made_from), *real_to = own_path(to, made_to);

	return real_from == NULL || real_to == NULL ? -1 : renameat(AT_FDCWD, real_from, AT_FDCWD, real_to);
}

EXPORT int link(const char *from, const char *to)
{
	char made_from[PATH_MAX], made_to[PATH_MAX];
	const char *real_from = own_path(from, made_from), *real_to = own_path(to, made_to);

	return real_from == NULL || real_to == NULL ? -1 : linkat(AT_FDCWD, real_from, AT_FDCWD, real_to, 0);
}

/* The text of a link stays as the client sends it. */
EXPORT int symlink(const char *text, const char *path)
{
	char made[PATH_MAX];
	const char *real = own_path(path, made);

	return real == NULL ? -1 : symlinkat(text, AT_FDCWD, real);
}

EXPORT ssize_t readlink(const char *restrict path, char *restrict out, size_t size)
{
	char made[PATH_MAX];
	const char *real = own_path(path, made);

	return real == NULL ? -1 : readlinkat(AT_FDCWD, real, out, size);
}

EXPORT int truncate(const char *path, off_t size)
{
	char made[PATH_MAX];
	const char *real = own_path(path, made);

	return real == NULL ? -1 : (int)syscall(SYS_truncate, real, size);
}

EXPORT int fchmodat(int directory, const char *path, mode_t mode, int flags)
{
	int (*next)(int, const char *, mode_t, int) = dlsym(RTLD_NEXT, "fchmodat");
	char made[PATH_MAX];
	const char *real = own_path(path, made);

	return real == NULL || next == NULL ? -1 : own_path_mode(next(directory, real, mode, flags), real, mode);
}

EXPORT int chmod(const char *path, mode_t mode)
{
	return fchmodat(AT_FDCWD, path, mode, 0);
}

EXPORT int fchmod(int fd, mode_t mode)
{
	return own_file_mode((int)syscall(SYS_fchmod, fd, mode), fd, mode);
}

EXPORT int utimensat(int directory, const char *path, const struct timespec times[2], int flags)
{
	char made[PATH_MAX];
	const char *real = own_path(path, made);

	if (real == NULL)
		return -1;
	return own_path_dates((int)syscall(SYS_utimensat, directory, real, times, flags), real, times);
}

static const struct timespec *exact(const struct timeval times[2], struct timespec made[2])
{
	if (times == NULL)
		return NULL;
	for (int i = 0; i < 2; i++)
		made[i] = (struct timespec){ .tv_sec = times[i].tv_sec, .tv_nsec = times[i].tv_usec * 1000 };
	return made;
}

EXPORT int utimes(const char *path, const struct timeval times[2])
{
	struct timespec made[2];

	return utimensat(AT_FDCWD, path, exact(times, made), 0);
}

EXPORT int futimes(int fd, const struct timeval times[2])
{
	struct timespec made[2];
	const struct timespec *dates = exact(times, made);

	return own_file_dates((int)syscall(SYS_utimensat, fd, NULL, dates, 0), fd, dates);
}

EXPORT DIR *opendir(const char *path)
{
	char made[PATH_MAX];
	const char *real = own_path(path, made);
	int fd = real == NULL ? -1 : openat(AT_FDCWD, real, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && stream == NULL)
		close(fd);
	return stream;
}

EXPORT int statvfs(const char *restrict path, struct statvfs *restrict st)
{
	char made[PATH_MAX];
	const char *real = own_path(path, made);
	int fd = real == NULL ? -1 : openat(AT_FDCWD, real, O_PATH | O_CLOEXEC), r;

	if (fd < 0)
		return -1;
	r = fstatvfs(fd, st);
	close(fd);
	return r;
}

EXPORT char *getcwd(char *out, size_t size)
{
	const char *home = own_home();
	char made[PATH_MAX];
	long length = syscall(SYS_getcwd, made, sizeof(made));
	size_t skip;

	if (length < 0)
		return NULL;
	skip = home != NULL && leads_to(home, made) ? strlen(home) : 0;
	if (made[skip] == '\0')
		made[--skip] = '/';
	if (out == NULL || strlen(made + skip) >= size) {
		errno = ERANGE;
		return NULL;
	}
	memcpy(out, made + skip, strlen(made + skip) + 1);
	return out;
}

/* The same by the names that a program with large files has for them; on 64 bits they are one. */
#if defined(__LP64__)
EXPORT int stat64(const char *restrict path, struct stat64 *restrict st) __attribute__((alias("stat")));
EXPORT int lstat64(const char *restrict path, struct stat64 *restrict st) __attribute__((alias("lstat")));
EXPORT int truncate64(const char *path, off64_t size) __attribute__((alias("truncate")));
EXPORT int statvfs64(const char *restrict path, struct statvfs64 *restrict st) __attribute__((alias("statvfs")));
#endif
