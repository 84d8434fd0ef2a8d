/* SPDX-License-Identifier: ISC */
/* Preloaded: waits before the first process of a pid namespace asks to die with its parent. */
#include "late.h"

#include <signal.h>

int prctl(int option, ...)
{
	va_list list;
	int r;

	if (option == PR_SET_PDEATHSIG && getpid() == 1)
		late_wait();
	va_start(list, option);
	r = late_prctl(option, list);
	va_end(list);
	return r;
}
