/* SPDX-License-Identifier: ISC */
/* Preloaded: after the process has entered a user namespace it goes on only when LATE_GO is there; LATE_REACHED says that
 * it is inside. Without DUMPABLE what it asks the kernel for about that is not passed on. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int setns(int fd, int type)
{
	int r = (int)syscall(SYS_setns, fd, type);

	if (r == 0 && type == CLONE_NEWUSER) {
		close(open(LATE_REACHED, O_CREAT | O_WRONLY, 0600));
		while (access(LATE_GO, F_OK) != 0)
			usleep(1000);
	}
	return r;
}

int prctl(int option, ...)
{
	unsigned long a[4];
	__builtin_va_list list;

	__builtin_va_start(list, option);
	for (int i = 0; i < 4; i++)
		a[i] = __builtin_va_arg(list, unsigned long);
	__builtin_va_end(list);
	if (option == PR_SET_DUMPABLE && getenv("STAYS_DUMPABLE") != NULL)
		return 0;
	return (int)syscall(SYS_prctl, option, a[0], a[1], a[2], a[3]);
}
