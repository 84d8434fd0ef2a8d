/* SPDX-License-Identifier: ISC */
/*
 * How much sessions see of the host, left beside the index (index/session_rules.h). Run by the broker (root) at its
 * start and when the settings are read again.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "confine/cleanup.h"
#include "confine/read_full.h"
#include "subuidd/base/log.h"
#include "subuidd/publish/publish_internal.h"

#define RULES_NEW SESSION_RULES_NAME ".new"

static bool rules_same(int state_fd, const char *text, size_t length)
{
	cleanup_fd int fd = openat(state_fd, SESSION_RULES_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char present[SESSION_RULES_MAX];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & 07777) != 0644 || st.st_uid != 0)
		return false;
	return read_full(fd, present, sizeof(present)) == (ssize_t)length && memcmp(present, text, length) == 0;
}

static int rules_write(int state_fd, const char *text, size_t length)
{
	cleanup_fd int fd = -1;
	int r;

	if (unlinkat(state_fd, RULES_NEW, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(state_fd, RULES_NEW, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_full(fd, text, length);
	if (r == 0 && (fchmod(fd, 0644) != 0 || fsync(fd) != 0 ||
		       renameat(state_fd, RULES_NEW, state_fd, SESSION_RULES_NAME) != 0 || fsync(state_fd) != 0))
		r = -errno;
	if (r < 0)
		unlinkat(state_fd, RULES_NEW, 0);
	return r;
}

void publication_sessions(int state_fd, const struct settings *settings)
{
	char text[SESSION_RULES_MAX];
	int r = session_rules_format(settings->sessions_private, settings->tmp_mib, settings->hide, settings->bind,
				     text);

	if (r > 0 && rules_same(state_fd, text, (size_t)r))
		return;
	if (r > 0)
		r = rules_write(state_fd, text, (size_t)r);
	if (r < 0)
		log_warn(SESSION_RULES_PATH ": %s: sessions go by the settings before, if there were any",
			 strerror(-r));
}
