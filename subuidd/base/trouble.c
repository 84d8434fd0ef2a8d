/* SPDX-License-Identifier: ISC */
/* Sentences about files that the daemon does not accept. Run by the broker (root), on paths that are told, not
 * opened. */
#include "subuidd/base/trouble.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFREG:
		return "a file";
	case S_IFLNK:
		return "a symbolic link";
	default:
		return "a special file";
	}
}

bool trouble_owner(const char *path, mode_t type, mode_t without, mode_t right, char *why, size_t size)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return false;
	if ((st.st_mode & S_IFMT) != type)
		snprintf(why, size, "%s is %s and should be %s: move it away", path, type_name(st.st_mode),
			 type_name(type));
	else if (st.st_uid != 0)
		snprintf(why, size, "%s belongs to uid %u and not to root: chown root:root %s", path,
			 (unsigned)st.st_uid, path);
	else if ((st.st_mode & without) != 0)
		snprintf(why, size, "%s has the mode %04o, which lets others in: chmod %04o %s", path,
			 (unsigned)(st.st_mode & 07777), (unsigned)right, path);
	else if (type == S_IFREG && st.st_nlink != 1)
		snprintf(why, size, "%s has %u names (hard links): remove the others", path, (unsigned)st.st_nlink);
	else
		return false;
	return true;
}

static const char *todo(int error)
{
	switch (error) {
	case -EIO:
		return "; the disk does not answer as it should: look at the kernel's log";
	case -EROFS:
		return "; look at the kernel's log for why, and mount it read-write";
	case -ENOSPC:
	case -EDQUOT:
		return "; make room on the disk";
	default:
		return "";
	}
}

int trouble_say(char *why, size_t size, const char *path, int error)
{
	snprintf(why, size, "%s: %s%s", path, strerror(-error), todo(error));
	return error;
}

int trouble_state(char *why, size_t size, int error)
{
	static const struct {
		const char *path;
		mode_t type, without, right;
	} files[] = {
		{ STATE_DIR, S_IFDIR, 022, 0755 },
		{ STATE_DIR "/state.db", S_IFREG, 077, 0600 },
		{ STATE_DIR "/state.db-wal", S_IFREG, 077, 0600 },
		{ STATE_DIR "/state.db-journal", S_IFREG, 077, 0600 },
		{ STATE_DIR "/state.db-shm", S_IFREG, 077, 0600 },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (trouble_owner(files[i].path, files[i].type, files[i].without, files[i].right, why, size))
			return error;
	return trouble_say(why, size, STATE_DIR "/state.db", error);
}
