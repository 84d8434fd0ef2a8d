/* SPDX-License-Identifier: ISC */
/* Preloaded: a timer of hours goes off after so many seconds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

int timer_settime(timer_t timer, int flags, const struct itimerspec *when, struct itimerspec *before)
{
	int (*real)(timer_t, int, const struct itimerspec *, struct itimerspec *) =
		(int (*)(timer_t, int, const struct itimerspec *, struct itimerspec *))dlsym(RTLD_NEXT,
											     "timer_settime");
	struct itimerspec sooner = *when;

	if (flags == 0 && when->it_value.tv_sec >= 3600)
		sooner.it_value.tv_sec /= 3600;
	return real(timer, flags, &sooner, before);
}
