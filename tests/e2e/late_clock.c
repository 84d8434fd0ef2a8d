/* SPDX-License-Identifier: ISC */
/* Preloaded: the clock is LATE_SECONDS ahead, and LATE_MORE_SECONDS more after LATE_MORE_AFTER; and after half a second
 * LATE_BOOT_SECONDS seem to have passed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

#ifndef LATE_BOOT_SECONDS
#define LATE_BOOT_SECONDS 0
#endif
#ifndef LATE_MORE_SECONDS
#define LATE_MORE_SECONDS 0
#define LATE_MORE_AFTER 0
#endif

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int (*real)(clockid_t, struct timespec *) =
		(int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int r = real(clock, now);

	if (clock == CLOCK_REALTIME) {
		static time_t begun;

		if (begun == 0)
			begun = now->tv_sec;
		now->tv_sec += LATE_SECONDS + (now->tv_sec - begun > LATE_MORE_AFTER ? LATE_MORE_SECONDS : 0);
	}
	if (clock == CLOCK_BOOTTIME) {
		static struct timespec first;

		if (first.tv_sec == 0 && first.tv_nsec == 0)
			first = *now;
		if ((now->tv_sec - first.tv_sec) * 1000 + (now->tv_nsec - first.tv_nsec) / 1000000 > 500)
			now->tv_sec += LATE_BOOT_SECONDS;
	}
	return r;
}

time_t time(time_t *ret)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}
