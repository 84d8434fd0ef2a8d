/* SPDX-License-Identifier: ISC */
/*
 * Ownership by scope. A variable marked with one of these attributes gives its
 * resource back when it goes out of scope; steal_fd() and steal_ptr() move the
 * resource out. Header only, libc only: any folder may include it, guests too.
 * Every cleanup keeps errno.
 */
#ifndef CONFINE_CLEANUP_H
#define CONFINE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_fd_p(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		close(*fd);
		errno = saved;
	}
}

static inline void cleanup_free_p(void *ptr)
{
	int saved = errno;

	free(*(void **)ptr);
	errno = saved;
}

static inline void cleanup_file_p(FILE **file)
{
	if (*file != NULL) {
		int saved = errno;

		fclose(*file);
		errno = saved;
	}
}

static inline void cleanup_dir_p(DIR **dir)
{
	if (*dir != NULL) {
		int saved = errno;

		closedir(*dir);
		errno = saved;
	}
}

#define cleanup_fd __attribute__((cleanup(cleanup_fd_p)))
#define cleanup_free __attribute__((cleanup(cleanup_free_p)))
#define cleanup_file __attribute__((cleanup(cleanup_file_p)))
#define cleanup_dir __attribute__((cleanup(cleanup_dir_p)))

static inline int steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Type-safe: yields the pointer's own type and leaves NULL behind. */
#define steal_ptr(p)                                                                                                   \
	(__extension__({                                                                                               \
		__auto_type taken = *(p);                                                                              \
		*(p) = NULL;                                                                                           \
		taken;                                                                                                 \
	}))

#endif
