/* SPDX-License-Identifier: ISC */
/*
 * Removes from the place of the index anything that is not a file, or not ours: rename(2) does not replace a directory,
 * and another user's file cannot be marked as superseded, so neither a start nor a change would repair that.
 * Nothing is lost: things that are not empty are renamed. Run by the broker (root) in its state directory, which only
 * root can write.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/writer/writer.h"

#define BAD_MAX 99

static int move_away(int dirfd, const char *from, const char *name)
{
	char to[64];

	for (int i = 1; i <= BAD_MAX; i++) {
		snprintf(to, sizeof(to), "%s.bad-%d", name, i);
		if (renameat2(dirfd, from, dirfd, to, RENAME_NOREPLACE) == 0)
			return fsync(dirfd) == 0 ? 0 : -errno;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int name_clear(int dirfd, const char *at, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, at, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISREG(st.st_mode) && st.st_uid == geteuid())
		return 0;
	if (S_ISDIR(st.st_mode) && unlinkat(dirfd, at, AT_REMOVEDIR) == 0)
		return 0;
	return move_away(dirfd, at, name);
}

int index_way_clear(int state_dirfd, const char *name)
{
	static const char *const ends[] = { "", ".new", ".old" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(ends) / sizeof(ends[0]); i++) {
		char at[64];

		snprintf(at, sizeof(at), "%s%s", name, ends[i]);
		r = name_clear(state_dirfd, at, name);
	}
	return r;
}
