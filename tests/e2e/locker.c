/* SPDX-License-Identifier: ISC */
/* A tool, or an rsync, that its peer has taken over: takes every lock on its directory that it can get, and keeps them.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

static void hold(const char *path)
{
	struct flock all = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	char byte;
	int fd = open(path, O_RDONLY | O_DIRECTORY), got = 0;

	if (fd < 0)
		return;
	got |= (flock(fd, LOCK_EX | LOCK_NB) == 0) << 0;
	got |= (fcntl(fd, F_SETLK, &all) == 0) << 1;
	got |= (fcntl(fd, F_OFD_SETLK, &all) == 0) << 2;
	got |= (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) << 3;
	printf("locks %d\n", got);
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
}

int main(void)
{
	hold(".");
	return 0;
}
