/* SPDX-License-Identifier: ISC */
/* A clock for deadlines. Header only, libc only: any folder may include it. */
#ifndef CONFINE_CLOCK_H
#define CONFINE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds and microseconds of a clock that is never set and does not go on while the host sleeps. */
static inline int64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline uint64_t clock_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

#endif
