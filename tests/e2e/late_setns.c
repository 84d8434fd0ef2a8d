/* SPDX-License-Identifier: ISC */
/* Preloaded: waits after the process has entered a user namespace. With STAYS_DUMPABLE what it asks the kernel for
 * about that is not passed on. */
#include "late.h"

#include <sched.h>
#include <stdlib.h>

int setns(int fd, int type)
{
	int r = (int)syscall(SYS_setns, fd, type);

	if (r == 0 && type == CLONE_NEWUSER)
		late_wait();
	return r;
}

int prctl(int option, ...)
{
	va_list list;
	int r = 0;

	va_start(list, option);
	if (option != PR_SET_DUMPABLE || getenv("STAYS_DUMPABLE") == NULL)
		r = late_prctl(option, list);
	va_end(list);
	return r;
}
