/* SPDX-License-Identifier: ISC */
/*
 * Reading as much of a file as there is room for. Header only, libc only: any folder may include it. Run by the broker,
 * the writer of /etc/subuid and the client alike.
 */
#ifndef CONFINE_READ_FULL_H
#define CONFINE_READ_FULL_H

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

/* Reads until `size` bytes are there or the file has ended. How many they are, or negative errno. */
static inline ssize_t read_full(int fd, void *buffer, size_t size)
{
	size_t used = 0;

	while (used < size) {
		ssize_t n = read(fd, (char *)buffer + used, size - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	return (ssize_t)used;
}

#endif
