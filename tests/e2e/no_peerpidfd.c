/* SPDX-License-Identifier: ISC */
/* Preloaded: a kernel before 6.5, which does not say which process connected. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PEERPIDFD 77

int getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
	if (level == SOL_SOCKET && option == PEERPIDFD) {
		errno = ENOPROTOOPT;
		return -1;
	}
	return (int)syscall(SYS_getsockopt, fd, level, option, value, size);
}
