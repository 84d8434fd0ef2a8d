/* SPDX-License-Identifier: ISC */
/* Written as the last deed of a daemon that refuses to start, removed by one that has. Root, in a directory of root's.
 */
#include "subuidd/call/refusal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/path.h"

#define NAME "refused"

static int run_directory(void)
{
	cleanup_fd int parent = path_open_trusted("/run", O_RDONLY | O_DIRECTORY);

	return parent < 0 ? parent : path_make_directory(parent, strrchr(RUN_DIR, '/') + 1, 0755, 0);
}

void refusal_record(const char *why)
{
	cleanup_fd int dir = run_directory();
	cleanup_fd int fd = -1;
	char when[32] = "", line[768];
	time_t now = time(NULL);
	struct tm tm;
	int length;

	if (dir < 0 || gmtime_r(&now, &tm) == NULL)
		return;
	unlinkat(dir, NAME, 0);
	fd = openat(dir, NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	length = snprintf(line, sizeof(line), "%s: %.700s\n", when, why);
	if (fd >= 0 && (fchmod(fd, 0644) < 0 || write(fd, line, (size_t)length) != length))
		unlinkat(dir, NAME, 0);
}

void refusal_forget(void)
{
	cleanup_fd int dir = run_directory();

	if (dir >= 0)
		unlinkat(dir, NAME, 0);
}
