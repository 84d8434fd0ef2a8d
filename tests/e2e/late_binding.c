/* SPDX-License-Identifier: ISC */
/* Preloaded: the first process of a pid namespace asks to die with its parent only when LATE_GO is there; LATE_REACHED
 * says that it is about to. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int prctl(int option, ...)
{
	unsigned long a[4];
	__builtin_va_list list;

	__builtin_va_start(list, option);
	for (int i = 0; i < 4; i++)
		a[i] = __builtin_va_arg(list, unsigned long);
	__builtin_va_end(list);
	if (option == PR_SET_PDEATHSIG && getpid() == 1) {
		close(open(LATE_REACHED, O_CREAT | O_WRONLY, 0600));
		while (access(LATE_GO, F_OK) != 0)
			usleep(1000);
	}
	return (int)syscall(SYS_prctl, option, a[0], a[1], a[2], a[3]);
}
