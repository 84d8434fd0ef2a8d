/* SPDX-License-Identifier: ISC */
/*
 * Reading as much of a file as there is room for, and writing all of something. Header only, libc only: any folder may
 * include it.
 */
#ifndef CONFINE_READ_FULL_H
#define CONFINE_READ_FULL_H

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

/* Reads until it has `size` bytes or the file ends. Returns how many it has, or negative errno. */
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

/* 0 when all of it is written, or negative errno. */
static inline int write_full(int fd, const void *bytes, size_t size)
{
	const char *at = (const char *)bytes;

	while (size > 0) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

#endif
